"""Begins: in which order tasks were begun, and how many of them in each second.

An order, and a number for each whole second, are the same each time where a moment is not.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sandbox.errors import LabError, one_of
from sandbox.labs.kernel import unless_open
from sandbox.run import Event, Run

if TYPE_CHECKING:
    import pandas as pd

_EARLY_S = 0.2


def begun(run: Run, kind: str) -> list[Event]:
    """Return the events at which tasks of a type were begun; LabError for a type that is none.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> len(begun(Run(one, (Event(0.5, "started", "hi/0"),)), "hi"))
    1
    """
    known = run.scenario.task_names
    if kind not in known:
        raise LabError(f"there is no task type {kind!r}; allowed: {one_of(kind, known)}")
    return [e for e in run.of_kind("started") if (e.task or "").rpartition("/")[0] == kind]


def n_before(run: Run, kind: str, other: str) -> int:
    """Return how many of one type were begun before the first of another was.

    LabError where none of the other was begun.
    """
    first = begun(run, other)
    if not first:
        raise LabError(f"no {other!r} was begun in this run: leave its load, and give it a worker")
    return sum(event.t_s < first[0].t_s for event in begun(run, kind))


def in_each_second(run: Run, kind: str) -> dict[int, int]:
    """Return how many of a type were begun in each second, counted from the first begin of all.

    What is due after whole seconds is begun late and not early, so the bounds are ``_EARLY_S``
    before them.
    """
    events = begun(run, kind)
    found = Counter(int(event.t_s - events[0].t_s + _EARLY_S) for event in events)
    return {second: found[second] for second in range(max(found, default=-1) + 1)}


def before(run: Run, kind: str, other: str) -> Any:
    """Return how many of one type were begun before the first of another was."""
    return unless_open(lambda one: n_before(one, kind, other), run)


def order(run: Run) -> Any:
    """Return the tasks in the order in which they were begun, as a table."""
    return unless_open(_order, run)


def _order(run: Run) -> pd.DataFrame:
    import pandas as pd

    tasks = [str(event.task) for event in run.of_kind("started")]
    kinds = [run.scenario.task(task.rpartition("/")[0]) for task in tasks]
    columns = {"place": range(1, len(tasks) + 1), "priority": [kind.priority for kind in kinds]}
    return pd.DataFrame(columns, index=pd.Index(tasks, name="begun"))


def each_second(run: Run, kind: str) -> Any:
    """Return how many of a type were begun in each second from the first on, as a table."""
    return unless_open(lambda one: _each_second(one, kind), run)


def _each_second(run: Run, kind: str) -> pd.DataFrame:
    import pandas as pd

    found = in_each_second(run, kind)
    bars = ["#" * n for n in found.values()]
    index = pd.Index(found, name="second")
    return pd.DataFrame({"begun": found.values(), "one # each": bars}, index=index)
