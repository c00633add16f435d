"""What if: the same scenario with other values of its fields, predicted side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from sandbox.calibration import known as known_overheads
from sandbox.capacity.goal import Answer, Goal, require_metric, search, values_in_order
from sandbox.capacity.paths import Point, grid
from sandbox.capacity.processes import pool
from sandbox.capacity.result import WhatIf
from sandbox.capacity.study import Place, Rule, Study
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

METRICS = ("throughput_per_s", "utilisation", "mean_wait_s", "p95_latency_s", "lost")
"""What is shown when nothing else is asked for."""


def what_if(  # noqa: PLR0913 - all but the first two have defaults
    scenario: Scenario,
    changes: Mapping[str, Sequence[Any]],
    *,
    metrics: Sequence[str] = METRICS,
    until: str | None = None,
    replications: int | None = None,
    precision: float = 0.05,
    budget_s: float | None = 30.0,
    overheads: Overheads | None = None,
    n_processes: int | None = None,
    executor: Executor | None = None,
    on_progress: Callable[[float], None] = lambda _: None,
) -> WhatIf:
    """Predict a scenario with other values of its fields: every combination, on the same draws.

    ``changes`` gives values by path, such as ``{"workers.worker.concurrency": [1, 2, 4]}``: parts
    of a list by name, position or ``*`` (all). A point is run ``replications`` times, or until
    each time, rate and share of ``metrics`` is known to within ``precision`` of itself (95 %
    interval of the mean), at most 400 times, or until ``budget_s`` seconds are over, with at least
    3 runs. A steady state that is unstable is named, with the growth of its backlog, and not run.

    ``until``, such as ``"p95_latency_s < 30"``, searches the smallest value of the one path that
    is varied by bisection: only the points it looks at are run, until their interval lies wholly
    on one side, and are in the result, whose ``answer`` says what was found and how sure it is.

    Runs are spread over ``n_processes`` (None: the cores), or over ``executor``, which is anything
    that speaks ``concurrent.futures``. Without ``overheads`` this machine's calibration of
    Redis is used, else the defaults. ``on_progress`` is called with the share that is done. But
    for a budget that runs out, the result depends on none of these but the overheads.

    Raises ScenarioError for a path that is none, or a value that the scenario refuses.

    >>> from sandbox import systems
    >>> found = what_if(systems.load("leadlawk"), {"workers.worker.concurrency": [2, 4]},
    ...                 metrics=["done"], replications=3, n_processes=1)
    >>> [point.n for point in found.points]
    [3, 3]
    """
    goal = None if until is None else Goal.read(until)
    _check(replications, precision, budget_s, n_processes)
    names = tuple(dict.fromkeys([*metrics, *([goal.metric] if goal else [])]))
    for name in names:
        require_metric(name)
    points, used = grid(scenario, changes), overheads or known_overheads("redis")
    answer = None
    with pool(n_processes, executor) as run:
        study = Study(run, used, budget_s, on_progress)
        if goal is None:
            places = [study.place(point) for point in points]
            study.fill(places, Rule(names, replications, precision))
        else:
            answer, places = _search(study, goal, tuple(changes), points, replications)
    on_progress(1.0)
    outcomes = tuple(place.outcome() for place in places)
    return WhatIf(scenario, tuple(changes), names, outcomes, study.stopped, answer)


def _search(
    study: Study, goal: Goal, paths: Sequence[str], points: Sequence[Point], n: int | None
) -> tuple[Answer, list[Place]]:
    """Return the answer and the points that were looked at, in the order of their values."""
    varied = [
        i for i in range(len(paths)) if len({repr(point.settings[i]) for point in points}) > 1
    ]
    if len(varied) > 1:
        several = " and ".join(paths[i] for i in varied)
        raise ScenarioError(f"until searches one path, but {several} are varied")
    axis = varied[0] if varied else 0
    values = values_in_order(paths[axis], [point.settings[axis] for point in points])
    by_value = {point.settings[axis]: point for point in points}
    places: dict[int, Place] = {}
    steps = math.ceil(math.log2(len(values) + 1)) + 2
    study.stopped = "precision" if n is None else "replications"

    def judge(i: int) -> Any:
        study.part = (len(places) / steps, (len(places) + 1) / steps)
        places[i] = study.place(by_value[values[i]])
        return study.judge(places[i], goal, n)

    answer = search(goal, paths[axis], values, judge)
    return answer, [places[i] for i in sorted(places)]


def _check(
    replications: int | None, precision: float, budget_s: float | None, n_processes: int | None
) -> None:
    allowed = {
        "replications": (replications, replications is None or replications >= 2, "2 or more"),
        "precision": (precision, 0 < precision < 1, "a share above 0 and below 1"),
        "budget_s": (budget_s, budget_s is None or budget_s > 0, "seconds above 0"),
        "n_processes": (n_processes, n_processes is None or n_processes >= 1, "1 or more"),
    }
    for name, (value, is_fine, what) in allowed.items():
        if not is_fine:
            raise ScenarioError(f"{name} is {value}; allowed: {what}")
