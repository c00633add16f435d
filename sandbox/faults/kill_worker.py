"""SIGKILL to a whole worker: the container killed, the machine gone."""

from __future__ import annotations

from typing import ClassVar, Literal

from sandbox.faults._base import Command, Fault, later
from sandbox.parts import Name, Positive


class KillWorker(Fault):
    """SIGKILL the main process of ``worker`` and its children.

    - early ack: what was running is lost, STARTED for ever; what was prefetched comes back
      after the visibility timeout.
    - acks_late: all of it comes back after the visibility timeout and the next sweep.
    - acks_late + reject_on_worker_lost: the same; nobody is left to reject.

    One that is killed in the midst of a sweep leaves ``unacked_mutex`` behind, and until that
    expires after 300 s nothing at all comes back (kombu/transport/redis.py restore_visible); the
    model's sweeps take no time, so that its workers are never killed in one.

    With ``back_after_s`` it is started again so many seconds later.
    """

    # celery/platforms.py set_pdeathsig does nothing there; the sandbox kills the children itself.
    platforms: ClassVar[str] = "Linux and macOS, where a worker of your own leaves its children"
    kind: Literal["kill_worker"] = "kill_worker"
    worker: Name
    back_after_s: Positive | None = None

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        worker = {"worker": self.worker}
        kill = Command(self.when, "kill_worker", worker)
        if self.back_after_s is None:
            return (kill,)
        return (kill, Command(later(self.when, self.back_after_s), "start_worker", worker))
