"""A worker that comes (back) up."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name


class StartWorker(Fault):
    """Start ``worker`` again after it was killed or terminated.

    Its first sweep of ``unacked`` is immediate, but restores only what is older than the
    visibility timeout, so starting a worker does not bring messages back:

    - early ack: what its dead self ran is lost; what was prefetched waits in ``unacked``.
    - acks_late: both wait there.
    - acks_late + reject_on_worker_lost: the same; nobody is left to reject.
    """

    kind: Literal["start_worker"] = "start_worker"
    worker: Name

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "start_worker", {"worker": self.worker}),)
