"""SIGCONT: a worker that was stopped goes on, as if no time had passed."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name


class ResumeWorker(Fault):
    """Let ``worker`` go on after a pause.

    It runs and acknowledges what it holds, even what a sweep has given to somebody else
    meanwhile; the delivery tag is the same, so its acknowledgement drops the new owner's entry
    in ``unacked``. Where the visibility timeout was over in the pause:

    - early ack: what ran ends once; what was prefetched runs twice.
    - acks_late: what ran runs twice, too.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["resume_worker"] = "resume_worker"
    worker: Name

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "resume_worker", {"worker": self.worker}),)
