"""A broker that comes back, with what its persistence has kept."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault


class StartBroker(Fault):
    """Start the broker again at the same address, with what ``broker.persistence`` has kept.

    - every ack mode: workers do not notice at once, they try again by themselves; what they
      had not begun was lost with the broker, or waits in ``unacked`` for the visibility timeout.
    """

    kind: Literal["start_broker"] = "start_broker"

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "start_broker", {}),)
