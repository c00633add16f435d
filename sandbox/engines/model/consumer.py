"""The consumer: what a worker's main process takes from its queues, and what it gives back.

Compare kombu/transport/redis.py ``MultiChannelPoller``, celery/worker/loops.py and
celery/worker/consumer/consumer.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import simpy

from sandbox.engines.model import trips
from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.broker import Message
from sandbox.engines.model.holds import Holds
from sandbox.engines.model.pause import Later
from sandbox.engines.model.pool import Pool
from sandbox.engines.model.request import Settle
from sandbox.engines.model.reserved import CountingPool
from sandbox.engines.model.standstill import HalfOpen, answered
from sandbox.scenario import WorkerPool

if TYPE_CHECKING:
    from sandbox.engines.model.world import World

_EXPIRED = {"reason": "expired"}


class Consumer:
    """Fetches one message at a time, gives it to the pool or has it held, and settles it.

    ``delivered`` holds what it was given and has not acknowledged; ``prefetch_count`` allows
    that many, and one more for each task held for its ETA. A worker is one, and adds its life.
    """

    pool: Pool
    holds: Holds
    apply: Callable[[Message], None]

    def __init__(self, world: World, settings: WorkerPool, name: str) -> None:
        self.world, self.settings, self.name = world, settings, name
        self.env, self.broker, self.record = world.env, world.broker, world.record
        self.is_alive = True
        self.may_hold = settings.concurrency * settings.prefetch_multiplier or math.inf
        self.prefetch_count = self.may_hold
        self._is_choosy = settings.pool == "solo" or settings.disable_prefetch
        self.delivered: dict[Message, None] = {}
        self.queues, self.cycle = frozenset(settings.queues), list(dict.fromkeys(settings.queues))
        self._orders: dict[tuple[str, ...], list[deque[Message]]] = {}
        self.lists = self._brpop_keys(tuple(self.cycle))
        self._rotates = len(self.cycle) > 1 and (
            world.scenario.broker.queue_order_strategy == "round_robin"
        )
        self.asleep = False
        self.popped: Message | None = None
        self.pause: Later | None = None
        self.half_open: HalfOpen | None = None
        self.is_cut = self.is_slow = False
        self.trip_s = self.free_s = self.skew_s = 0.0
        self.main_alarm, self.sweep_alarm = Alarm(self.env), Alarm(self.env)

    def consume(self) -> None:
        """Begin the event loop, with all that it calls regularly."""
        self.main_alarm, self.sweep_alarm = Alarm(self.env), Alarm(self.env)
        self.main_alarm.begin(self.main())
        self.sweep_alarm.begin(self.sweeper())

    # --- fetching --------------------------------------------------------------------

    def main(self) -> Steps:
        """Fetch one message a round trip while there is credit for it."""
        alarm, deliver_s, brpop = self.main_alarm, self.world.overheads.deliver_s, self.broker.brpop
        while True:
            while self.can_consume() and (message := brpop(self)):
                if self.is_slow:
                    yield from self._fetch(message)
                    continue
                self.deliver(message)
                if deliver_s:
                    alarm.ring(deliver_s)
                    yield
                self._receive(message)
            self.asleep = True
            yield
            if alarm.value is not None:
                self._receive(alarm.value)
            elif self.popped is not None:
                self.world.n_pending -= 1
                yield from self._fetch(self.popped)

    def _fetch(self, message: Message) -> Steps:
        """Take a message from a broker that is far away, full or half open."""
        if (yield from trips.fetch(self, message)):
            self._receive(message)

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
        can_consume = self.can_consume()
        if self.is_slow or not can_consume:
            self.popped = message
            self.world.n_pending += 1
            if can_consume:
                self._wake(None)
            return
        self.deliver(message)
        if self.world.overheads.deliver_s:
            self._wake(message, self.world.overheads.deliver_s)
            return
        # A round trip that takes no time needs no event; main sleeps on, before empty lists.
        self.asleep = False
        self._receive(message)
        self.asleep = True
        if self.can_consume():
            self.broker.block(self)

    def credit(self) -> None:
        """Use credit that may have come back: main sleeps only for want of it."""
        if not self.asleep or self in self.broker.blocked or not self.can_consume():
            return
        message, self.popped = self.popped, None
        if message is None:
            self.asleep = False
            self.main_alarm.ring()
        else:
            self.world.n_pending -= 1
            self.deliver(message)
            self._wake(message, self.world.overheads.deliver_s)

    def _wake(self, message: Message | None, delay_s: float = 0.0) -> None:
        if self.asleep:
            self.asleep = False
            self.main_alarm.ring(delay_s, message)

    def deliver(self, message: Message) -> None:
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
    def is_offline(self) -> bool:
        """Whether it cannot reach the broker."""
        return self.is_cut or self.broker.is_down

    def refused(self) -> bool:
        """Whether the broker has no memory for what main wants of it, which ends the worker."""
        if self.broker.is_full:
            self.break_down()
        return self.broker.is_full

    def break_down(self) -> None:
        """End with an error that main does not survive; a worker knows how."""
        raise TypeError(f"{type(self).__name__} has no life to end")

    # --- acknowledging ---------------------------------------------------------------

    def ack(self, message: Message) -> None:
        """Acknowledge a message, which gives its prefetch credit back.

        `QoS.ack` drops the entry of this tag, even if it is a later owner's by now.
        """
        if self.is_slow and not trips.may_ack(self, message):
            return
        if self.broker.unacked.pop(message, None) is None:
            self.broker.unacked.pop(self.broker.newest(message), None)
        self.delivered.pop(message, None)
        self.record.acked(message, self.name)
        if self.asleep and not self.trip_s:
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
        if self.is_slow and not trips.may_reject(self, self.reject, message):
            return
        self.delivered.pop(message, None)
        self.broker.requeue(message, self.name)
        self.credit()

    def drop(self, message: Message) -> None:
        """Reject a message without requeue: it is gone."""
        if self.is_slow and not trips.may_reject(self, self.drop, message):
            return
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
        alarm, settings = self.sweep_alarm, self.broker.settings
        period_s = settings.unacked_restore_interval_s * settings.unacked_restore_throttle
        while True:
            if not answered(self, alarm.ring):
                yield
            self.broker.sweep(self.name, None, self.skew_s)
            alarm.ring(period_s)
            yield
            if self.pool.blocks_main:
                self.holds.call_when_free(alarm.ring)
                yield

    # --- a socket that is closed -------------------------------------------------------

    def read_socket(self) -> None:
        """Closing the channel reads the reply of its last BRPOP, if the broker takes note of it."""
        if self.popped is not None:
            self.world.n_pending -= 1
            if not self.is_offline:
                self.deliver(self.popped)
            self.popped = None
