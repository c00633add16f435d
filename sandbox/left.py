"""Left: what the broker still held at the end of a run, message by message.

The last ``dump`` among the events is the evidence: each queue's lists, of every priority step,
and `unacked` with `unacked_index`. Whose an unacknowledged message is, no key of the broker
says; the recorder knows who took it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sandbox.fold import Fold
    from sandbox.run import Event


@dataclass(frozen=True)
class Left:
    """One message in the broker, at its last dump.

    In a ``queue``: which one, and of which priority step; the one that a worker would take
    next is the last of its list. In ``unacked``: under which delivery tag, of which worker
    (None: of none that was seen to take it), and since when by `unacked_index` (s; aged by
    what was skipped; None without an entry there: no sweep will ever restore it).

    >>> Left("resize/7", "queue", queue="celery", step=3).queue
    'celery'
    """

    task: str
    where: Literal["queue", "unacked"]
    queue: str | None = None
    step: int | None = None
    tag: str | None = None
    worker: str | None = None
    since_s: float | None = None


def last_dump(events: Sequence[Event]) -> int | None:
    """Return the position of the last dump among the events; None without one."""
    return next((i for i in range(len(events) - 1, -1, -1) if events[i].kind == "dump"), None)


def left_of(events: Sequence[Event], fold: Fold) -> tuple[Left, ...] | None:
    """Return what the last dump holds; ``fold`` knows the state after the last event."""
    at = last_dump(events)
    if at is None:
        return None
    detail = events[at].detail or {}
    return (*_queued(detail), *_unacked(detail, fold))


def _queued(detail: Mapping[str, Any]) -> Iterator[Left]:
    steps = detail.get("steps", {})
    for queue, tasks in detail.get("queues", {}).items():
        for task, step in _beside(tasks, steps.get(queue, ())):
            yield Left(task, "queue", queue=queue, step=step)


def _unacked(detail: Mapping[str, Any], fold: Fold) -> Iterator[Left]:
    tasks = detail.get("unacked", ())
    rows = _beside(_beside(tasks, detail.get("tags", ())), detail.get("since_s", ()))
    for (task, tag), since_s in rows:
        journey = fold.journeys.get(task)
        worker = journey.unacked.get(tag) if journey is not None and tag is not None else None
        yield Left(task, "unacked", tag=tag, worker=worker, since_s=since_s)


def _beside(one: Iterable[Any], other: Sequence[Any]) -> Iterator[Any]:
    """Yield each of ``one`` with its neighbour, None where a dump does not say it."""
    for i, value in enumerate(one):
        yield value, other[i] if i < len(other) else None
