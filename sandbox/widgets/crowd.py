"""Crowd: where the tasks are that come too fast to be followed one by one; counted, not drawn."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sandbox.fold import Fold
from sandbox.run import Event


class Crowd:
    """Counts by place, from a fold of their own; the numbers are absolute.

    >>> crowd = Crowd({"workers": [], "types": [], "queues": [{"name": "q"}]})
    >>> crowd.feed(Event(0.0, "sent", "hi/7", queue="q"))
    >>> crowd.changed()["queues"], "hi/7" in crowd, crowd.changed()
    ([1], True, None)
    """

    def __init__(self, topology: dict[str, Any]) -> None:
        self._queues = {queue["name"]: i for i, queue in enumerate(topology["queues"])}
        self._workers = {worker["name"]: i for i, worker in enumerate(topology["workers"])}
        self._fold, self._kinds = Fold(), Counter[str]()
        self._queue_of: dict[str, str] = {}
        self._tags: set[tuple[str, str]] = set()
        self._redelivered = self._n_told = 0
        self._worker_changed = False

    def __contains__(self, task: object) -> bool:
        """Whether a task is counted here."""
        return task in self._fold.journeys

    def feed(self, event: Event) -> None:
        """Take an event of a task that is counted."""
        task = event.task or ""
        self._kinds[event.kind] += 1
        self._queue_of[task] = event.queue or self._queue_of.get(task, "")
        if event.kind == "delivered":
            self._redelivered += (task, event.tag or "") in self._tags
            self._tags.add((task, event.tag or ""))
        self._fold.feed((event,))

    def feed_system(self, event: Event) -> None:
        """Take an event of a worker or the broker: it moves the counted ones too."""
        self._worker_changed = self._worker_changed or bool(self._kinds)
        self._fold.feed((event,))

    def changed(self) -> dict[str, Any] | None:
        """Return the counts if they are others than last time; None if not."""
        n = self._kinds.total()
        if n == self._n_told and not self._worker_changed:
            return None
        self._n_told, self._worker_changed = n, False
        return self._counts()

    def _counts(self) -> dict[str, Any]:
        queues, reserved, running = ([0] * len(x) for x in (self._queues, *[self._workers] * 2))
        ends: Counter[str] = Counter()
        for journey in self._fold.journeys.values():
            at = self._queues.get(self._queue_of[journey.task])
            if at is not None:
                queues[at] += max(0, journey.n_queued)
            busy = {worker for worker, _ in journey.running}
            for worker in busy & self._workers.keys():
                running[self._workers[worker]] += 1
            for tag, worker in journey.unacked.items():
                owned = self._fold.owns(worker, tag)
                if owned and worker not in busy and worker in self._workers:
                    reserved[self._workers[worker]] += 1
            ends["done"] += journey.n_succeeded > 0
            ends["twice"] += journey.n_succeeded > 1
            ends["failed"] += journey.n_failed > 0 and not journey.n_succeeded
            ends["expired"] += journey.n_revoked > 0 and not journey.n_succeeded
            ended = journey.n_succeeded or journey.n_failed or journey.n_revoked
            ends["lost"] += journey.gone and not ended
            ends["retried"] += journey.n_retried
        return {
            "tasks": len(self._fold.journeys), "events": self._kinds.total(),
            "kinds": dict(self._kinds), "queues": queues, "reserved": reserved,
            "running_on": running, "queued": sum(queues), "running": sum(running),
            "unacked": self._fold.unacked, "orphaned": self._fold.orphaned,
            "redelivered": self._redelivered, **ends,
        }  # fmt: skip
