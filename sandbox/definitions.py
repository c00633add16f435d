"""Definitions: what a metric is, and the registry of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from sandbox.facts import Facts
    from sandbox.scenario import Scenario

Kind = Literal["count", "time", "rate", "share", "level"]
"""A level is a number of things at a time, on average."""


@dataclass(frozen=True)
class Metric:
    """One number of a run; ``value`` is nan where the run does not define it.

    >>> Metric("done", 3, "tasks", "count", "tasks that succeeded").value
    3.0
    """

    name: str
    value: float
    unit: str
    kind: Kind
    meaning: str

    def __post_init__(self) -> None:
        """Use one nan object, so that equal metrics compare equal."""
        value = float(self.value)
        object.__setattr__(self, "value", math.nan if math.isnan(value) else value)

    def __reduce__(self) -> tuple[type[Metric], tuple[Any, ...]]:
        """Pickle through the constructor, so that nan stays that one object."""
        return Metric, (self.name, self.value, self.unit, self.kind, self.meaning)


@dataclass(frozen=True)
class Metrics(Mapping[str, Metric]):
    """The metrics of one run by name, in the order of their definition.

    >>> Metrics((Metric("done", 3, "tasks", "count", "tasks that succeeded"),)).value("done")
    3.0
    """

    rows: tuple[Metric, ...]

    @cached_property
    def _by_name(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in self.rows}

    def __getitem__(self, name: str) -> Metric:
        """Return a metric; KeyError when there is none of this name."""
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Return the number of metrics."""
        return len(self.rows)

    def value(self, name: str) -> float:
        """Return the number of a metric, nan when undefined; KeyError for an unknown name."""
        return self._by_name[name].value

    def to_frame(self) -> pd.DataFrame:
        """Return one row a metric: value, unit, kind, meaning."""
        import pandas as pd

        columns = ["value", "unit", "kind", "meaning"]
        rows = [[getattr(metric, column) for column in columns] for metric in self.rows]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(list(self), name="metric"))


@dataclass(frozen=True)
class Definition:
    """How a metric is computed, and the share of it that a prediction may miss.

    ``tolerance`` 0 marks a count that Celery's semantics fix: it must be equal. ``race`` says
    what decides a metric that not even equal draws fix; only its interval can be judged. One
    that is not ``compared`` is judged only where it is asked for: others say the same already.
    ``out_of`` is the metric that bounds a count.
    """

    name: str
    unit: str
    kind: Kind
    meaning: str
    tolerance: float
    compute: Callable[[Facts], float]
    race: str | None = None
    compared: bool = True
    out_of: str = "published"

    def measure(self, facts: Facts) -> Metric:
        """Return the metric of one run."""
        return Metric(self.name, self.compute(facts), self.unit, self.kind, self.meaning)


@dataclass(frozen=True)
class Family:
    """A metric that each of certain parts of a scenario has, named ``family.part``."""

    name: str
    unit: str
    kind: Kind
    meaning: str
    parts: Callable[[Scenario], Sequence[str]]
    compute: Callable[[Facts, str], float]
    out_of: str = "published"

    def of(self, part: str) -> Definition:
        """Return the metric of one part."""
        compute: Callable[[Facts], float] = partial(_of_part, self.compute, part)
        name, share = f"{self.name}.{part}", _TOLERANCE[self.kind]
        out_of = self.out_of if self.out_of in METRICS else f"{self.out_of}.{part}"
        return Definition(
            name, self.unit, self.kind, self.meaning, share, compute, None, False, out_of
        )


def _of_part(compute: Callable[[Facts, str], float], part: str, facts: Facts) -> float:
    return compute(facts, part)


METRICS: dict[str, Definition] = {}
"""Every metric by name, in the order in which they are shown."""

FAMILIES: dict[str, Family] = {}
"""Every family by name; which parts a scenario has, it knows itself."""

_TOLERANCE: Mapping[Kind, float] = {
    "count": 0.0,
    "time": 0.10,
    "rate": 0.05,
    "share": 0.05,
    "level": 0.15,
}
_Function = Callable[["Facts"], float]
_OfPart = Callable[["Facts", str], float]


def metric(
    unit: str,
    kind: Kind,
    tolerance: float | None = None,
    *,
    race: str | None = None,
    compared: bool = True,
) -> Callable[[_Function], _Function]:
    """Register a function as a metric: its name is the metric's, its docstring the meaning.

    Raises ImportError for a name that is taken or a function without a meaning.
    """

    def register(function: _Function) -> _Function:
        name, meaning = function.__name__, function.__doc__ or ""
        if name in METRICS or not meaning:
            raise ImportError(f"the metric {name} is defined twice or has no docstring")
        share = _TOLERANCE[kind] if tolerance is None else tolerance
        METRICS[name] = Definition(name, unit, kind, meaning, share, function, race, compared)
        return function

    return register


def family(
    unit: str, kind: Kind, parts: Callable[[Scenario], Sequence[str]], out_of: str = "published"
) -> Callable[[_OfPart], _OfPart]:
    """Register a function of the facts and a part's name as a family of metrics.

    ``parts`` tells which parts of a scenario have one. Raises ImportError as ``metric`` does.
    """

    def register(function: _OfPart) -> _OfPart:
        name, meaning = function.__name__, function.__doc__ or ""
        if name in FAMILIES or not meaning:
            raise ImportError(f"the family {name} is defined twice or has no docstring")
        FAMILIES[name] = Family(name, unit, kind, meaning, parts, function, out_of)
        return function

    return register
