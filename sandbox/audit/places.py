"""Places: where every message and every execution of a task is when a run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

from sandbox.audit.account import Place
from sandbox.audit.clues import Dump, Record
from sandbox.journeys import Journey

_INTO_QUEUE = ("sent", "requeued", "restored")


def places(journey: Journey, record: Record, dump: Dump | None) -> tuple[Place, ...]:
    """Return where a task is: by the dump where it has the last word, else by the events."""
    ruling = dump if dump is not None and dump.rules(journey.task) else None
    found = [*_running(journey, record), *_held(journey, record), *_kept(journey, record)]
    if ruling is None:
        found += _queued(journey, record)
        found += [_unacked(journey, tag, record) for tag in _owned(journey)]
    else:
        found += _dumped(journey, record, ruling)
    return tuple(found) or tuple(_rejected(journey, record))


def _running(journey: Journey, record: Record) -> Iterator[Place]:
    started = {
        (a.worker, a.slot): a.started_s
        for a in record.attempts.get(journey.task, ())
        if a.ended_s is None
    }
    for worker, slot in sorted(journey.running):
        yield Place("running", worker=worker, slot=slot, since_s=started.get((worker, slot)))


def _held(journey: Journey, record: Record) -> Iterator[Place]:
    for tag, why in journey.held.items():
        where = cast("Literal['eta', 'rate']", why)
        attempt = record.attempt(journey.task, tag)
        event = record.last(journey.task, f"{why}_held", tag=tag)
        worker = attempt.worker if attempt else None
        yield Place(where, worker=worker, tag=tag, since_s=event.t_s if event else None)


def _kept(journey: Journey, record: Record) -> Iterator[Place]:
    """Name who will still begin a copy whose message has gone back, or is gone."""
    for attempt in record.attempts.get(journey.task, ()):
        is_kept = (attempt.worker, attempt.delivery) in journey.kept
        if is_kept and attempt.tag not in journey.held:
            yield Place("kept", worker=attempt.worker, tag=attempt.tag, since_s=attempt.delivered_s)


def _queued(journey: Journey, record: Record) -> Iterator[Place]:
    if journey.n_queued > 0:
        named = [event.queue for event in record.events.get(journey.task, ()) if event.queue]
        yield Place("queue", named[-1] if named else "?", since_s=_queued_s(journey, record))


def _queued_s(journey: Journey, record: Record) -> float | None:
    event = record.last(journey.task, *_INTO_QUEUE)
    return event.t_s if event else None


def _dumped(journey: Journey, record: Record, dump: Dump) -> Iterator[Place]:
    for one in dump.queued(journey.task):
        since_s = _queued_s(journey, record)
        yield Place("queue", one.queue, one.step, since_s=since_s)
    unacked = dump.unacked(journey.task)
    if unacked and not journey.unacked:
        yield Place("unacked", tag=unacked[0].tag, since_s=unacked[0].since_s)
    elif unacked:
        yield from (_unacked(journey, tag, record) for tag in _owned(journey))


def _owned(journey: Journey) -> list[str]:
    """Return the tags of unacknowledged messages that are not held: those are named already."""
    return [tag for tag in journey.unacked if tag not in journey.held]


def _unacked(journey: Journey, tag: str, record: Record) -> Place:
    worker, attempt = journey.unacked[tag], record.attempt(journey.task, tag)
    if attempt is None:
        return Place("unacked", worker=worker, tag=tag)
    # A worker that came back has forgotten what it held: the message is its dead self's.
    dead = any(e.worker == worker and e.t_s >= attempt.delivered_s for e in record.exits)
    since_s = attempt.delivered_s
    return Place("unacked", worker=worker, alive=not dead, tag=tag, since_s=since_s)


def _rejected(journey: Journey, record: Record) -> Iterator[Place]:
    """Name who dropped a message, if that was the last thing that happened to it."""
    event = record.last(journey.task, "rejected", "acked", "sent", "restored", "requeued")
    if event is not None and event.kind == "rejected":
        yield Place("rejected", worker=event.worker, tag=event.tag, since_s=event.t_s)
