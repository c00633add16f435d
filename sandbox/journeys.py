"""Journeys: what is known of one task, and of each of its deliveries to a worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

UNACKED = ("killed", "forgotten")
"""What became of a delivery whose acknowledgement is another's: all copies have one tag."""


@dataclass(slots=True)
class Attempt:
    """One delivery of a task to a worker, and the execution it led to, if any."""

    task: str
    delivery: int
    worker: str
    tag: str
    queue: str | None
    sent_s: float | None
    delivered_s: float
    received_s: float | None = None
    execution: int | None = None
    retry: int | None = None
    slot: int | None = None
    started_s: float | None = None
    ended_s: float | None = None
    acked_s: float | None = None
    outcome: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether a living worker has read it and nobody has begun it yet."""
        return self.received_s is not None and self.started_s is None and self.ended_s is None

    def row(self) -> dict[str, Any]:
        """Return the attempt as a row of the attempts table."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"type": self.task.rpartition("/")[0]}


def on_its_way(attempts: Iterable[Attempt]) -> Attempt | None:
    """Return the delivery that main forgot when a child had it already, as one that goes on.

    Or a bucket that a new rate limit has replaced: `Consumer.on_close` clears only the new ones.
    """
    for attempt in attempts:
        if attempt.outcome == "forgotten" and attempt.received_s is not None:
            attempt.ended_s = attempt.outcome = None
            return attempt
    return None


@dataclass(slots=True)
class Journey:
    """What is known of one task: where its messages are, what its attempts came to."""

    task: str
    first_sent_s: float | None = None
    last_sent_s: float | None = None
    n_sent: int = 0
    n_queued: int = 0
    n_deliveries: int = 0
    n_executions: int = 0
    n_succeeded: int = 0
    n_failed: int = 0
    n_retried: int = 0
    n_revoked: int = 0
    n_killed: int = 0
    publish_unknown: bool = False
    is_lost: bool = False
    finished_s: float | None = None
    unacked: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    running: set[tuple[str, int]] = field(default_factory=set)
    kept: set[tuple[str, int]] = field(default_factory=set)
    """Deliveries, as (worker, number), that a worker will begin whatever becomes of the message.

    What it holds for an ETA or a rate limit, and what it has in memory though a sweep, or the
    acknowledgement of another copy, took the message: all copies have one tag.
    """

    @property
    def gone(self) -> bool:
        """Whether nothing more can happen to it: no message and no execution is left."""
        return not self.in_motion

    @property
    def in_motion(self) -> bool:
        """Whether the run must still wait for it."""
        return self.n_queued > 0 or bool(self.unacked or self.running or self.kept)

    def count(self, kind: str, t_s: float) -> None:
        """Count an end: ``succeeded``, ``failed`` or ``retried``, of which the last is none."""
        if kind == "succeeded":
            self.n_succeeded += 1
        elif kind == "failed":
            self.n_failed += 1
        elif kind == "retried":
            self.n_retried += 1
        if kind != "retried" and self.finished_s is None:
            self.finished_s = t_s
