"""Trouble: what of a run cannot be drawn as it is, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.run import KINDS, Event, Run, broken_laws

_LATEST_S = 2.0**53
_MOST_SLOTS = 10_000
"""A row each: a greater number is a mistake, not a worker."""


def drawable(run: Run) -> Run:
    """Return the run without the events that have no place in a picture; itself if all have one.

    >>> import math
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> len(drawable(Run(one, (Event(math.nan, "sent", "hi/0"), Event(0.0, "ended")))).events)
    1
    """
    kept = tuple(event for event in run.events if _fits(event))
    return run if len(kept) == len(run.events) else run.with_events(kept)


def _fits(event: Event) -> bool:
    return (
        -_LATEST_S <= event.t_s <= _LATEST_S  # False for what is no number
        and event.kind in KINDS
        and 0 <= (event.slot or 0) < _MOST_SLOTS
    )


def trouble(run: Run) -> str:
    """Return what is wrong with a run's events, a sentence each; "" when nothing is.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> trouble(Run(one, ()))
    'This run has no events.'
    """
    return " ".join(_sentences(run))


def _sentences(run: Run) -> Iterator[str]:
    if not run.events:
        yield "This run has no events."
    left_out = [event for event in run.events if not _fits(event)]
    if left_out:
        one = left_out[0]
        where = "" if not one.slot else f" in slot {one.slot}"
        yield f"{_n_events(left_out)} left out; the first: {one.kind} at {one.t_s:g} s{where}."
    kept = drawable(run)
    early = [event for event in kept.events if event.t_s < 0 and event.task is not None]
    if early:
        yield (
            f"{_n_events(early)} before the run's beginning; the first: {early[0].kind} at "
            f"{early[0].t_s:g} s."
        )
    if laws := broken_laws(kept):
        n = "1 event contradicts" if len(laws) == 1 else f"{len(laws)} events contradict"
        yield f"{n} others; the first: {laws[0]}."


def _n_events(events: list[Event]) -> str:
    return "1 event is" if len(events) == 1 else f"{len(events)} events are"
