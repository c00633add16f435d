"""Rows: the record of a run in one flat list; an event is made of a row when it is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.run import Event

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message

Row: TypeAlias = "tuple[float, str, Message | Event, str | None, int | None]"
"""Time, kind, the message it happened to, worker, slot; or an event, where that is not all."""

_WIDTH = 5
_HAS_QUEUE = {"sent", "delivered"}
_HAS_RETRY = {"sent", "delivered", "started", "succeeded"}
_HAS_NO_TAG = {"sent", "published"}
_new = tuple.__new__  # An Event without the cost of naming its fields.


class Rows:
    """The rows so far, five entries of ``flat`` each: ``flat[1::5]`` is the column of kinds.

    What else an event says of its task is in the message, which never changes.
    """

    def __init__(self) -> None:
        self.flat: list[Any] = []
        self.add = self.flat.extend

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
        for row in zip(entries, entries, entries, entries, entries, strict=True):
            yield event_of(*row)

    def close(self) -> None:
        """Add nothing from now on."""
        self.add = _keep_nothing


def event_of(
    t_s: float, kind: str, what: Message | Event, worker: str | None, slot: int | None
) -> Event:
    """Make the event of a row, with the fields that a live worker's recorder gives it."""
    if isinstance(what, Event):
        return what
    queue = what.kind.queue if kind in _HAS_QUEUE else None
    tag = None if kind in _HAS_NO_TAG else what.tag
    retry = what.retry if kind in _HAS_RETRY else None
    detail = None
    if kind == "sent" and what.eta_s is not None:
        detail = {"eta_s": what.eta_s}
    return _new(Event, (t_s, kind, what.key, worker, slot, queue, tag, retry, detail))


def _keep_nothing(_: Row) -> None:
    """Stand in for adding."""
