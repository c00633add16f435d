"""Feed: the events of a run or a session, as few bytes, for the fold in the browser.

A row is ``[t_s, kind, type, number, worker, slot, tag, retry, queue, detail]`` without the
empty ones at its end; kind, type, worker and queue are positions in the topology, a tag is a
number. What no picture shows is not sent.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.run import KINDS, Event
from sandbox.widgets.crowd import Crowd

Row = list[Any]
SILENT = frozenset((
    "published", "requested", "accepted", "polled", "answered", "called", "call_started",
    "call_ended", "chord_failed", "sample", "dump", "sweep",
))  # fmt: skip
"""Kinds that move no message in the picture."""
_KINDS = {kind: i for i, kind in enumerate((*KINDS, "crowd"))}
_DETAIL = ("eta_s", "keeps", "signal", "exit", "seconds", "processes", "dependency", "how", "why")
_ORDER = ("verb", "slot", "n", "seconds", "error")
"""What a picture tells of an order that was given."""
_LONGEST = 60
PER_S = 200
"""Beyond so many events a second, tasks are counted instead of followed one by one."""
_OVER_S = 10.0
_PER_TASK = 8
"""How many events a task has that nothing befalls, and one more."""
BATCH_S = 0.05
"""Seconds between two batches at least: 20 a second."""


@dataclass
class Encoder:
    """Makes rows of events; positions are those of ``topology``.

    >>> encoder = Encoder({"types": [{"name": "hi"}], "workers": [], "queues": [{"name": "q"}]})
    >>> encoder.row(Event(0.25, "sent", "hi/7", queue="q", retry=0))
    [0.25, 0, 0, 7, None, None, None, 0, 0]
    """

    topology: dict[str, Any]
    _tags: dict[str, int] = field(default_factory=dict)
    _places: dict[str, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {
            name: {part["name"]: i for i, part in enumerate(self.topology[name])}
            for name in ("types", "workers", "queues")
        }

    def rows(self, events: Iterable[Event]) -> list[Row]:
        """Return a row for each event that a picture shows."""
        return [self.row(event) for event in events if event.kind not in SILENT]

    def row(self, event: Event) -> Row:
        """Return one event as a row; what the topology does not know stays a word."""
        kind, number = self._task(event.task)
        row = [
            round(event.t_s, 4), _KINDS.get(event.kind, event.kind), kind, number,
            self._at("workers", event.worker), event.slot, self._tag(event.tag), event.retry,
            self._at("queues", event.queue), _detail(event),
        ]  # fmt: skip
        while row[-1] is None:
            row.pop()
        return row

    def _task(self, task: str | None) -> tuple[int | str | None, int | str | None]:
        if task is None:
            return None, None
        name, _, number = task.rpartition("/")
        if not name:
            return task[:_LONGEST], None
        plain = number.isascii() and number.isdigit() and str(int(number)) == number
        kind = self._places["types"].get(name, name[:_LONGEST])
        return kind, int(number) if plain else number[:_LONGEST]

    def _at(self, what: str, name: str | None) -> int | str | None:
        return None if name is None else self._places[what].get(name, name[:_LONGEST])

    def _tag(self, tag: str | None) -> int | None:
        return None if tag is None else self._tags.setdefault(tag, len(self._tags))


def _detail(event: Event) -> dict[str, Any] | None:
    if event.detail is None:
        return None
    if event.kind == "control":
        known = {k: v for k in _ORDER if (v := event.detail.get(k)) is not None}
        return {k: v[:_LONGEST] if isinstance(v, str) else v for k, v in known.items()}
    return {k: v for k in _DETAIL if (v := event.detail.get(k)) is not None} or None


def text_of(rows: Sequence[Row]) -> str:
    """Return rows as JSON, as short as it gets; a number that JSON does not have becomes null.

    >>> text_of([[float("nan"), 0]])
    '[[null,0]]'
    """
    try:
        return json.dumps(rows, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(rows), separators=(",", ":"))


def _finite(value: Any) -> Any:
    """Return what JSON has: a page that cannot read one number would show nothing of a run."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


class Feed:
    """Follows tasks one by one as long as their events are no more than ``PER_S`` a second.

    A burst may have what ten seconds may have. A task that comes while nothing is left is
    counted by ``Crowd`` from its first event to its last, so that no message is in two places;
    the picture says so. ``clock`` is in seconds.
    """

    def __init__(self, encoder: Encoder, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.encoder, self.crowd = encoder, Crowd(encoder.topology)
        self._clock, self._left, self._at = clock, PER_S * _OVER_S, clock()
        self._followed: set[str] = set()

    def batch(self, events: Iterable[Event]) -> list[Row]:
        """Return the rows of what is new; the last one counts the crowd if it has changed."""
        now = self._clock()
        self._refill(now - self._at)
        self._at = now
        return self._rows(events, by_time=False)

    def past(self, events: Iterable[Event]) -> list[Row]:
        """Return the rows of what happened before anybody looked, by the events' own clock."""
        return self._rows(events, by_time=True)

    def _rows(self, events: Iterable[Event], *, by_time: bool) -> list[Row]:
        rows: list[Row] = []
        last_s = 0.0
        for event in events:
            if by_time:
                self._refill(max(0.0, event.t_s - last_s))
            last_s = max(last_s, event.t_s)
            if self._is_followed(event):
                rows += self.encoder.rows((event,))
            else:
                self.crowd.feed(event)
        if (counts := self.crowd.changed()) is not None:
            rows.append(self.encoder.row(Event(last_s, "crowd"))[:2] + [None] * 7 + [counts])
        return rows

    def _refill(self, seconds: float) -> None:
        self._left = min(PER_S * _OVER_S, self._left + PER_S * seconds)

    def _is_followed(self, event: Event) -> bool:
        if event.task is None:
            self.crowd.feed_system(event)
            return True
        if event.task in self._followed:
            return True
        if event.task in self.crowd or self._left < _PER_TASK:
            return False
        self._left -= _PER_TASK
        self._followed.add(event.task)
        return True
