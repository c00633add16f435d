"""Estimates: what theory, or a short run of the model, says at once, and more runs say later.

The first answer has to be quick however large the scenario is: a closed form where its
conditions hold, else a run that ends when its time on the wall is over, else the fluid view.
Each says which it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.capacity.offered import offered
from sandbox.capacity.paths import Point
from sandbox.capacity.processes import SEED_STEP
from sandbox.capacity.result import Outcome
from sandbox.capacity.study import Place
from sandbox.definitions import Metrics
from sandbox.engines.model import start
from sandbox.metrics import READ, known, measure
from sandbox.overheads import Overheads
from sandbox.pictures.curves import steps
from sandbox.prediction import prediction_half_width
from sandbox.run import Run
from sandbox.scenario import Scenario

METRICS = (
    "throughput_per_s", "utilisation", "mean_wait_s", "p95_latency_s", "done", "failed", "lost",
    "ran_twice",
)  # fmt: skip
"""What the sliders show."""
STAGES = (3, 5, 10, 20, 40)
"""After so many runs in all, the figures are shown anew."""
SHORT_S = 0.025
"""A first run may take so long on the wall; to measure it takes as long again."""
_MOST_TASKS = 10_000
"""Of more tasks the schedule alone takes longer than a first answer may."""
_POINTS = 240
_CHUNKS = 400
_CHANCE = 0.95

Stop = Callable[[], bool]


@dataclass
class Study:
    """One configuration and its runs so far; run 0 has the scenario's own draws."""

    scenario: Scenario
    overheads: Overheads
    runs: list[Metrics] = field(default_factory=list)
    depth: list[list[float]] = field(default_factory=list)
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        found = offered(self.scenario, self.overheads)
        self.place = Place(Point((), self.scenario), found, self.overheads, self.runs)

    # --- at once ---------------------------------------------------------------------

    def first(self) -> dict[str, Any]:
        """Return figures within a tenth of a second, labelled with where they come from."""
        if self.runs:
            return self.figures()
        outcome = self.place.outcome()
        form = outcome.closed_form
        if form.queue:
            return self._told(f"first estimate, {form.note()}", dict(form.exact))
        n = sum(one.expected_n(self.scenario.horizon_s)
                for one in (*self.scenario.loads, *self.scenario.beat))  # fmt: skip
        return self._fluid() if n > _MOST_TASKS else self._short()

    def _fluid(self) -> dict[str, Any]:
        found = self.place.offered
        values = {"utilisation": min(1.0, found.utilisation)}
        if self.place.offered.stable:
            values["throughput_per_s"] = sum(found.rates_per_s.values())
        return self._told("first estimate, fluid: rates only, nothing was run", values)

    def _short(self) -> dict[str, Any]:
        began = time.monotonic()
        run, ended_s = _run(self.scenario, self.overheads, 0,
                            lambda: time.monotonic() - began > SHORT_S)  # fmt: skip
        metrics = measure(run)
        self.depth = depth(run)
        if ended_s is None:
            self.runs.append(metrics)
            return self._told("first estimate, one run of the model", _values(metrics))
        whole = self.scenario.horizon_s
        label = f"first estimate, a short run: the first {ended_s:.3g} of {whole:g} s"
        return self._told(label, _values(metrics))

    # --- then ------------------------------------------------------------------------

    def more(self, stop: Stop) -> bool:
        """Run once more; False when ``stop`` ended the run before its time, which is then lost."""
        number = len(self.runs)
        run, ended_s = _run(self.scenario, self.overheads, number, stop)
        if ended_s is not None:
            return False
        self.runs.append(measure(run))
        if number == 0:
            self.depth = depth(run)
        return True

    def figures(self) -> dict[str, Any]:
        """Return the means of all runs so far, with their 95 % intervals."""
        outcome = self.place.outcome()
        values = {name: _plain(outcome.cell(name).mean) for name in METRICS}
        told = self._told(f"refined, {_count(len(self.runs))}", values, outcome)
        if len(self.runs) > 1:
            told["bands"] = {name: _band(outcome, name) for name in METRICS}
        return told

    def _told(
        self, label: str, values: dict[str, Any], outcome: Outcome | None = None
    ) -> dict[str, Any]:
        note = (outcome or self.place.outcome()).note
        return {
            "label": label, "n": len(self.runs), "note": note, "bands": {}, "depth": self.depth,
            "values": {name: _plain(values.get(name, math.nan)) for name in METRICS},
        }  # fmt: skip


def differences(now: Study, pinned: Study) -> dict[str, list[float | None]]:
    """Return for each metric now − pinned, on the same draws: the mean, and its 95 % interval.

    Run n of both has the same seed, so that they differ by what was changed, not by luck.
    """
    n = min(len(now.runs), len(pinned.runs))
    found: dict[str, list[float | None]] = {}
    for name in METRICS:
        pairs = zip(now.runs[:n], pinned.runs[:n], strict=True)
        gaps = [a.value(name) - b.value(name) for a, b in pairs]
        gaps = [gap for gap in gaps if not math.isnan(gap)]
        if not gaps:
            continue
        mean, half = math.fsum(gaps) / len(gaps), math.nan
        if len(gaps) > 1:
            half = prediction_half_width(gaps, _CHANCE) / math.sqrt(len(gaps) + 1)
        found[name] = [_plain(mean), _plain(mean - half), _plain(mean + half)]
    return found


def rows() -> list[dict[str, str]]:
    """Return name, unit and meaning of what is shown, for the page."""
    return [{"name": name, "unit": known(name).unit, "meaning": known(name).meaning}
            for name in METRICS]  # fmt: skip


def _run(
    scenario: Scenario, overheads: Overheads, number: int, stop: Stop
) -> tuple[Run, float | None]:
    """Run a replication; return it, and where ``stop`` cut it short (s), None if it did not."""
    seed = (scenario.seed + SEED_STEP * number) % 2**63
    kinds = READ | {"sent", "delivered"}
    session = start(scenario.but(seed=seed), overheads=overheads, kinds=kinds)
    step_s, cut_s = scenario.horizon_s / _CHUNKS, None
    while session.wait(step_s) == "timeout":
        if stop():
            cut_s = session.now_s
            break
    return session.close(), cut_s


def depth(run: Run) -> list[list[float]]:
    """Return [t in s, messages in the queues] over a run, at most a few hundred points.

    >>> from sandbox.run import Event
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> depth(Run(one, (Event(0.5, "sent", "hi/0", queue="celery"),)))
    [[0.0, 0], [0.5, 1]]
    """
    curve = steps(run)["queued"]
    if len(curve) <= _POINTS:
        return [[round(t_s, 3), n] for t_s, n in curve]
    size = -(-len(curve) // _POINTS)
    # The highest of each stretch: a picture must not hide a peak.
    peaks = (max(curve[i : i + size], key=lambda point: point[1])
             for i in range(0, len(curve), size))  # fmt: skip
    return [[round(t_s, 3), n] for t_s, n in peaks]


def _values(metrics: Metrics) -> dict[str, float]:
    return {name: metrics.value(name) for name in METRICS}


def _band(outcome: Outcome, name: str) -> list[float | None]:
    cell = outcome.cell(name)
    return [_plain(cell.low), _plain(cell.high)]


def _plain(value: float | None) -> float | None:
    """Return a number that JSON has: none for nan."""
    return None if value is None or math.isnan(value) else float(f"{value:.5g}")


def _count(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"
