"""A poison message: input that makes a parser run out of memory, each time it is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, only_crashing
from sandbox.parts import Count, Name

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class Poison(Fault):
    """Publish ``n`` tasks of a type whose ``crash`` is ``child``: each attempt kills its process.

    - early ack: FAILURE (WorkerLostError), after one attempt.
    - acks_late: the same; main acknowledges the message of the failed task.
    - acks_late + reject_on_worker_lost: requeued, and run again, without a count: each attempt
      costs a worker a process, until somebody deletes the message.
    """

    kind: Literal["poison"] = "poison"
    task: Name
    n: Count = 1

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_crashing(self, self.task, "child", scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "submit", {"task": self.task, "n": self.n}),)
