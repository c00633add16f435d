"""A rolling deployment: the workers are replaced one after the other."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Positive


class Deploy(Fault):
    """SIGTERM each worker in turn, SIGKILL it after ``grace_s`` seconds if it is still there.

    The next one's turn comes when this one's successor is ready. 10 s is what Docker gives,
    30 s Kubernetes. Tasks shorter than the grace end, prefetched ones go back at once. Where
    a task outlasts the grace:

    - early ack: it is lost, STARTED for ever; what was prefetched waits for the visibility timeout.
    - acks_late: all of it comes back after the visibility timeout and the next sweep.
    - acks_late + reject_on_worker_lost: the same; nobody is left to reject.
    """

    kind: Literal["deploy"] = "deploy"
    grace_s: Positive = 10.0

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "deploy", {"grace_s": self.grace_s}),)
