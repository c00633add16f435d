"""Time that need not be waited for: the visibility timeout."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Positive


class Skip(Fault):
    """Age every message in ``unacked`` by ``seconds`` and have a client sweep.

    What is then older than the visibility timeout goes back to the front of its queue, with
    the workers' settings untouched. Where their owner lives:

    - early ack: what was prefetched runs twice; what runs was acknowledged, and is done once.
    - acks_late: what runs does so, too.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["skip"] = "skip"
    seconds: Positive

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "skip", {"seconds": self.seconds}),)
