"""The lock that outlives its holder: a client that was killed in the middle of a sweep."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Positive


class PlantMutex(Fault):
    """Set ``unacked_mutex`` for ``expires_s`` seconds, kombu's ``unacked_mutex_expire``.

    Until it expires no client restores anything: what a dead worker held waits that much longer.

    - early ack: what was prefetched waits; what ran is lost, mutex or not.
    - acks_late: what ran waits as well.
    - acks_late + reject_on_worker_lost: the same; nobody is left to reject.
    """

    kind: Literal["plant_mutex"] = "plant_mutex"
    expires_s: Positive = 300.0

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "plant_mutex", {"expires_s": self.expires_s}),)
