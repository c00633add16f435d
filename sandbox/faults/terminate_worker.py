"""SIGTERM: a warm shutdown, as a deployment begins it."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Name


class TerminateWorker(Fault):
    """SIGTERM to the main process of ``worker``, a warm shutdown: what runs ends, then it exits.

    - every ack mode: running tasks finish, prefetched ones go back to the front of their queue
      when the worker exits; each task runs once.
    """

    kind: Literal["terminate_worker"] = "terminate_worker"
    worker: Name

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "terminate_worker", {"worker": self.worker}),)
