"""A Python MemoryError: an allocation that is refused, in numpy, in pandas, under a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, only_crashing
from sandbox.parts import Count, Name

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class OutOfMemory(Fault):
    """Publish ``n`` tasks of a type whose ``crash`` is ``memory``: each ends a whole worker.

    The task is FAILURE. Its worker's main process raises the error again, begins nothing more,
    and exits with code 1 once what runs has ended; what was prefetched goes back then.

    - early ack: the message is gone, and one worker with it.
    - acks_late: the message goes back with the others, and ends the next worker, and so on.
    - acks_late + reject_on_worker_lost: the same; no child was lost.
    """

    kind: Literal["memory_error"] = "memory_error"
    task: Name
    n: Count = 1

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_crashing(self, self.task, "memory", scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "submit", {"task": self.task, "n": self.n}),)
