"""The table of ratios: one row for two things that were measured in turns in one run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

HEAD = "| what | first | second | ratio (95 %) | wanted | rounds |\n|---|---|---|---|---|---|"


class Row(NamedTuple):
    """Two series in ``unit``, one value of each a round, taken one after the other.

    ``wanted`` is the goal in words; ``what`` names the first and the second thing.
    """

    what: str
    first: Sequence[float]
    second: Sequence[float]
    unit: str
    wanted: str = ""

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round: what the machine did meanwhile is in both its values."""
        return [a / b for a, b in zip(self.first, self.second, strict=True)]

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the median ratio (bootstrap, percentile).

        What was counted once, since it does not vary, is its own interval.
        """
        if len(self.ratios) == 1:
            return self.ratios[0], self.ratios[0]
        found = stats.bootstrap(
            (self.ratios,), np.median, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        return float(found.low), float(found.high)

    def line(self) -> str:
        """Return the row as a line of Markdown."""
        low, high = self.interval()
        first, second = statistics.median(self.first), statistics.median(self.second)
        ratio = statistics.median(self.ratios)
        return (
            f"| {self.what} | {_figure(first)} {self.unit} | {_figure(second)} {self.unit} "
            f"| {ratio:.2f} ({low:.2f} … {high:.2f}) | {self.wanted} | {len(self.first)} |"
        )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
