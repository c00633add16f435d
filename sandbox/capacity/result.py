"""The result of a what-if: a table with intervals and units, and an answer if one was asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.capacity.closed_forms import ClosedForm
from sandbox.capacity.goal import Answer
from sandbox.capacity.offered import Offered
from sandbox.capacity.paths import told
from sandbox.errors import ScenarioError, one_of
from sandbox.metrics import known
from sandbox.prediction import Prediction
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "metric", "mean", "low", "high", "low_run", "high_run", "unit", "n", "stable", "theory", "note",
)  # fmt: skip
_SHOWN_LOAD = 0.005


@dataclass(frozen=True)
class Cell:
    """A metric at a point, in its unit, with 95 % intervals.

    ``low`` … ``high`` is that of the mean over all runs, ``low_run`` … ``high_run`` that of one
    further run; ``n`` counts the runs that define the metric.
    """

    mean: float
    low: float
    high: float
    low_run: float
    high_run: float
    n: int


@dataclass(frozen=True)
class Outcome:
    """What the model says of one point; ``prediction`` is None where no mean exists."""

    settings: tuple[Any, ...]
    scenario: Scenario
    offered: Offered
    closed_form: ClosedForm
    prediction: Prediction | None

    @property
    def n(self) -> int:
        """The number of runs of the model."""
        return len(self.prediction.replications) if self.prediction else 0

    def cell(self, name: str, rows: int = 1) -> Cell:
        """Return a metric with its intervals, joint over ``rows`` of them; nan where undefined.

        ValueError for a name that is no metric.
        """
        if self.prediction is None:
            return Cell(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
        found = self.prediction.values(name)
        mean, run = self.prediction.mean(name), self.prediction.half_width(name, rows)
        # A further run spreads √(n + 1) times as far as the mean of n; a count that never varied
        # has a bound, which holds for the mean too.
        constant = known(name).kind == "count" and len(set(found)) == 1
        half = run if constant else run / math.sqrt(len(found) + 1)
        lows = [max(0.0, mean - width) if width == width else math.nan for width in (half, run)]  # noqa: PLR0124 - nan
        return Cell(mean, lows[0], mean + half, lows[1], mean + run, len(found))

    @property
    def note(self) -> str:
        """What a reader must know: unstable, good for this horizon only, which closed form."""
        unstable, ends = self.offered.note(), ""
        if unstable and self.prediction is not None:
            ends = f"figures hold for its horizon of {self.scenario.horizon_s:g} s only"
        return "; ".join(part for part in (unstable, ends, self.closed_form.note()) if part)


@dataclass(frozen=True, repr=False)
class WhatIf:
    """A grid of predictions: ``to_frame()`` for all of it, ``print`` for the short of it.

    ``stopped`` says what ended the runs: ``replications`` (their number was given), ``precision``
    (or the goal was decided), ``most`` (no more than this many runs a point) or ``budget``.
    """

    scenario: Scenario
    paths: tuple[str, ...]
    metrics: tuple[str, ...]
    points: tuple[Outcome, ...]
    stopped: str
    answer: Answer | None = None

    def at(self, *values: Any) -> Outcome:
        """Return the point with these values, one a path; ScenarioError names those there are."""
        for point in self.points:
            if point.settings == values:
                return point
        there = (told(self.paths, point.settings) for point in self.points)
        raise ScenarioError(f"no point has {told(self.paths, values)}; allowed: "
                            f"{one_of(told(self.paths, values), there)}")  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each point and metric.

        Columns: each path, metric, mean, low, high (95 % interval of the mean), low_run,
        high_run (of one further run), unit, n (runs), stable, theory (closed form), note.
        ``load of POOL`` is the share of its slots that the lasting load needs, without a run.
        """
        import pandas as pd

        rows = [
            row
            for point in self.points
            for row in (*(self._row(point, name) for name in self.metrics), *_loads(point))
        ]
        return pd.DataFrame(rows, columns=[*self.paths, *COLUMNS])

    def _row(self, point: Outcome, name: str) -> list[Any]:
        cell = point.cell(name)
        theory = point.closed_form.exact.get(name, math.nan)
        numbers = [cell.mean, cell.low, cell.high, cell.low_run, cell.high_run]
        return [
            *point.settings, name, *numbers, known(name).unit, cell.n, point.offered.stable,
            theory, point.note,
        ]  # fmt: skip

    def table(self) -> pd.DataFrame:
        """Return a row a point: its values, the load of each pool, ``mean ± half`` of metrics."""
        import pandas as pd

        short = _short(self.paths)
        pools = self._loaded()
        columns = [
            *short,
            *(f"load of {pool}" for pool in pools),
            *(_titled(name) for name in self.metrics),
            "n",
            "stable",
        ]
        rows = [
            [
                *point.settings,
                *(f"{point.offered.pools.get(pool, 0.0):.2f}" for pool in pools),
                *(_plus_minus(point.cell(name)) for name in self.metrics),
                point.n,
                point.offered.stable,
            ]
            for point in self.points
        ]
        return pd.DataFrame(rows, columns=columns)

    def _loaded(self) -> list[str]:
        """Return the pools that have a lasting load worth a column."""
        names = dict.fromkeys(name for point in self.points for name in point.offered.pools)
        loads = {name: [p.offered.pools.get(name, 0.0) for p in self.points] for name in names}
        return [name for name, found in loads.items() if not max(found) < _SHOWN_LOAD]

    def __repr__(self) -> str:
        """Return the short table, what must be known of its points, and the answer."""
        lines = [f"{self.scenario.name}: {len(self.points)} points, mean ± its 95 % interval"]
        lines += [self.table().to_string(index=False)]
        for point in self.points:
            if point.note:
                lines.append(f"{told(_short(self.paths), point.settings)}: {point.note}")
        if self.answer is not None:
            lines.append(str(self.answer))
        return "\n".join(lines)


def _loads(point: Outcome) -> list[list[Any]]:
    """Return the rows of the pools' loads, which no run is needed for."""
    rest = ["", 0, point.offered.stable, math.nan, point.note]
    nothing = [math.nan] * 4
    return [
        [*point.settings, f"load of {pool}", load, *nothing, *rest]
        for pool, load in point.offered.pools.items()
    ]


def _short(paths: Sequence[str]) -> list[str]:
    """Return the last step of each path where these differ, else the whole paths."""
    ends = [path.rpartition(".")[2] for path in paths]
    return ends if len(set(ends)) == len(ends) else list(paths)


def _titled(name: str) -> str:
    unit = known(name).unit
    return name if not unit or name.endswith(("_s", "_per_s")) else f"{name} [{unit}]"


def _plus_minus(cell: Cell) -> str:
    if math.isnan(cell.mean):
        return "-"
    half = cell.high - cell.mean
    return f"{cell.mean:.4g}" if math.isnan(half) else f"{cell.mean:.4g} ± {half:.2g}"
