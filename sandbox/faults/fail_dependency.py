"""A service downstream goes away for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.dependencies import unknown_dependency
from sandbox.faults._base import Command, Fault
from sandbox.parts import Name, Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class FailDependency(Fault):
    """Have each call to ``dependency`` fail at once for ``for_s`` seconds.

    - every ack mode: a failed call fails its attempt, which is retried, or FAILURE and then
      acknowledged; what calls later is done once.
    """

    kind: Literal["fail_dependency"] = "fail_dependency"
    dependency: Name
    for_s: Positive

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return unknown_dependency([d.name for d in scenario.dependencies], self.dependency)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        arguments = {"dependency": self.dependency, "for_s": self.for_s}
        return (Command(self.when, "fail_dependency", arguments),)
