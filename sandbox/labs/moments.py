"""Moments: where each task is at one time of a run, and what Celery answers to who asks for it.

In the model an answer is what a worker would have stored by then. Of a live run only what was
asked while it ran is known: it is kept in the run's ``info``.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.errors import LabError, one_of
from sandbox.fold import Fold
from sandbox.journeys import Journey
from sandbox.run import KINDS, Run
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

QUEUED, FETCHED, RUNNING, BOTH, ENDED = (
    "in a queue", "in unacked, not begun", "running, no message left", "in unacked and running",
    "ended",
)  # fmt: skip
PLACES = (QUEUED, FETCHED, RUNNING, BOTH, ENDED)
_STORED = {
    "succeeded": "SUCCESS", "failed": "FAILURE", "retried": "RETRY", "revoked": "REVOKED",
    "chord_failed": "FAILURE",
}  # fmt: skip
_ASKED = "asked"


def found_at(run: Run, at_s: float) -> dict[str, int]:
    """Return how many tasks are at which place ``at_s`` seconds into a run, zeros included.

    >>> from sandbox.run import Event
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> found_at(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),)), 0.5)["in a queue"]
    1
    """
    journeys = Fold().feed(e for e in run.events if e.t_s <= at_s).journeys.values()
    found = Counter(map(_place, journeys))
    return {place: found[place] for place in PLACES}


def _place(journey: Journey) -> str:
    if journey.running:
        return BOTH if journey.unacked else RUNNING
    if journey.unacked:
        return FETCHED
    return QUEUED if journey.n_queued else ENDED


def places(run: Run, at_s: float) -> pd.DataFrame:
    """Return how many tasks are at which place ``at_s`` seconds into a run, as a table."""
    import pandas as pd

    found = found_at(run, at_s)
    return pd.DataFrame({"tasks": found.values()}, index=pd.Index(found, name=f"after {at_s:g} s"))


def journey(run: Run, task: str) -> pd.DataFrame:
    """Return what happened to one task, a row each event; times to a tenth of a second."""
    import pandas as pd

    own = [event for event in run.events if event.task == task]
    if not own:
        known = list(dict.fromkeys(event.task for event in run.events if event.task))
        raise LabError(f"task is {task!r}; allowed: {one_of(str(task), known)}")
    pd.set_option("display.max_colwidth", None)
    rows = [[f"{event.t_s:.1f}", KINDS[event.kind]] for event in own]
    index = pd.Index([event.kind for event in own], name=task)
    return pd.DataFrame(rows, columns=["after s", "meaning"], index=index)


# --- what Celery answers -------------------------------------------------------------------


def run_and_ask(scenario: Scenario, asks: Iterable[str], at_s: float | None, broker: str) -> Run:
    """Run real workers and ask Celery for these ids' states; at the end unless ``at_s`` is set."""
    from sandbox.engines import live
    from sandbox.engines.live import results

    with live.start(scenario, broker=broker) as session:
        if at_s is None:
            session.wait()
        else:
            time.sleep(max(0.0, at_s - session.now_s))
        told = results.states(session, asks)
        session.wait()
    run = session.close()
    return replace(run, info=run.info | {_ASKED: {"at_s": at_s, "states": told}})


def states_of(run: Run, asks: Iterable[str], at_s: float | None = None) -> dict[str, str]:
    """Return what Celery answers for each id; LabError for what nobody asked while it ran.

    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> states_of(Run(one, ()), ["hi/99"])
    {'hi/99': 'PENDING'}
    """
    ids = [asks] if isinstance(asks, str) else list(asks)
    if run.info.get("engine") != "live":
        return {one: _stored(run, one, math.inf if at_s is None else at_s) for one in ids}
    asked: Mapping[str, Any] = run.info.get(_ASKED, {"at_s": None, "states": {}})
    missing = [one for one in ids if one not in asked["states"]]
    if missing or asked["at_s"] != at_s:
        raise LabError(
            f"nobody asked for {missing or ids} then; ask while it runs: lab.run(…, asks=…, at_s=…)"
        )
    return {one: asked["states"][one] for one in ids}


def _stored(run: Run, task: str, at_s: float) -> str:
    kind = task.rpartition("/")[0]
    if kind not in run.scenario.task_names or run.scenario.task(kind).ignore_result:
        return "PENDING"
    kinds = [e.kind for e in run.events if e.task == task and e.t_s <= at_s and e.kind in _STORED]
    return _STORED[kinds[-1]] if kinds else "PENDING"


def states(run: Run, asks: Iterable[str], at_s: float | None = None) -> pd.DataFrame:
    """Return what Celery answers for each id, as a table."""
    import pandas as pd

    found = states_of(run, asks, at_s)
    return pd.DataFrame({"state": found.values()}, index=pd.Index(found, name="id"))


def n_in(state: str, run: Run, asks: Iterable[str], at_s: float | None = None) -> int:
    """Return how many of these ids have a state."""
    return list(states_of(run, asks, at_s).values()).count(state)
