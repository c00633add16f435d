"""Load on a front door, before and after: without a queue behind it and with one.

The same visitors come to both. What a queue makes faster is the answer; whether the work is done
sooner is another figure, and it stands beside it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from sandbox.draws import Deterministic
from sandbox.engines import live, model
from sandbox.errors import ScenarioError
from sandbox.loads import Trace
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.visits import visits

SIDES = ("before", "after")
"""The variants of a system that are driven: its door synchronous, and asynchronous."""
_FEWEST, _MOST = 3, 100
_SEED_STEP = 7_919
_N_ASKED, _APART_S, _WORK_S = 60, 0.04, 0.01
"""How a door's own time is measured: so many requests, so far apart, with so much work (s)."""


class _Seen:
    """What a run's visitors and tasks did, by request: times in seconds after the request."""

    def __init__(self, run: Run) -> None:
        self.visits = visits(run)
        asked = {event.task: event.t_s for event in run.of_kind("requested")}
        answered = {
            e.task: (e.t_s, (e.detail or {}).get("outcome")) for e in run.of_kind("answered")
        }
        told = {task: at for task, (at, what) in answered.items() if what in {"done", "failed"}}
        taken = {event.task: event.t_s for event in run.of_kind("accepted")}
        ended = {
            event.task: event.t_s
            for kind in ("succeeded", "failed")
            for event in run.of_kind(kind)
            if event.task in asked
        }
        # Without a queue the work is done when the answer says so.
        finished = ended or told
        self.response_s = _after(asked, told | taken)
        self.done_s = _after(asked, finished)
        self.known_s = _after(asked, told)
        begin = min(asked.values(), default=math.nan)
        self.all_done_s = max(finished.values(), default=math.nan) - begin
        self.span_s = max((at for at, _ in answered.values()), default=math.nan) - begin

    def outcome(self, name: str) -> float:
        return self.visits.outcomes[name]

    def no_answer(self) -> float:
        known = {"done", "failed", "refused", "timed out"}
        return sum(n for name, n in self.visits.outcomes.items() if name not in known)

    def polls_per_s(self) -> float:
        return self.visits.n_polls / self.span_s if self.span_s > 0 else math.nan


def _after(asked: Mapping[str | None, float], at: Mapping[str | None, float]) -> list[float]:
    return sorted(at[task] - asked[task] for task in asked if task in at)


def _share(times_s: list[float], share: float) -> float:
    """Return what ``share`` of the times do not exceed; nan without any."""
    if len(times_s) < 2:
        return times_s[0] if times_s else math.nan
    return quantiles(times_s, n=100, method="inclusive")[round(share * 100) - 1]


_FIGURES: Mapping[str, tuple[str, Callable[[_Seen], float]]] = {
    "requests": ("", lambda seen: seen.visits.n_requests),
    "accepted": ("", lambda seen: len(seen.response_s)),
    "failed": ("", lambda seen: seen.outcome("failed")),
    "refused": ("", lambda seen: seen.outcome("refused")),
    "timed_out": ("", lambda seen: seen.outcome("timed out")),
    "no_answer": ("", _Seen.no_answer),
    "time_to_response_p50": ("s", lambda seen: _share(seen.response_s, 0.50)),
    "time_to_response_p95": ("s", lambda seen: _share(seen.response_s, 0.95)),
    "time_to_done_p50": ("s", lambda seen: _share(seen.done_s, 0.50)),
    "time_to_done_p95": ("s", lambda seen: _share(seen.done_s, 0.95)),
    "time_to_known_p95": ("s", lambda seen: _share(seen.known_s, 0.95)),
    "polls_per_s": ("1/s", _Seen.polls_per_s),
    "all_done_after": ("s", lambda seen: seen.all_done_s),
}
FIGURES = tuple(_FIGURES)
"""The figures of one side, in the order of the table."""


def figures(run: Run) -> dict[str, float]:
    """Return what a run's visitors saw, by name (see ``FIGURES``); nan where there is nothing.

    ``accepted``: requests that were taken in. ``time_to_response``: to the first answer, which
    is 202 where there is a queue. ``time_to_done``: to the end of the work. ``time_to_known``: to
    the answer, or the poll, that told the visitor.

    >>> from sandbox.run import Event
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> done = Event(2.0, "answered", "hi/0", detail={"outcome": "done"})
    >>> events = (Event(0.5, "requested", "hi/0"), Event(0.6, "accepted", "hi/0"),
    ...           Event(1.5, "succeeded", "hi/0"), done)
    >>> found = figures(Run(one, events))
    >>> [round(found[f"time_to_{what}"], 3) for what in ("response_p50", "done_p50", "known_p95")]
    [0.1, 1.0, 1.5]
    """
    seen = _Seen(run)
    return {name: float(read(seen)) for name, (_, read) in _FIGURES.items()}


@dataclass(frozen=True)
class Side:
    """One door under load. ``further``: the model's runs with other draws than the measured one."""

    scenario: Scenario
    predicted: Mapping[str, float]
    further: tuple[Mapping[str, float], ...]
    measured: Mapping[str, float]
    folder: Path

    def span(self, name: str) -> tuple[float, float]:
        """Return the least and the largest that the model says of further runs; nan without."""
        found = [one[name] for one in self.further if not math.isnan(one[name])]
        return (min(found), max(found)) if found else (math.nan, math.nan)


