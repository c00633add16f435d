"""Little's law on a run's own events: a check of the record, exact by arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

from sandbox.run import Run

_LEAVES = ("succeeded", "failed", "revoked")


def littles_law(run: Run) -> tuple[float, float]:
    """Return (mean number of tasks in the system, arrival rate x mean sojourn): equal.

    Both over [first event, end of the run], without a warm-up cut; an unfinished task has
    sojourned until the end. The first integrates over the events, the second sums over the
    tasks of the fold, both in exact arithmetic: a difference is a bug. (nan, nan) for a run
    of no length.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> littles_law(Run(one, (Event(0.0, "sent", "hi/0"), Event(2.0, "ended"))))
    (1.0, 1.0)
    """
    if not run.events or run.events[-1].t_s <= run.events[0].t_s:
        return math.nan, math.nan
    span = Fraction(run.events[-1].t_s) - Fraction(run.events[0].t_s)
    return float(_area(run) / span), float(_sojourns(run) / span)


def _area(run: Run) -> Fraction:
    """Return task-seconds: the number in the system, integrated over the events."""
    seen: set[str | None] = set()
    inside: set[str | None] = set()
    area, last = Fraction(0), Fraction(run.events[0].t_s)
    for event in run.events:
        enters = event.kind == "sent" and event.task not in seen
        if enters or event.kind in _LEAVES or event is run.events[-1]:
            now = Fraction(event.t_s)
            area, last = area + (now - last) * len(inside), now
        if enters:
            seen.add(event.task)
            inside.add(event.task)
        elif event.kind in _LEAVES:
            inside.discard(event.task)
    return area


def _sojourns(run: Run) -> Fraction:
    """Return task-seconds: first sent to first end, or to the end of the run, of every task."""
    ends = {task: j.finished_s for task, j in run.fold.journeys.items()}
    for attempt in run.fold.attempts:
        if attempt.outcome == "revoked" and attempt.ended_s is not None:
            end = ends[attempt.task]
            ends[attempt.task] = attempt.ended_s if end is None else min(end, attempt.ended_s)
    total = Fraction(0)
    for task, journey in run.fold.journeys.items():
        if journey.first_sent_s is not None:
            end = ends[task]
            total += Fraction(run.events[-1].t_s if end is None else end)
            total -= Fraction(journey.first_sent_s)
    return total
