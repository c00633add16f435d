"""Prediction: what the model says of a scenario before the real workers run it."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.definitions import Metrics
from sandbox.errors import one_of
from sandbox.metrics import METRICS, known
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
"""The chance that all rows of one further run lie in their intervals, if the model is right."""


@dataclass(frozen=True, repr=False)
class Prediction:
    """The model's runs of one scenario, as metrics.

    ``paired`` has the scenario's own draws, ``replications`` other seeds. ``wrong`` holds the
    paired run of models that are wrong on purpose, by name, and ``rejects`` the metrics that
    must tell each apart. ``sensitivity`` holds the paired run with every overhead at one end
    of its own interval: all cheap, all costly. ``paired`` is None for a run with other draws.

    Raises ValueError for ``rejects`` that name no wrong model or no metric.
    """

    scenario: Scenario
    overheads: Overheads
    paired: Metrics | None
    replications: tuple[Metrics, ...] = ()
    wrong: Mapping[str, Metrics] = field(default_factory=dict)
    rejects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sensitivity: tuple[Metrics, ...] = ()

    def __post_init__(self) -> None:
        """Check the names in ``rejects``."""
        for model, names in self.rejects.items():
            if model not in self.wrong:
                raise ValueError(f"rejects has {model!r}; allowed: {one_of(model, self.wrong)}")
            for name in names:
                known(name)

    def __repr__(self) -> str:
        """Say what was predicted, from how many replications, with which calibration."""
        return (
            f"<Prediction of {self.scenario.name!r}: {len(self.replications)} replications, "
            f"overheads: {self.overheads.source}>"
        )

    def _repr_html_(self) -> str:
        """Show the table under the same words in a notebook."""
        table: str = self.to_frame().to_html(float_format="{:.4g}".format)
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{table}"

    def values(self, name: str) -> list[float]:
        """Return a metric of each replication that defines it; ValueError for no metric."""
        known(name)
        found = [metrics.value(name) for metrics in self.replications if name in metrics]
        return [value for value in found if not math.isnan(value)]

    def mean(self, name: str) -> float:
        """Return the mean of a metric over the replications, nan without one."""
        values = self.values(name)
        return statistics.fmean(values) if values else math.nan

    def half_width(self, name: str, rows: int = 1) -> float:
        """Return the half-width of the prediction interval for one further run.

        Joint over ``rows`` metrics (Bonferroni), in the metric's unit; nan below two
        replications. The draws vary and the calibration may be off, independently, hence the
        root of squares.
        """
        chance = 1 - (1 - LEVEL) / rows
        # The overheads' own intervals are of LEVEL; a joint one asks for more of them, too.
        normal = statistics.NormalDist()
        stretch = normal.inv_cdf((1 + chance) / 2) / normal.inv_cdf((1 + LEVEL) / 2)
        return math.hypot(self._draws_half_width(name, chance), stretch * self.spread(name))

    def _draws_half_width(self, name: str, chance: float) -> float:
        """Return how far one further run's draws may carry it from the mean.

        A count has at least the spread of its binomial or Poisson law; one that was 0 in
        every replication, or all of what it is out of, has its Clopper-Pearson bound.
        """
        values = self.values(name)
        if len(values) < 2:
            return math.nan
        definition = known(name)
        if definition.kind == "count" and name != definition.out_of:
            return _count_half_width(values, self.mean(definition.out_of), chance)
        return prediction_half_width(values, chance)

    def interval(self, name: str, rows: int = 1) -> tuple[float, float]:
        """Return the prediction interval for one further run; nothing is below 0."""
        mean, half = self.mean(name), self.half_width(name, rows)
        return (max(0.0, mean - half) if not math.isnan(half) else math.nan), mean + half

    def spread(self, name: str) -> float:
        """Return how far the calibration's uncertainty moves a metric, at most; 0 if unknown."""
        found = [metrics.value(name) for metrics in self.sensitivity if name in metrics]
        if self.paired is not None:
            found.append(self.paired.value(name))
        found = [value for value in found if not math.isnan(value)]
        if not self.sensitivity or not found:
            return 0.0
        if self.paired is None or math.isnan(self.paired.value(name)):
            return (max(found) - min(found)) / 2
        return max(abs(value - self.paired.value(name)) for value in found)

    def to_frame(self, rows: Sequence[str] | None = None) -> pd.DataFrame:
        """Return mean and joint 95 % prediction interval of each metric that is defined.

        Columns: mean, low, high, unit, half_width_relative (inf for a mean of 0), n. Their
        heading tells which calibration was used, and how old it is.
        """
        import pandas as pd

        names = [name for name in (self._names if rows is None else rows) if self.values(name)]
        heads = ["mean", "low", "high", "unit", "half_width_relative", "n"]
        columns = pd.Index(heads, name=self.overheads.source)
        table = [self._row(name, len(names)) for name in names]
        return pd.DataFrame(table, columns=columns, index=pd.Index(names, name="metric"))

    @property
    def _names(self) -> Sequence[str]:
        """All there are: every metric, and those of the scenario's parts."""
        return list(self.replications[0]) if self.replications else list(METRICS)

    def _row(self, name: str, rows: int) -> list[object]:
        mean, half = self.mean(name), self.half_width(name, rows)
        share = half / abs(mean) if mean else (math.inf if half else 0.0)
        return [mean, *self.interval(name, rows), known(name).unit, share, len(self.values(name))]


def prediction_half_width(values: Sequence[float], chance: float = LEVEL) -> float:
    """Return t·s·√(1 + 1/n): how far one further value may lie from the mean of these n.

    For two or more values that are about normal; ``chance`` is the chance that it lies within.

    >>> round(prediction_half_width([9.0, 10.0, 11.0]), 3)
    4.968
    """
    return _t(chance, len(values)) * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))


def _count_half_width(values: Sequence[float], tasks: float, chance: float) -> float:
    """Return the half-width for a count out of about ``tasks`` published tasks."""
    mean, n = statistics.fmean(values), len(values)
    share = mean / tasks if tasks > 0 else math.inf
    law = math.sqrt(mean * (1 - share)) if share <= 1 else math.sqrt(mean)
    spread = max(statistics.stdev(values), law)
    if spread == 0:
        return zero_bound(n * tasks, chance) * tasks
    return _t(chance, n) * spread * math.sqrt(1 + 1 / n)


def zero_bound(trials: float, chance: float = LEVEL) -> float:
    """Return the Clopper-Pearson upper bound of a probability that showed 0 times in ``trials``.

    1 - (1 - chance)^(1/trials), about 3/trials; 1 without trials.

    >>> round(zero_bound(100), 4)
    0.0295
    """
    return -math.expm1(math.log1p(-chance) / trials) if trials > 0 else 1.0


def _t(chance: float, n: int) -> float:
    """Return the two-sided quantile of Student's t for ``n`` values."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + chance) / 2))
