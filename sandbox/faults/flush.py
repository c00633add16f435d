"""Everything deleted: FLUSHDB by mistake, by a cache's owner, by a test that found production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, only_plain

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class Flush(Fault):
    """FLUSHDB: queues and `unacked` are empty at once; workers and connections notice nothing.

    - early ack: what is queued is lost; what runs, and what was prefetched, is done.
    - acks_late: the same; the acknowledgements find nothing, and a worker that is killed, stopped
      or cut off has nothing to give back.
    - acks_late + reject_on_worker_lost: the same; what a dead child ran is lost, not requeued.
    """

    kind: Literal["flush"] = "flush"

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_plain(self.kind, scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        return (Command(self.when, "flush", {}),)
