"""A clock that is wrong: a host without NTP, a virtual machine that has been resumed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandbox.faults._base import Command, Fault, later
from sandbox.parts import MOST, Name, Positive


class Skew(Fault):
    """Put the clock of ``worker`` forward by ``offset_s``, or back; for ``for_s`` s if given.

    Only as far as the visibility timeout knows it: the worker notes in ``unacked`` when it took
    a message, and sweeps what is older than the timeout, both by its own clock. Ahead by more
    than the timeout it restores at each sweep what others hold; behind, the others restore what
    it holds; and what it noted ahead of its death waits that much longer.

    - early ack: prefetched and held tasks run twice.
    - acks_late: tasks that run do so, too, and again at each sweep.
    - acks_late + reject_on_worker_lost: the same; nobody was lost.
    """

    kind: Literal["skew"] = "skew"
    worker: Name
    offset_s: Annotated[float, Field(ge=-MOST, le=MOST, strict=True)]
    for_s: Positive | None = None

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        worker = {"worker": self.worker}
        begin = Command(self.when, "skew", worker | {"offset_s": self.offset_s})
        if self.for_s is None:
            return (begin,)
        end = Command(later(self.when, self.for_s), "skew", worker | {"offset_s": 0.0})
        return (begin, end)
