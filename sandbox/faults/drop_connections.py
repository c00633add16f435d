"""Every connection cut at once: a proxy restarted, a failover, a load balancer's idle limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault
from sandbox.tasks import waiting

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


def cannot_drop(scenario: Scenario) -> str | None:
    """Return why connections cannot be cut: one sentence, or None."""
    problem = waiting(scenario.tasks)
    return None if problem is None else f"drop_connections {problem}"


class DropConnections(Fault):
    """Cut all clients' connections to the broker, which goes on and takes them back at once.

    Each worker gives back what it has not acknowledged and forgets what it has not begun:

    - early ack: what runs ends once; what was prefetched runs once, a little later.
    - acks_late: what runs goes on, goes back to its queue as well, and so runs twice.
    - acks_late + reject_on_worker_lost: the same; no child was lost.

    A pool of threads cannot forget: there, what was prefetched runs twice, too.
    """

    kind: Literal["drop_connections"] = "drop_connections"

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return cannot_drop(scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "drop_connections", {}),)
