"""SIGSTOP to a whole worker: a frozen container, a laptop's lid, a machine that swaps."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault, later
from sandbox.parts import Name, Positive


class PauseWorker(Fault):
    """Stop the main process of ``worker`` and its children, for ``for_s`` seconds if given.

    It keeps its messages, and their ages grow. A sleep ends by the clock on the wall, a
    computation stands still. Where the pause outlasts the visibility timeout:

    - early ack: what ran ends once; what was prefetched runs here and elsewhere.
    - acks_late: what ran was not acknowledged: all of it runs here and elsewhere.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["pause_worker"] = "pause_worker"
    worker: Name
    for_s: Positive | None = None

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        worker = {"worker": self.worker}
        pause = Command(self.when, "pause_worker", worker)
        if self.for_s is None:
            return (pause,)
        return (pause, Command(later(self.when, self.for_s), "resume_worker", worker))
