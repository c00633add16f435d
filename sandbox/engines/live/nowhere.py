"""Nowhere: messages that the record still waits for, and that the broker shows to be gone.

What a worker asks of the broker takes effect there before the worker can write it down. Killed in
between, it leaves no line in any file: its acknowledgement has removed the message, or it has
taken the message from its list, and nobody will ever say so. The record waits for that message;
the broker's own samples show that it is in no list and not in `unacked`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.fold import Fold
from sandbox.run import Event

QUIET_S = 5.0
"""How long the broker must be seen empty, and nothing may happen, before a message is given up.

A living worker that has taken a message writes it down within milliseconds; on a loaded machine
within a second or two.
"""
_GAP_S = 3.0
"""Samples further apart leave open what was between: equal ones are written once a second."""
_SAYS_NOTHING = frozenset({"sweep"})
_IS_PUBLISHED = frozenset({"published", "publish_unknown", "delivered"})


@dataclass
class Nowhere:
    """How long the broker has been empty while nothing happened; ``feed`` takes the events.

    >>> empty = {"queues": {"celery": 0}, "unacked": 0}
    >>> nowhere = Nowhere()
    >>> nowhere.feed([Event(t / 1.0, "sample", detail=empty) for t in range(7)])
    >>> nowhere.quiet_s
    6.0
    """

    _since_s: float | None = None
    _last_s: float = 0.0
    _needed_s: float | None = field(default=None, repr=False)

    @property
    def quiet_s(self) -> float:
        """For how long (s) every sample has shown empty lists, with no other event between."""
        return 0.0 if self._since_s is None else self._last_s - self._since_s

    def feed(self, events: Iterable[Event]) -> None:
        """Take more events, in the order of their times."""
        for event in events:
            if event.kind == "sample":
                self._sample(event.t_s, event.detail or {})
            elif event.kind not in _SAYS_NOTHING:
                self._since_s = self._needed_s = None

    def _sample(self, t_s: float, detail: dict[str, Any]) -> None:
        is_empty = not detail.get("unacked") and not any(detail.get("queues", {}).values())
        if not is_empty or t_s - self._last_s > _GAP_S:
            self._since_s = self._needed_s = None
        if is_empty and self._since_s is None:
            self._since_s = t_s
        self._last_s = t_s

    def tasks(self, events: Sequence[Event], fold: Fold) -> tuple[str, ...]:
        """Return the tasks that are still waited for when all of them are nowhere; else none.

        ``events`` and ``fold`` are all that the record has. Something is not nowhere while a
        living worker holds, runs or will run it, while it is being published, or while a worker
        that is paused, or a link that is narrow, may hide it.
        """
        if self.quiet_s < QUIET_S:
            return ()
        if self._needed_s is None:  # nothing happens meanwhile, so this stays true
            self._needed_s = _needed_s(events, fold)
        if self.quiet_s < self._needed_s:
            return ()
        return tuple(name for name, one in fold.journeys.items() if one.in_motion)


def given_up(tasks: Sequence[str]) -> list[str]:
    """Return the sentence on a run that ended without the end of these tasks; none for none.

    >>> given_up(["hi/0"])
    ['no list of the broker has the message of hi/0, nor has a living worker; the run ended so']
    """
    if not tasks:
        return []
    more = f" and {len(tasks) - 1} more tasks" if len(tasks) > 1 else ""
    return [
        f"no list of the broker has the message of {tasks[0]}{more}, "
        "nor has a living worker; the run ended so"
    ]


def _needed_s(events: Sequence[Event], fold: Fold) -> float:
    """Return how long it must be quiet: longer than any answer that is still on its way."""
    if any(fold.is_held(one) for one in fold.journeys.values() if one.in_motion):
        return math.inf
    seen = next(e.detail or {} for e in reversed(events) if e.kind == "sample")
    if _under_way(events, seen.get("queues", {}), fold) or _hidden(events, fold):
        return math.inf
    delays = [_set(e, "delay_s") for e in _controls(events, "latency") if _concerns(e, fold)]
    return QUIET_S + 2 * max(delays, default=0.0)


def _under_way(events: Sequence[Event], queues: Collection[str | None], fold: Fold) -> bool:
    """Whether a publish has not ended, or went to a queue of which no sample speaks."""
    waited_for = {name for name, one in fold.journeys.items() if one.in_motion}
    publishing: dict[str | None, str | None] = {}
    for event in events:
        if event.kind == "worker_exited":
            publishing = {task: who for task, who in publishing.items() if who != event.worker}
        elif event.task not in waited_for:
            continue
        elif event.kind == "sent":
            if event.queue not in queues:
                return True
            publishing[event.task] = event.worker
        elif event.kind in _IS_PUBLISHED:
            publishing.pop(event.task, None)
    return bool(publishing)


def _hidden(events: Sequence[Event], fold: Fold) -> bool:
    """Whether a worker that stands still, or a link that is narrow, may have a message."""
    paused: dict[str | None, bool] = {}
    narrow: dict[str | None, bool] = {}
    for event in _controls(events, "pause_worker", "resume_worker", "start_worker"):
        paused[event.worker] = _verb(event) == "pause_worker" and _concerns(event, fold)
    for event in _controls(events, "bandwidth"):
        narrow[event.worker] = _set(event, "bytes_per_s") > 0 and _concerns(event, fold)
    return any(paused.values()) or any(narrow.values())


def _concerns(event: Event, fold: Fold) -> bool:
    """Whether a verb was for a worker that lives, or for all: a dead one's link hides nothing."""
    return event.worker is None or fold.workers.get(event.worker, False)


def _set(event: Event, name: str) -> float:
    return float((event.detail or {}).get(name) or 0.0)


def _verb(event: Event) -> Any:
    return (event.detail or {}).get("verb")


def _controls(events: Sequence[Event], *verbs: str) -> list[Event]:
    return [event for event in events if event.kind == "control" and _verb(event) in verbs]
