"""A broker that stands still: a fork for a snapshot, a slow disk, a host that swaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sandbox.faults._base import Command, Fault, later, only_prefork
from sandbox.parts import LEAST

if TYPE_CHECKING:
    from sandbox.scenario import Scenario

MOST_S = 25.0
"""kombu's ``health_check_interval``: from then on a worker takes its connection for dead."""


def cannot_pause(scenario: Scenario) -> str | None:
    """Return why the broker cannot be paused: one sentence, or None."""
    return only_prefork("pause_broker", scenario)


class PauseBroker(Fault):
    """SIGSTOP the broker, and SIGCONT after ``for_s`` seconds, at most 25.

    Connections stay, and whoever gives it a command waits for the answer: a client in its
    publish call, a child with a result to store, a worker's main process at its next
    acknowledgement, sweep or message. Nothing fails.

    - early ack: what runs is finished; a worker begins nothing more once main waits.
    - acks_late: the same; main waits when the first task that has no result ends.
    - acks_late + reject_on_worker_lost: the same; nothing is lost, and nothing runs twice.
    """

    kind: Literal["pause_broker"] = "pause_broker"
    for_s: Annotated[float, Field(ge=LEAST, le=MOST_S, strict=True)]

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return cannot_pause(scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        resume = Command(later(self.when, self.for_s), "resume_broker", {})
        return (Command(self.when, "pause_broker", {}), resume)
