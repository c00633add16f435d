"""A slow network: a broker in another region, a link that is full, a noisy neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sandbox.faults._base import Command, Fault, later, only_plain
from sandbox.parts import Name, Positive

if TYPE_CHECKING:
    from sandbox.scenario import Scenario


class Latency(Fault):
    """Have each answer of the broker come ``delay_s`` later, for ``for_s`` seconds if given.

    On the link of ``worker``, or on all: a worker's main process waits for one answer after
    another, and so takes fewer messages a second.

    - early ack: two answers before a task begins and one while it begins; then its result.
    - acks_late: the acknowledgement comes after the result, and the credit back as much later.
    - acks_late + reject_on_worker_lost: the same; nothing is lost, and nothing runs twice.
    """

    kind: Literal["latency"] = "latency"
    delay_s: Positive
    worker: Name | None = None
    for_s: Positive | None = None

    def problem(self, scenario: Scenario) -> str | None:
        """Return why this fault makes no sense in ``scenario``: one sentence, or None."""
        return only_plain(self.kind, scenario)

    def commands(self) -> tuple[Command, ...]:
        """Return the verbs that this fault amounts to."""
        link: dict[str, Any] = {} if self.worker is None else {"worker": self.worker}
        begin = Command(self.when, "latency", link | {"delay_s": self.delay_s})
        if self.for_s is None:
            return (begin,)
        end = Command(later(self.when, self.for_s), "latency", link | {"delay_s": 0.0})
        return (begin, end)