@dataclass(frozen=True)
class Load:
    """A system's door under load on both sides, predicted beside measured."""

    sides: Mapping[str, Side]

    def data(self) -> dict[str, Any]:
        """Return all of it as what JSON can say."""
        return {
            name: {
                "scenario": side.scenario.name,
                "folder": str(side.folder),
                "figures": {
                    figure: {
                        "unit": _FIGURES[figure][0],
                        "predicted": side.predicted[figure],
                        "further_runs": side.span(figure),
                        "measured": side.measured[figure],
                    }
                    for figure in FIGURES
                },
            }
            for name, side in self.sides.items()
        }

    def gain(self, figure: str, *, of: str = "measured") -> float:
        """Return how many times shorter a time is after than before; ``of``: or ``predicted``."""
        before, after = (getattr(self.sides[name], of)[figure] for name in SIDES)
        return float(before / after) if after > 0 else math.nan

    def __str__(self) -> str:
        """Say it as tables, and in the end what became faster."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, side in self.sides.items():
            yield f"{name}: {side.scenario.name}"
            yield f"  {'':22}{'':5}{'predicted':>11}{'further runs':>24}{'measured':>11}"
            for figure, (unit, _) in _FIGURES.items():
                low, high = (_shown(value) for value in side.span(figure))
                told = f"{_shown(side.predicted[figure]):>11}{f'{low} to {high}':>24}"
                yield f"  {figure:22}{unit:5}{told}{_shown(side.measured[figure]):>11}"
            yield ""
        for what, figure in (("response", "time_to_response_p50"), ("done", "time_to_done_p50")):
            gains = [self.gain(figure, of=of) for of in ("predicted", "measured")]
            told = " predicted, ".join(f"{gain:.3g} times" for gain in gains)
            yield f"time to {what}, after against before: shorter by {told} measured"


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def load(
    sides: Mapping[str, Scenario],
    *,
    broker: str = "auto",
    runs: str | Path = "runs",
    overheads: Overheads | None = None,
    budget_s: float = 4.0,
) -> Load:
    """Predict and then measure a door ``before`` and ``after`` (see ``SIDES``), one by one.

    What a door itself takes for a request is measured first, on visitors who come one by one.
    ``budget_s`` is for the model, shared by both. Raises ScenarioError for a side that is missing
    or has no visitors.
    """
    for name in SIDES:
        door = sides[name].front_door if name in sides else None
        if door is None or door.requests is None:
            raise ScenarioError(f"the side {name!r} has no front door with requests to drive")
    return Load(
        {name: _side(sides[name], broker, runs, overheads, budget_s / len(SIDES)) for name in SIDES}
    )


def _side(
    scenario: Scenario, broker: str, runs: str | Path, overheads: Overheads | None, budget_s: float
) -> Side:
    used = Overheads() if overheads is None else overheads
    assert scenario.front_door is not None
    door = scenario.front_door.but(request_s=_request_s(scenario, broker, runs, used))
    to_predict = scenario.but(front_door=door)
    predicted = _predicted(to_predict, used)
    further = tuple(_further(to_predict, used, budget_s))
    with live.start(scenario, broker=broker, runs=runs) as session:
        session.wait()
    return Side(scenario, predicted, further, figures(session.close()), session.folder)


def _request_s(scenario: Scenario, broker: str, runs: str | Path, known: Overheads) -> float:
    """Measure what a door takes for a request beside the work: visitors one by one, short work."""
    door = scenario.front_door
    assert door is not None
    assert door.task is not None
    times_s = tuple(_APART_S * i for i in range(_N_ASKED))
    work = Deterministic(value_s=_WORK_S)
    quiet = scenario.but(
        name=f"{scenario.name}-door",
        tasks=tuple(kind.but(service=work) for kind in scenario.tasks),
        loads=(), beat=(), faults=(), kind="terminating", warmup_s=0.0, deadline_s=None,
        horizon_s=times_s[-1] + _APART_S,
        front_door=door.but(requests=Trace(task=door.task, at_s=times_s)),
    )  # fmt: skip
    with live.start(quiet, broker=broker, runs=runs) as session:
        session.wait()
    beside_s = _WORK_S if door.mode == "sync" else known.publish_s
    return max(0.0, figures(session.close())["time_to_response_p50"] - beside_s)


def _predicted(scenario: Scenario, overheads: Overheads) -> dict[str, float]:
    with model.start(scenario, overheads=overheads) as session:
        session.wait()
    return figures(session.close())


def _further(
    scenario: Scenario, overheads: Overheads, budget_s: float
) -> Iterator[Mapping[str, float]]:
    """Yield what the model says with other draws, for as long as the budget lasts."""
    end = time.monotonic() + budget_s
    for i in range(1, _MOST + 1):
        if i > _FEWEST and time.monotonic() > end:
            return
        yield _predicted(scenario.but(seed=(scenario.seed + _SEED_STEP * i) % 2**63), overheads)
