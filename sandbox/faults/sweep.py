"""A client with a visibility timeout of its own: a script, a dashboard, a second app."""

from __future__ import annotations

from typing import Literal

from sandbox.faults._base import Command, Fault
from sandbox.parts import Positive


class Sweep(Fault):
    """Have a client sweep ``unacked`` once, with ``visibility_timeout_s`` of its own.

    The keys are shared, so the shortest timeout of any client holds for all: what has been in
    ``unacked`` for longer goes back to the front of its queue, whoever runs it.

    - early ack: prefetched and held tasks run twice.
    - acks_late: tasks that run do so, too.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["sweep"] = "sweep"
    visibility_timeout_s: Positive

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        timeout = {"visibility_timeout_s": self.visibility_timeout_s}
        return (Command(self.when, "sweep", timeout),)
