"""Pace: whether the workers of a run keep up with what is sent to them."""

from __future__ import annotations

from typing import Any

from sandbox.labs.kernel import Text, unless_open
from sandbox.labs.moments import FETCHED, QUEUED, found_at
from sandbox.run import Run

KEEPS_UP, FALLS_BEHIND = Text("keeps up"), Text("falls behind")


def n_waiting(run: Run) -> int:
    """Return how many tasks wait, in a queue or in a worker, when the last one is sent.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> n_waiting(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),)))
    1
    """
    found = found_at(run, max((event.t_s for event in run.of_kind("sent")), default=0.0))
    return found[QUEUED] + found[FETCHED]


def pace(run: Run) -> Any:
    """Say ``falls behind`` where more tasks wait, when the last one is sent, than may run at once.

    A stub's run has no pace yet.
    """
    return unless_open(_pace, run)


def _pace(run: Run) -> Text:
    places = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    return FALLS_BEHIND if n_waiting(run) > places else KEEPS_UP
