"""One worker cut off from the broker: a switch, a firewall rule, a network policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.faults._base import Command, Fault, later, only_plain
from sandbox.parts import Name, Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class CutOff(Fault):
    """Close the connections of ``worker`` and refuse it new ones, for ``for_s`` seconds if given.

    It cannot give back what it has not acknowledged, forgets what it has not begun, and tries
    to connect 2, 6, 12, 20 … s after the cut. A task that ends meanwhile fails, for its result
    has no place, unless its type has ``ignore_result``. The other workers go on.

    - early ack: what runs is finished; what was prefetched waits in ``unacked`` for the
      visibility timeout.
    - acks_late: the same, and what runs waits there, too, until the worker is back.
    - acks_late + reject_on_worker_lost: the same; no child was lost.
    """

    kind: Literal["cut_off"] = "cut_off"
    worker: Name
    for_s: Positive | None = None

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_plain(self.kind, scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        worker = {"worker": self.worker}
        cut = Command(self.when, "cut_off", worker)
        if self.for_s is None:
            return (cut,)
        return (cut, Command(later(self.when, self.for_s), "mend_link", worker))
