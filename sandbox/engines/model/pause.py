"""The pause: SIGSTOP and SIGCONT to all processes of a worker.

What comes due while they are stopped waits for SIGCONT: timers, messages in a socket, the end
of a sleep that the clock on the wall has ended meanwhile. A computation stands still. Redis
knows nothing of it: ages in `unacked` grow, and a BRPOP that was under way can still be
answered until its second is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.broker import BRPOP_TIMEOUT_S
from sandbox.engines.model.slot import Slot

if TYPE_CHECKING:
    from simpy.events import Event

    from sandbox.engines.model.worker import Worker

_NO_CREDIT = -1


class Later:
    """What waits until a worker's main process can do something again."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    @property
    def has_due(self) -> bool:
        """Whether something waits."""
        return bool(self._due)

    def later(self, then: Callable[..., None], *arguments: Any) -> None:
        """Call ``then`` when it goes on."""
        self._due.append(lambda: then(*arguments))

    def catch_up(self) -> None:
        """Do what has come due."""
        for then in self._due:
            then()

    def end(self) -> None:
        """Let the worker go on."""
        raise TypeError(f"{type(self).__name__} has no end")


class Pause(Later):
    """One pause of one worker, which takes nothing from Redis until ``end``.

    ``alarms`` and ``slots`` are what stands still beside the worker's own timers.
    """

    def __init__(self, worker: Worker, alarms: list[Alarm], slots: list[Slot]) -> None:
        super().__init__()
        self.worker, self.world = worker, worker.world
        self._credit, worker.prefetch_count = worker.prefetch_count, _NO_CREDIT
        self._frozen = [(alarm, alarm.callbacks) for alarm in alarms if alarm.callbacks]
        for alarm, _ in self._frozen:
            alarm.callbacks = [self._rang]
        jobs = [slot.job for slot in slots if slot.job is not None]
        self._jobs = [job for job in jobs if worker.host.stop(job)]
        since_s = worker.broker.blocked.get(worker)
        if since_s is not None:
            left_s = BRPOP_TIMEOUT_S - (worker.env.now - since_s) % BRPOP_TIMEOUT_S
            self.world.call_in(left_s, self._unanswered)

    def end(self) -> None:
        """Let the worker go on, first with what has come due."""
        worker = self.worker
        worker.pause, worker.prefetch_count = None, self._credit
        for alarm, steps in self._frozen:
            alarm.callbacks = steps
        for job in self._jobs:
            worker.host.run(job)
        self.catch_up()
        worker.credit()

    def _rang(self, alarm: Event) -> None:
        assert isinstance(alarm, Alarm)
        self.later(alarm.ring, 0.0, alarm.value)

    def _unanswered(self) -> None:
        """Redis gives the BRPOP up; the next one comes when the worker goes on."""
        if self.worker.pause is self:
            self.worker.broker.blocked.pop(self.worker, None)
