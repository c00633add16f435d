"""The worker: the life of a main process and its pool, from its readiness to its end.

Compare celery/worker/worker.py, celery/apps/worker.py and celery/worker/consumer/consumer.py
(``on_connection_error_after_connected``). What it takes and gives back is in consumer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sandbox.draws import uniform
from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.autoscale import Autoscaler
from sandbox.engines.model.broker import Message
from sandbox.engines.model.consumer import Consumer
from sandbox.engines.model.holds import Holds
from sandbox.engines.model.outage import Doomed, Offline
from sandbox.engines.model.pause import Pause
from sandbox.engines.model.pool import Pool
from sandbox.engines.model.reserved import CountingPool
from sandbox.engines.model.slot import Slot
from sandbox.scenario import WorkerPool

if TYPE_CHECKING:
    from sandbox.engines.model.world import World

_MAINTENANCE_S = 5.0
_FLUSH_S, _COLD_EXIT_S = 0.5, 1.0
"""From the end of a cold shutdown's tasks to its notice of them, and to the worker's exit.

celery/concurrency/asynpool.py ``_flush_outqueue`` and prefork.py ``on_stop`` sleep 0.5 s at a
time: measured 1.0 and 1.5 s with 1, 2 and 4 processes.
"""
_UNRECOVERABLE_S = 1.0


class Worker(Consumer):
    """One life of a worker, from its readiness to its end; started again, it is a new one.

    ``closing``: it has been told to stop, and finishes what runs.
    """

    def __init__(self, world: World, settings: WorkerPool, name: str) -> None:
        super().__init__(world, settings, name)
        self.host = world.hosts[settings.host]
        self.closing, self._exit_code = False, 0
        self.ready_s, self.n_kills = self.env.now, 0
        self.autoscaler: Autoscaler | None = None
        self.holds = Holds(self)
        self.record.note("worker_ready", worker=name)
        self.apply = self._staff(settings)
        self.consume()

    def consume(self) -> None:
        """Begin the event loop, with all that it calls regularly."""
        super().consume()
        if self.autoscaler is not None:
            self.autoscaler.begin()

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
        return [self.main_alarm, self.sweep_alarm, *scaling]

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
            # Not this again: a solo worker's body is over then, and its slot not yet idle.
            self.holds.call_when_free(partial(self._begin_anew, in_brpop=False))
        else:
            self._begin_anew(in_brpop=in_brpop)

    def _begin_anew(self, *, in_brpop: bool) -> None:
        if not self.is_alive:
            return
        self._silence()
        self.prefetch_count = self.may_hold
        self.holds.forget()
        self.pool.forget()
        self.read_socket()
        for message in () if self.is_offline else list(self.delivered):
            self.broker.hand_back(message, self.name)
        holds_any = bool(self.delivered)
        self.delivered.clear()
        keeps = {"keeps": True} if self.settings.pool == "threads" else None
        self.record.note("disconnected", worker=self.name, detail=keeps)
        if self.is_offline and in_brpop and holds_any:
            self._give_up()
        elif self.is_offline:
            self.pause = Offline(self)
        else:
            self.consume()
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

    def break_down(self) -> None:
        """Begin nothing more, and exit with code 1 once what runs has ended."""
        if self.closing:
            return
        self._silence()
        self.closing, self._exit_code = True, 1
        self.holds.forget()
        self.pool.forget()
        self.record.note("disconnected", worker=self.name)
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
        if self.pause is not offline or self.is_offline:
            return
        if self.broker.standstill is not None:
            self.broker.standstill.later(self._connected, offline)
            return
        offline.end()
        self.consume()

    # --- the end of a life -----------------------------------------------------------

    def kill(self) -> None:
        """SIGKILL: main process and children are gone; what it held stays in `unacked`."""
        # Its exit may have been awaited, and a message in its socket is gone with it.
        self.world.n_pending -= self.closing + (self.popped is not None)
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
        self.closing, self.asleep = True, False
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
        self.asleep = False
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
            self.world.call_in(_UNRECOVERABLE_S if self._exit_code else exit_s, self._exit)

    def _exit(self) -> None:
        if not self.is_alive:
            return
        if self.free_s > self.env.now:
            self.world.call_in(self.free_s - self.env.now, self._exit)
            return
        self.is_alive = False
        self.read_socket()
        for message in () if self.broker.is_full else list(self.delivered):
            self.broker.restore(message, self.name)
        self.record.note("worker_exited", worker=self.name, detail={"exit": self._exit_code})
        self.world.n_pending -= 1
        self.world.look()
