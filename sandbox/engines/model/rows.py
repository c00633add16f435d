"""Rows: the record of a run in one flat list; an event is made of a row when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.run import KINDS, Event

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message

Row: TypeAlias = "tuple[float, str, Message | Event, str | None, int | None]"
"""Time, kind, the message it happened to, worker, slot; or an event, where that is not all."""

_WIDTH = 5
_TAKES = {  # Which of queue, tag and retry an event of a kind tells: what a live recorder tells.
    kind: (
        kind in {"sent", "delivered"},
        kind not in {"sent", "published"},
        kind in {"sent", "delivered", "started", "succeeded"},
    )
    for kind in KINDS
}
_new = tuple.__new__  # An Event without the cost of naming its fields.


class Rows:
    """The rows so far, five entries of ``flat`` each: ``flat[1::5]`` is the column of kinds.

    What else an event says of its task is in the message, which never changes.
    """

    def __init__(self) -> None:
        self.flat: list[Any] = []
        self.add: Callable[[Row], None] = self.flat.extend

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.flat) // _WIDTH

    def __iter__(self) -> Iterator[Event]:
        """Make the event of each row."""
        return self.since(0)

    def __reduce__(self) -> tuple[type[tuple[Event, ...]], tuple[tuple[Event, ...]]]:
        """Pickle as the tuple of the events: a message leads to the whole model."""
        return tuple, (tuple(self),)

    def since(self, n: int) -> Iterator[Event]:
        """Make the event of each row after the first ``n``."""
        entries = islice(self.flat, n * _WIDTH, None)
        return _events(zip(entries, entries, entries, entries, entries, strict=True))

    def close(self) -> None:
        """Add nothing from now on."""
        self.add = _keep_nothing


def event_of(row: Row) -> Event:
    """Make the event of one row."""
    return next(_events((row,)))


def _events(rows: Iterable[Row]) -> Iterator[Event]:
    for t_s, kind, what, worker, slot in rows:
        if isinstance(what, Event):
            yield what
            continue
        has_queue, has_tag, has_retry = _TAKES[kind]
        queue = what.kind.queue if has_queue else None
        tag = what.tag if has_tag else None
        retry = what.retry if has_retry else None
        is_later = what.eta_s is not None and kind == "sent"
        detail = {"eta_s": what.eta_s} if is_later else None
        yield _new(Event, (t_s, kind, what.key, worker, slot, queue, tag, retry, detail))


def _keep_nothing(_: Row) -> None:
    """Stand in for adding."""
