"""The outage: what clients of a broker do while it is down, and when they come back.

Measured on celery 5.7 with redis-server killed and started again, as is the source: workers
try again 2, 4, 6 … s after one another (celery/worker/consumer/consumer.py
``ensure_connected`` with kombu's defaults), a client's publish 0.2 and 0.4 s after one another
(``task_publish_retry_policy``), and a result that cannot be stored makes its task fail at once
(celery/backends/redis.py reads the old result before it writes, without a retry).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.engines.model.crash import KILLED
from sandbox.engines.model.pause import Later
from sandbox.engines.model.trips import APPLIED
from sandbox.ledger import Effect

if TYPE_CHECKING:
    from simpy.events import Event

    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.worker import Worker

PUBLISH_AGAIN_S, SUBSCRIBE_AGAIN_S = (0.2, 0.4), 1.0
CUT_OFF = "ConnectionError"
"""The outcome of a body whose result finds no broker."""
_STEP_S, _MOST_S = 2.0, 30.0
_CLOCK_S = 1e-9


class Offline(Later):
    """A worker without its broker: main does nothing but try to connect; bodies go on."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker, self.since_s = worker, worker.env.now
        self._wrapped: list[tuple[Slot, list[Callable[[Any], None]]]] = []
        for slot in worker.pool.slots:
            if slot.alarm.callbacks:
                self._wrapped.append((slot, slot.alarm.callbacks))
                slot.alarm.callbacks = [partial(self._ends, slot, slot.alarm.callbacks)]

    def _ends(self, slot: Slot, steps: list[Callable[[Any], None]], alarm: Event) -> None:
        """Let a body end; without a broker there is no place for its result."""
        message = slot.message
        if message is not None and KILLED in {message.kind.task.crash, slot.alarm.value}:
            message = None  # it stores none
        if self.worker.is_offline and message is not None and slot.started_s is not None:
            is_plain = message.kind.task.ignore_result and slot.alarm.value == "done"
            if slot.alarm.value in APPLIED and not is_plain:
                self.worker.world.cut_off.append(self._effect(message))
            slot.alarm.value = slot.alarm.value if is_plain else CUT_OFF
        for step in steps:
            step(alarm)

    def _effect(self, message: Message) -> Effect:
        """Return what a body has done whose result finds no broker: it has done it all the same."""
        worker = self.worker
        return Effect(message.key, worker.env.now, worker.name, 0, message.tag, message.retry)

    def next_try_s(self) -> float:
        """Return in how many seconds it tries to connect again."""
        passed_s, at_s, gap_s = self.worker.env.now - self.since_s, 0.0, _STEP_S
        while at_s < passed_s - _CLOCK_S:
            at_s, gap_s = at_s + gap_s, min(gap_s + _STEP_S, _MOST_S)
        return at_s - passed_s

    def end(self) -> None:
        """Be connected again: main does what it could not do meanwhile."""
        self.worker.pause = None
        for slot, steps in self._wrapped:
            if slot.is_up:
                slot.alarm.callbacks = steps
        self.catch_up()


class Doomed(Offline):
    """A worker whose main process does not get over the loss: it acknowledges nothing more."""

    def later(self, then: Callable[..., None], *arguments: Any) -> None:
        """Do nothing: there is no later."""
