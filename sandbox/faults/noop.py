"""The template of a fault: settings, what it means, the verbs it compiles to."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault


class Noop(Fault):
    """Do nothing, at a known moment: a run with it must equal the run without it.

    - every ack mode: each task runs once.
    """

    kind: Literal["noop"] = "noop"

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return ()
