"""A worker that comes (back) up."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name


class StartWorker(Fault):
    """Start ``worker`` again after it was killed or terminated.

    Under each ack mode: its first sweep of ``unacked`` is immediate, but restores only what
    is older than the visibility timeout, so starting a worker does not bring messages back.
    """

    kind: Literal["start_worker"] = "start_worker"
    worker: Name

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "start_worker", {"worker": self.worker}),)
