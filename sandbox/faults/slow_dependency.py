"""A service downstream becomes slower, or as quick again as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.dependencies import unknown_dependency
from sandbox.faults._base import Command, Fault
from sandbox.parts import Name, Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class SlowDependency(Fault):
    """Have each call that ``dependency`` begins from now on take ``factor`` times as long.

    A factor of 1 ends it. As long as no message is in ``unacked`` for longer than the visibility
    timeout, each task runs once. Beyond that:

    - early ack: what was prefetched behind a slow call runs twice.
    - acks_late: the attempt that calls does so, too, again and again while it is that slow.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["slow_dependency"] = "slow_dependency"
    dependency: Name
    factor: Positive

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return unknown_dependency([d.name for d in scenario.dependencies], self.dependency)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        arguments = {"dependency": self.dependency, "factor": self.factor}
        return (Command(self.when, "slow_dependency", arguments),)
