"""Deliveries: which delivery of a message an event speaks of, and what each worker was given.

All copies of a message have one delivery tag, so worker and tag do not tell deliveries apart: an
event means the oldest that fits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.journeys import Attempt, on_its_way

if TYPE_CHECKING:
    from sandbox.run import Event


@dataclass(slots=True)
class Deliveries:
    """The deliveries of all tasks: by worker and tag, by slot while they run, by worker.

    >>> known = Deliveries()
    >>> known.add(Attempt("hi/0", 1, "worker1", "t", "celery", 0.0, 0.1))
    >>> known.owns("worker1", "t"), known.is_open("worker1", "t"), known.owns("worker2", "t")
    (True, True, False)
    """

    by_tag: dict[tuple[str, str], list[Attempt]] = field(default_factory=dict)
    by_slot: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    of_worker: dict[str, list[Attempt]] = field(default_factory=dict)

    def add(self, attempt: Attempt) -> None:
        """Note one more delivery."""
        self.by_tag.setdefault((attempt.worker, attempt.tag), []).append(attempt)
        self.of_worker.setdefault(attempt.worker, []).append(attempt)

    def first(self, event: Event, fits: Callable[[Attempt], bool]) -> Attempt | None:
        """Return the delivery that an event of (worker, tag) speaks of.

        After a sweep a worker can hold the same message twice; it takes them in turn, so the
        oldest that fits is meant. The newest if none does.
        """
        attempts = self.by_tag.get((event.worker or "", event.tag or ""))
        if not attempts:
            return None
        if len(attempts) == 1:
            return attempts[0]
        return next((attempt for attempt in attempts if fits(attempt)), attempts[-1])

    def begun(self, event: Event) -> Attempt | None:
        """Return the delivery that ``started`` speaks of, also one that its worker has again."""
        attempt = self.first(event, lambda a: a.started_s is None and a.ended_s is None)
        if attempt is not None and not attempt.is_due:
            going = on_its_way(self.by_tag[attempt.worker, attempt.tag])
            if going is not None:  # its worker has it again, and can die with it
                self.of_worker.setdefault(going.worker, []).append(going)
                attempt = going
        return attempt

    def running(self, event: Event) -> Attempt | None:
        """Return the oldest execution of (worker, tag) that has not ended."""
        attempts = self.by_tag.get((event.worker or "", event.tag or ""), [])
        return next((a for a in attempts if a.started_s is not None and a.ended_s is None), None)

    def was_lost(self, event: Event) -> bool:
        """Whether main reports the end of an execution that `child_lost` has ended already.

        Its worker may run another copy of the same message at that moment.
        """
        attempts = self.by_tag.get((event.worker or "", event.tag or ""), [])
        return event.slot is None and any(a.outcome == "killed" for a in attempts)

    def owns(self, worker: str, tag: str) -> bool:
        """Whether a worker still knows of a delivery: neither died nor forgot it since."""
        return any(a.outcome != "forgotten" for a in self.by_tag.get((worker, tag), ())[-1:])

    def is_open(self, worker: str, tag: str) -> bool:
        """Whether a living worker has a delivery that has not ended: it runs it, or may yet."""
        return any(a.ended_s is None for a in self.by_tag.get((worker, tag), ()))
