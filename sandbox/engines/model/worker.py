"""The worker: a main process that fetches, holds and dispatches, one thing at a time.

Compare kombu/transport/redis.py ``MultiChannelPoller`` and celery/worker/loops.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import simpy

from sandbox.draws import uniform
from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.autoscale import Autoscaler
from sandbox.engines.model.broker import Message
from sandbox.engines.model.holds import Holds
from sandbox.engines.model.outage import Doomed, Offline
from sandbox.engines.model.pause import Later, Pause
from sandbox.engines.model.pool import Pool
from sandbox.engines.model.request import Settle
from sandbox.engines.model.reserved import CountingPool
from sandbox.engines.model.slot import Slot
from sandbox.scenario import WorkerPool

if TYPE_CHECKING:
    from sandbox.engines.model.world import World

_MAINTENANCE_S = 5.0
_FLUSH_S, _COLD_EXIT_S = 1.0, 1.5
"""From the end of a cold shutdown's tasks to its notice of them, and to the worker's exit.

celery/concurrency/asynpool.py ``_flush_outqueue`` and prefork.py ``on_stop`` sleep 0.5 s at a
time: measured 1.0 and 1.5 s with 1, 2 and 4 processes.
"""
_UNRECOVERABLE_S = 1.0
_EXPIRED = {"reason": "expired"}


class Worker:
    """One life of a worker, from its readiness to its end; started again, it is a new one.

    ``closing``: it has been told to stop, and finishes what runs. ``delivered`` holds what
    it was given and has not acknowledged; ``prefetch_count`` allows that many, and one more
    for each task held for its ETA.
    """

    def __init__(self, world: World, settings: WorkerPool, name: str) -> None:
        self.world, self.settings, self.name = world, settings, name
        self.env, self.broker, self.record = world.env, world.broker, world.record
        self.host = world.hosts[settings.host]
        self.is_alive, self.closing = True, False
        self.ready_s, self.n_kills = self.env.now, 0
        self._may_hold = settings.concurrency * settings.prefetch_multiplier or math.inf
        self.prefetch_count = self._may_hold
        self._is_choosy = settings.pool == "solo" or settings.disable_prefetch
        self.delivered: dict[Message, None] = {}
        self.queues, self.cycle = frozenset(settings.queues), list(dict.fromkeys(settings.queues))
        self._orders: dict[tuple[str, ...], list[deque[Message]]] = {}
        self.lists = self._brpop_keys(tuple(self.cycle))
        self._rotates = len(self.cycle) > 1 and (
            world.scenario.broker.queue_order_strategy == "round_robin"
        )
        self._asleep = False
        self._popped: Message | None = None
        self.pause: Later | None = None
        self.autoscaler: Autoscaler | None = None
        self.holds = Holds(self)
        self.record.note("worker_ready", worker=name)
        self.apply = self._staff(settings)
        self._consume()

    def _consume(self) -> None:
        """Begin the event loop, with all that it calls regularly."""
        self._main, self._sweeper = Alarm(self.env), Alarm(self.env)
        self._main.begin(self.main())
        self._sweeper.begin(self.sweeper())
        if self.autoscaler is not None:
            self.autoscaler.begin()

    def _staff(self, settings: WorkerPool) -> Callable[[Message], None]:
        """Start the pool; return what gives it a task that nothing holds back."""
        if not (settings.disable_prefetch or settings.autoscale):
            self.pool = Pool(self, settings.concurrency, settings.pool)
            return self.pool.apply
        pool = self.pool = CountingPool(self, settings.concurrency, settings.pool)
        if settings.autoscale is None:
            return pool.apply
        self.autoscaler = autoscaler = Autoscaler(self, pool, *settings.autoscale)

        def apply(message: Message) -> None:
            pool.apply(message)
            autoscaler.received()

        return apply

    # --- fetching --------------------------------------------------------------------

    def main(self) -> Steps:
        """Fetch one message a round trip while there is credit for it."""
        alarm, deliver_s, brpop = self._main, self.world.overheads.deliver_s, self.broker.brpop
        while True:
            while self.can_consume() and (message := brpop(self)):
                self._deliver(message)
                if deliver_s:
                    alarm.ring(deliver_s)
                    yield
                self._receive(message)
            self._asleep = True
            yield
            if alarm.value is not None:
                self._receive(alarm.value)

    def can_consume(self) -> bool:
        """Whether the prefetch count allows one more, and where that is asked, the pool."""
        if self._is_choosy and self._is_full():
            return False
        return len(self.delivered) < self.prefetch_count

    def _is_full(self) -> bool:
        """Whether a solo worker's loop is blocked, or prefetch is off and no process is free."""
        pool = self.pool
        if isinstance(pool, CountingPool) and self.settings.disable_prefetch:
            return pool.blocks_main or pool.n_reserved >= self.settings.concurrency
        return pool.blocks_main

    def take(self, message: Message) -> None:
        """Get the message that a BRPOP has waited for.

        When the credit has gone since it was asked for (an ETA came due; a solo worker runs
        what its timer released), the message stays in the socket: out of Redis, in nobody's
        `unacked`, lost if the worker is killed.
        """
        if not self.can_consume():
            self._popped = message
            self.world.n_pending += 1
            return
        self._deliver(message)
        if self.world.overheads.deliver_s:
            self._wake(message, self.world.overheads.deliver_s)
            return
        # A round trip that takes no time needs no event; main sleeps on, before empty lists.
        self._asleep = False
        self._receive(message)
        self._asleep = True
        if self.can_consume():
            self.broker.block(self)

    def credit(self) -> None:
        """Use credit that may have come back: main sleeps only for want of it."""
        if not self._asleep or self in self.broker.blocked or not self.can_consume():
            return
        message, self._popped = self._popped, None
        if message is None:
            self._asleep = False
            self._main.ring()
        else:
            self.world.n_pending -= 1
            self._deliver(message)
            self._wake(message, self.world.overheads.deliver_s)

    def _wake(self, message: Message, delay_s: float) -> None:
        if self._asleep:
            self._asleep = False
            self._main.ring(delay_s, message)

    def _deliver(self, message: Message) -> None:
        """`QoS.append`: note the message in `unacked`, with the time it was received."""
        self.broker.unacked[message] = self.env.now
        self.delivered[message] = None
        if self._rotates:
            self.cycle.remove(message.kind.queue)
            self.cycle.append(message.kind.queue)
            self.lists = self._brpop_keys(tuple(self.cycle))
        self.record.delivered(message, self.name)

    def _brpop_keys(self, cycle: tuple[str, ...]) -> list[deque[Message]]:
        """Return the lists in the order BRPOP looks at them: by priority step, then queue."""
        if cycle not in self._orders:
            broker = self.broker
            is_sorted = broker.settings.queue_order_strategy == "sorted"
            self._orders[cycle] = [
                broker.lists[step, queue]
                for step in broker.settings.priority_steps
                for queue in (sorted(cycle) if is_sorted else cycle)
                if (step, queue) in broker.lists
            ]
        return self._orders[cycle]

    # --- receiving -------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        """Drop what has expired, run the rest, some of it later."""
        if message.expires_s is not None and self.env.now > message.expires_s:
            self.revoke(message)
        else:
            self.record.received(message, self.name)
            if message.eta_s is None and not self.holds.buckets:
                self.apply(message)
            else:
                self.holds.admit(message)

    def revoke(self, message: Message) -> None:
        """Drop an expired message, on receipt or when a process would begin it."""
        self.record.message("revoked", message, self.name, _EXPIRED)
        if message.kind.is_watched:
            self.world.ends_badly(message, self.name)
        self.ack(message)
        self.world.finished(message.key)
        self.world.look()

    @property
    def has_work(self) -> bool:
        """Whether it runs a task, or will: of a copy, the message may be gone by now.

        Who is closing begins nothing more, and the end of its life is awaited anyway.
        """
        if not self.is_alive:
            return False
        is_due = self.pause is not None and self.pause.has_due
        has = self.pool.backlog or self.delivered or self.holds.n_held
        return is_due or self.pool.runs or bool(has)

    # --- acknowledging ---------------------------------------------------------------

    def ack(self, message: Message) -> None:
        """Acknowledge a message, which gives its prefetch credit back.

        `QoS.ack` drops the entry of this tag, even if it is a later owner's by now.
        """
        if self.broker.unacked.pop(message, None) is None:
            self.broker.unacked.pop(self.broker.newest(message), None)
        self.delivered.pop(message, None)
        self.record.acked(message, self.name)
        if self._asleep:
            self.credit()

    def ack_due(self, event: simpy.Event) -> None:
        """Acknowledge the message of an event, unless the worker has died meanwhile."""
        if self.pause is not None:
            self.pause.later(self.ack_due, event)
        elif self.is_alive:
            self.ack(cast("Message", event.value))
            self.world.look()

    def reject(self, message: Message) -> None:
        """Put a message at the back of its queue."""
        self.delivered.pop(message, None)
        self.broker.requeue(message, self.name)
        self.credit()

    def drop(self, message: Message) -> None:
        """Reject a message without requeue: it is gone."""
        self.broker.unacked.pop(self.broker.newest(message), None)
        self.delivered.pop(message, None)
        self.record.message("rejected", message, self.name)
        self.credit()

    def settle(self, how: Settle, message: Message) -> None:
        """Reject a message, unless the worker has died meanwhile."""
        if self.pause is not None:
            self.pause.later(self.settle, how, message)
        elif self.is_alive:
            how(message)
            self.world.look()

    # --- the visibility timeout ------------------------------------------------------

    def sweeper(self) -> Steps:
        """Look for messages older than the visibility timeout, at once and then regularly."""
        alarm, settings = self._sweeper, self.broker.settings
        period_s = settings.unacked_restore_interval_s * settings.unacked_restore_throttle
        while True:
            self.broker.sweep(self.name)
            alarm.ring(period_s)
            yield
            if self.pool.blocks_main:
                self.holds.call_when_free(alarm.ring)
                yield

    # --- stopped for a while -----------------------------------------------------------

    def stop(self) -> None:
        """SIGSTOP: main process and children stand still."""
        alarms = [*self._timers, *(slot.alarm for slot in self.pool.slots)]
        alarms += [slot.attempt.worked for slot in self.pool.slots if slot.attempt is not None]
        self.pause = Pause(self, alarms, self.pool.slots)

    @property
    def _timers(self) -> list[Alarm]:
        """Return the alarms of the main process."""
        scaling = [] if self.autoscaler is None else [self.autoscaler.alarm]
        return [self._main, self._sweeper, *scaling]

    # --- a lost connection -------------------------------------------------------------

    def reconnect(self, *, in_brpop: bool = False) -> None:
        """Notice that the connection is gone, give back what it was given, and begin anew.

        celery/worker/consumer/consumer.py ``on_connection_error_after_connected`` closes the
        connection, which restores all that is not acknowledged (kombu's ``QoS``), running tasks
        included; ``on_close`` then forgets what no process runs. A task that runs goes on, and
        its late acknowledgement hits whoever has the message by then.
        """
        if self.pause is not None:
            self.pause.later(self.reconnect)
        elif self.pool.blocks_main:
            self.holds.call_when_free(self.reconnect)
        elif self.is_alive:
            self._silence()
            self.prefetch_count = self._may_hold
            self.holds.forget()
            self.pool.forget()
            self._read_socket()
            for message in () if self.broker.is_down else list(self.delivered):
                self.broker.hand_back(message, self.name)
            holds_any = bool(self.delivered)
            self.delivered.clear()
            keeps = {"keeps": True} if self.settings.pool == "threads" else None
            self.record.note("disconnected", worker=self.name, detail=keeps)
            if self.broker.is_down and in_brpop and holds_any:
                self._give_up()
            elif self.broker.is_down:
                self.pause = Offline(self)
            else:
                self._consume()
            self.world.look()

    def _give_up(self) -> None:
        """Exit with code 1, once what runs has ended: "Unrecoverable error".

        Closing a channel that waits in BRPOP raises half way (kombu/transport/redis.py
        ``Channel.close``), and the restore at its next closing then finds no connection. Only
        who waits for more and holds something gets there: every stop looked at in detail fits.
        """
        self.closing, self.pause = True, Doomed(self)
        self.world.n_pending += 1
        self.leave()

    def _die(self) -> None:
        if self.is_alive:
            self.is_alive = False
            self.record.note("worker_exited", worker=self.name, detail={"exit": 1})
            self.world.n_pending -= 1
            self.world.look()

    def find_broker(self) -> None:
        """Go on with a broker that is up again, at the next try to connect."""
        if isinstance(self.pause, Offline) and not self.closing:
            self.world.await_in(self.pause.next_try_s(), self._connected, self.pause)

    def _connected(self, offline: Offline) -> None:
        if self.pause is not offline or self.broker.is_down:
            return
        offline.end()
        self._consume()

    def _read_socket(self) -> None:
        """Closing the channel reads the reply of its last BRPOP, if the broker takes note of it."""
        if self._popped is not None:
            self.world.n_pending -= 1
            if not self.broker.is_down:
                self._deliver(self._popped)
            self._popped = None

    # --- the end of a life -----------------------------------------------------------

    def kill(self) -> None:
        """SIGKILL: main process and children are gone; what it held stays in `unacked`."""
        # Its exit may have been awaited, and a message in its socket is gone with it.
        self.world.n_pending -= self.closing + (self._popped is not None)
        self._stop_consuming()
        self.is_alive, self.closing, self.pause = False, True, None
        self.record.note("worker_exited", worker=self.name, detail={"signal": 9})
        self.pool.kill_all()

    def kill_child(self, slot: Slot) -> None:
        """SIGKILL to one child."""
        self.pool.kill_child(slot, self.notice_s())

    def notice_s(self) -> float:
        """Draw when main notices that a child has ended: at once, or at its next 5 s tick.

        A race in celery/concurrency/asynpool.py between the child's pipe and its exit status.
        """
        overheads = self.world.overheads
        draw = uniform(self.world.scenario.seed, f"{self.name}/detection", self.n_kills)
        self.n_kills += 1
        if draw < overheads.p_instant_detection:
            return overheads.detection_s
        return _MAINTENANCE_S - (self.env.now - self.ready_s) % _MAINTENANCE_S

    def terminate(self) -> None:
        """SIGTERM: stop consuming at once, let running tasks finish, restore the rest."""
        self._stop_consuming()
        self.closing = True
        self.world.n_pending += 1
        self.leave()

    def quit(self) -> None:
        """SIGQUIT: a cold shutdown, and a soft one before it if so set and a task runs.

        celery/apps/worker.py ``on_cold_shutdown``; the soft part is a sleep in a signal's
        handler (worker/worker.py ``wait_for_soft_shutdown``), so main does nothing else.
        """
        self.closing, self._asleep = True, False
        self.world.n_pending += 1
        soft_s = self.settings.soft_shutdown_timeout_s
        if soft_s and (self.pool.runs or self.settings.soft_shutdown_on_idle):
            self.pause = Pause(self, self._timers, [])
            self.world.call_in(soft_s, self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        """End every task that runs; what main has not seen the end of is then acknowledged."""
        if not self.is_alive:
            return
        self._silence()
        running = self.pool.cancel()
        if self.pause is not None:
            self.pause.end()
        self.world.call_in(_FLUSH_S, self._note_lost, running)
        self.world.call_in(_COLD_EXIT_S, self._exit)

    def _note_lost(self, running: list[Message]) -> None:
        for message in running if self.is_alive else ():
            self.record.message("child_lost", message, self.name)

    def _stop_consuming(self) -> None:
        if not self.closing or self.pause is not None:
            self._silence()

    def _silence(self) -> None:
        self.broker.blocked.pop(self, None)
        self._asleep = False
        for alarm in self._timers:
            alarm.silence()

    def leave(self) -> None:
        """Let the worker exit once its last child has finished and been acknowledged."""
        if self.pool.busy:
            return
        if isinstance(self.pause, Doomed):
            self.world.call_in(_UNRECOVERABLE_S, self._die)
        elif self.pause is None:
            overheads, has_children = self.world.overheads, self.settings.pool == "prefork"
            # Its threads look for the end each second, each half second: billiard/pool.py
            # ResultHandler.finish_at_shutdown, celery/concurrency/prefork.py on_stop.
            exit_s = overheads.worker_exit_s if has_children else overheads.ack_s
            self.world.call_in(exit_s, self._exit)

    def _exit(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._read_socket()
        for message in list(self.delivered):
            self.broker.restore(message, self.name)
        self.record.note("worker_exited", worker=self.name, detail={"exit": 0})
        self.world.n_pending -= 1
        self.world.look()
