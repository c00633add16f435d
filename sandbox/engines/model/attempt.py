"""An attempt whose body blocks on something else after its own work.

Compare ``work`` in engines/live/app.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from simpy import Event, Timeout

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.host import Job

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.pool import Pool
    from sandbox.engines.model.slot import Slot


class Attempt(ABC):
    """The body of a task: its own work, what it blocks on, then perhaps a failure.

    Whatever comes first ends it: the body, a time limit, a timeout, the process's death.
    ``worked`` rings at the end of its own work, and ``outcome`` is how it ends then.
    """

    def __init__(self, pool: Pool, slot: Slot, message: Message, outcome: str) -> None:
        self.pool, self.slot, self.message, self.outcome = pool, slot, message, outcome
        self.env, self.alarm, self.worked = pool.env, slot.alarm, Alarm(pool.env)
        self.is_over = False

    def begin(self, work_s: float, limit_s: float | None, error: str) -> None:
        """Begin the attempt's own work; ``limit_s`` from now, ``error`` ends it all."""
        if limit_s is not None:
            self.end_in(limit_s, error)
        self.worked.callbacks = [self._go_on]
        if self.message.kind.is_cpu:
            process = self.slot if self.pool.is_prefork else self.pool.worker
            self.slot.job = Job(self.worked, work_s, None, process)
            self.pool.worker.host.run(self.slot.job)
        else:
            self.worked.ring(work_s)

    def _go_on(self, _: Event) -> None:
        if not self.is_over:
            self.block()

    @abstractmethod
    def block(self) -> None:
        """Begin what the body blocks on."""

    @abstractmethod
    def hang_up(self) -> None:
        """Stop waiting for it; what still comes of it is heard by nobody."""

    def end_in(self, delay_s: float, outcome: str) -> None:
        """End in ``delay_s`` seconds, if it has not ended by then."""
        Timeout(self.env, delay_s).callbacks.append(lambda _: self.end(outcome))

    def end(self, outcome: str) -> None:
        """End the body, unless something else has."""
        if not self.is_over:
            self.abandon()
            self.alarm.ring(0.0, outcome)

    def abandon(self) -> None:
        """Stop where it is and hang up."""
        self.is_over = True
        self.slot.attempt = None
        if self.slot.job is not None:
            self.pool.worker.host.stop(self.slot.job)
        self.hang_up()
