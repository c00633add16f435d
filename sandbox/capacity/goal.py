"""Goal: what must hold of a metric, and the smallest value of a field for which it surely does."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.errors import ScenarioError, shown
from sandbox.metrics import known

Verdict = Literal["yes", "no", "unknown"]

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_GOAL = re.compile(r"\s*([\w.@-]+)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*")


def require_metric(name: str) -> None:
    """Raise ScenarioError, with the nearest one, for a name that is no metric."""
    try:
        known(name)
    except ValueError as exc:
        raise ScenarioError(str(exc)) from None


@dataclass(frozen=True)
class Goal:
    """``metric sign limit``, judged on the interval of the metric's mean.

    >>> goal = Goal.read("p95_latency_s < 30")
    >>> goal.judge(12.0, 14.0), goal.judge(29.0, 31.0), goal.judge(30.0, 31.0)
    ('yes', 'unknown', 'no')
    """

    metric: str
    sign: str
    limit: float

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.metric} {self.sign} {self.limit:g}"

    @classmethod
    def read(cls, text: str) -> Goal:
        """Read a goal; ScenarioError says how one is written, or which metrics there are."""
        match = _GOAL.fullmatch(text)
        try:
            metric, sign, limit = match.groups() if match else ("", "", "")
            goal = cls(metric, sign, float(limit))
        except ValueError:
            raise ScenarioError(
                f"until is {shown(text)}; allowed: a metric, one of < <= > >=, and a number, "
                "such as 'p95_latency_s < 30'"
            ) from None
        require_metric(metric)
        return goal

    def judge(self, low: float, high: float) -> Verdict:
        """Say whether it holds for all of an interval, for none of it, or for a part."""
        holds = {_SIGNS[self.sign](end, self.limit) for end in (low, high)}
        if math.isnan(low) or math.isnan(high) or len(holds) == 2:
            return "unknown"
        return "yes" if holds == {True} else "no"


@dataclass(frozen=True)
class Answer:
    """The smallest value that surely meets a goal (None: no value does), and how sure that is.

    ``verdict``: *yes*, ``value`` is the smallest; *unknown*, a smaller one, ``perhaps``, may do
    too (or it alone may); *no*, none of the values does.
    """

    goal: Goal
    path: str
    value: Any
    perhaps: Any
    verdict: Verdict
    note: str = ""

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{self._sentence()}; {self.note}" if self.note else self._sentence()

    def _sentence(self) -> str:
        if self.verdict == "no":
            return f"no value of {self.path} gives {self.goal}, if more of it is never worse"
        if self.value is None:
            return f"{self.path} = {self.perhaps} may give {self.goal}, no value surely does"
        if self.verdict == "unknown":
            return (
                f"{self.path} = {self.value} gives {self.goal}; "
                f"{self.perhaps} may too, its interval has the limit inside"
            )
        return f"{self.path} = {self.value} is the smallest that gives {self.goal}"


def values_in_order(path: str, values: Sequence[Any]) -> list[Any]:
    """Return the values to search, ascending; ScenarioError unless all are numbers."""
    odd = [v for v in values if isinstance(v, bool) or not isinstance(v, int | float)]
    if odd:
        raise ScenarioError(f"until searches {path}, whose value {shown(odd[0])} is no number")
    return sorted(set(values))


def search(goal: Goal, path: str, values: Sequence[Any], judge: Callable[[int], Verdict]) -> Answer:
    """Find the smallest value, of an ascending list, that meets a goal, by bisection.

    ``judge`` says of a value's position whether the goal holds there; it is asked about each
    position at most once, and of the ends in any case. Valid where more is never worse.

    >>> print(search(Goal.read("lost < 1"), "n", [1, 2, 3, 4], lambda i: "no" if i < 2 else "yes"))
    n = 3 is the smallest that gives lost < 1
    """
    seen: dict[int, Verdict] = {}

    def asked(i: int) -> Verdict:
        if i not in seen:
            seen[i] = judge(i)
        return seen[i]

    asked(0)
    sure = _smallest(len(values), lambda i: asked(i) == "yes")
    perhaps = _smallest(len(values), lambda i: asked(i) != "no")
    note = ""
    if any(seen[i] == "yes" and seen[j] == "no" for i in seen for j in seen if j > i):
        note = "a larger value misses the goal, so more is not always better here"
        sure = next((i for i in sorted(seen) if seen[i] == "yes"), sure)
        perhaps = next((i for i in sorted(seen) if seen[i] != "no"), perhaps)
    if perhaps is None:
        return Answer(goal, path, None, None, "no", note)
    verdict: Verdict = "yes" if sure == perhaps else "unknown"
    value = values[sure] if sure is not None else None
    return Answer(goal, path, value, values[perhaps], verdict, note)


def _smallest(n: int, holds: Callable[[int], bool]) -> int | None:
    """Return the first of ``n`` positions where something holds that, once true, stays so."""
    low, high = 0, n - 1
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
