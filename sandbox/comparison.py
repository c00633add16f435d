"""Comparison: the verdicts of `compare`, and how they are shown."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["agree", "differ", "unknown"]

_WIDTH = 100
_HEAD = ("metric", "unit", "measured", "predicted", "±", "one further run", "verdict")


@dataclass(frozen=True)
class Row:
    """One metric, judged. ``low`` and ``high`` bound one further run; nan where undefined."""

    name: str
    unit: str
    measured: float
    paired: float
    tolerance: float
    low: float
    high: float
    paired_verdict: Verdict
    interval_verdict: Verdict
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Comparison:
    """The rows of one comparison, and which of the ``wrong`` models they reject.

    >>> Comparison("hello", rows=()).verdict
    'unknown'
    """

    scenario: str
    rows: tuple[Row, ...]
    wrong: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """``differ`` if a row differs; ``agree`` if all agree and every wrong model is rejected."""
        verdicts = {row.verdict for row in self.rows}
        if "differ" in verdicts:
            return "differ"
        return "agree" if verdicts == {"agree"} and not self.not_rejected else "unknown"

    @property
    def not_rejected(self) -> tuple[str, ...]:
        """The wrong models that would have passed as well: the comparison is too blunt."""
        return tuple(model for model in self.wrong if model not in self.rejected)

    @property
    def unknown_share(self) -> float:
        """The share of the rows that are unknown; nan without rows."""
        if not self.rows:
            return math.nan
        return sum(row.verdict == "unknown" for row in self.rows) / len(self.rows)

    def __getitem__(self, name: str) -> Row:
        """Return a row by its metric; KeyError when it was not compared."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a metric, with all that `Row` holds."""
        import pandas as pd

        columns = [name for name in Row.__dataclass_fields__ if name != "name"]
        table = [[getattr(row, column) for column in columns] for row in self.rows]
        index = pd.Index([row.name for row in self.rows], name="metric")
        return pd.DataFrame(table, columns=columns, index=index)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data; a number that is not finite becomes None."""
        return {
            "scenario": self.scenario,
            "verdict": self.verdict,
            "unknown_share": _plain(self.unknown_share),
            "rows": [{k: _plain(v) for k, v in asdict(row).items()} for row in self.rows],
            "wrong": list(self.wrong),
            "not_rejected": list(self.not_rejected),
        }

    def summary(self) -> str:
        """Return a plain text table, at most 100 columns wide, and the reasons below it."""
        table = [_HEAD, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
        lines = [f"{self.scenario}: {self.verdict}"]
        lines += [_aligned(line, widths) for line in table]
        for row in self.rows:
            if row.verdict != "agree" or row.interval_verdict == "differ":
                lines += _wrapped(f"{row.name}: {row.verdict}: {row.why}")
        for model in self.wrong:
            told = "not rejected by any row" if model in self.not_rejected else "rejected"
            lines += _wrapped(f"wrong model {model!r}: {told}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary()


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cells(row: Row) -> tuple[str, ...]:
    interval = "-" if math.isnan(row.low) else f"{shown(row.low)} … {shown(row.high)}"
    numbers = (shown(row.measured), shown(row.paired), shown(row.tolerance))
    return (row.name, row.unit, *numbers, interval, row.verdict)


def shown(value: float) -> str:
    """Write a number for a reader: four digits, a dash for nan.

    >>> shown(0.123456), shown(math.nan)
    ('0.1235', '-')
    """
    return "-" if math.isnan(value) else f"{value:.4g}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Pad words on the right, numbers on the left."""
    words = (0, 1, len(cells) - 1)
    pairs = enumerate(zip(cells, widths, strict=True))
    return "  ".join(c.ljust(w) if i in words else c.rjust(w) for i, (c, w) in pairs).rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="      ")
