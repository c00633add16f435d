"""Metrics: a run in numbers with units. A new metric is one function here and nothing else.

Times are seconds of the run: seconds that were skipped count in ``worker_recovery_s`` only,
because an hour would drown every wait. In a steady scenario, tasks that were first sent
before the warm-up is over are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from sandbox.collector import collector_paused
from sandbox.errors import one_of
from sandbox.facts import Facts
from sandbox.little import littles_law
from sandbox.run import KINDS, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "METRICS",
    "Definition",
    "Metric",
    "Metrics",
    "known",
    "littles_law",
    "measure",
    "metric",
]

Kind = Literal["count", "time", "rate", "share"]


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
    what decides a metric that not even equal draws fix; only its interval can be judged.
    """

    name: str
    unit: str
    kind: Kind
    meaning: str
    tolerance: float
    compute: Callable[[Facts], float]
    race: str | None = None

    def measure(self, facts: Facts) -> Metric:
        """Return the metric of one run."""
        return Metric(self.name, self.compute(facts), self.unit, self.kind, self.meaning)


METRICS: dict[str, Definition] = {}
"""Every metric by name, in the order in which they are shown."""

READ = frozenset(KINDS) - {"published", "received", "acked", "rejected", "sweep", "sample"}
"""The kinds of events that metrics are made of; a run without the others has the same ones."""

_TOLERANCE: Mapping[Kind, float] = {"count": 0.0, "time": 0.10, "rate": 0.05, "share": 0.05}
_Function = Callable[[Facts], float]


def metric(
    unit: str, kind: Kind, tolerance: float | None = None, *, race: str | None = None
) -> Callable[[_Function], _Function]:
    """Register a function as a metric: its name is the metric's, its docstring the meaning.

    Raises ImportError for a name that is taken or a function without a meaning.
    """

    def register(function: _Function) -> _Function:
        name, meaning = function.__name__, function.__doc__ or ""
        if name in METRICS or not meaning:
            raise ImportError(f"the metric {name} is defined twice or has no docstring")
        share = _TOLERANCE[kind] if tolerance is None else tolerance
        METRICS[name] = Definition(name, unit, kind, meaning, share, function, race)
        return function

    return register


def measure(run: Run) -> Metrics:
    """Return every metric of a run, nan where it is undefined.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> measure(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),))).value("stuck")
    1.0
    """
    with collector_paused():
        facts = Facts(run)
        return Metrics(tuple(definition.measure(facts) for definition in METRICS.values()))


def known(name: str) -> Definition:
    """Return a metric's definition; ValueError that names the nearest one otherwise.

    >>> known("done").unit
    'tasks'
    """
    if name not in METRICS:
        raise ValueError(f"metric is {name!r}; allowed: {one_of(name, METRICS)}")
    return METRICS[name]


# --- tasks -------------------------------------------------------------------------------


@metric("tasks", "count")
def published(facts: Facts) -> float:
    """Tasks that a client has sent, whether or not the broker is known to have taken them."""
    return sum(journey.first_sent_s is not None for journey in facts.tasks.values())


@metric("tasks", "count")
def done(facts: Facts) -> float:
    """Tasks that succeeded at least once."""
    return facts.verdicts["done once"] + facts.verdicts["done more than once"]


@metric("tasks", "count")
def failed(facts: Facts) -> float:
    """Tasks that ended without success, for good."""
    return facts.verdicts["failed"]


@metric("tasks", "count")
def revoked(facts: Facts) -> float:
    """Tasks that a worker dropped because they had expired."""
    return facts.verdicts["revoked"]


@metric("tasks", "count")
def lost(facts: Facts) -> float:
    """Tasks of which nothing is left although they neither succeeded, failed nor expired."""
    return facts.verdicts["lost"]


@metric("tasks", "count")
def stuck(facts: Facts) -> float:
    """Tasks without a result that were still somewhere when the run ended."""
    return facts.verdicts["stuck"]


@metric("executions", "count")
def executions(facts: Facts) -> float:
    """Times that a process began a task's body."""
    return len(facts.executions)


@metric("deliveries", "count")
def redelivered(facts: Facts) -> float:
    """Deliveries of a message beyond its first: it had been restored or requeued."""
    return len(facts.attempts) - len({(a.task, a.tag) for a in facts.attempts})


@metric("tasks", "count")
def ran_twice(facts: Facts) -> float:
    """Tasks whose body began twice or more without a retry having been the reason."""
    begun = Counter((a.task, a.retry or 0) for a in facts.executions)
    return len({task for (task, _), n in begun.items() if n > 1})


@metric("tasks", "count")
def duplicated(facts: Facts) -> float:
    """Tasks that succeeded twice or more."""
    return facts.verdicts["done more than once"]


@metric("retries", "count")
def retried(facts: Facts) -> float:
    """Attempts that failed and published a retry."""
    return sum(journey.n_retried for journey in facts.tasks.values())


# --- speed -------------------------------------------------------------------------------


@metric("tasks/s", "rate")
def throughput_per_s(facts: Facts) -> float:
    """Tasks done a second, from the first sent to the last end."""
    span = facts.last_end_s - facts.first_sent_s
    return done(facts) / span if span > 0 else math.nan


@metric("s", "time", tolerance=0.05)
def makespan_s(facts: Facts) -> float:
    """Run time from the first task sent to the last end; skipped seconds do not count."""
    return facts.last_end_s - facts.first_sent_s


@metric("s", "time")
def mean_wait_s(facts: Facts) -> float:
    """Mean run time from first sent to first started; skipped seconds do not count."""
    return _mean(facts.waits_s)


@metric("s", "time")
def mean_latency_s(facts: Facts) -> float:
    """Mean run time from first sent to finished; skipped seconds do not count."""
    return _mean(facts.latencies_s)


@metric("s", "time", tolerance=0.15)
def p50_latency_s(facts: Facts) -> float:
    """Half of the finished tasks took at most this run time from first sent to finished."""
    return _quantile(facts.latencies_s, 0.50)


@metric("s", "time", tolerance=0.15)
def p95_latency_s(facts: Facts) -> float:
    """95 % of the finished tasks took at most this run time from first sent to finished."""
    return _quantile(facts.latencies_s, 0.95)


@metric("s", "time", tolerance=0.15)
def p99_latency_s(facts: Facts) -> float:
    """99 % of the finished tasks took at most this run time from first sent to finished."""
    return _quantile(facts.latencies_s, 0.99)


@metric("s", "time")
def mean_service_s(facts: Facts) -> float:
    """Mean time from started to ended of the executions that came to their own end."""
    return _mean(facts.service_s)


@metric("", "share")
def utilisation(facts: Facts) -> float:
    """Busy slot-seconds as a share of those of all living workers, first sent to last end."""
    begin, end = facts.window_s
    offered = facts.offered_s(begin, end)
    return facts.busy_s(begin, end) / offered if offered > 0 else math.nan


# --- faults ------------------------------------------------------------------------------


@metric("s", "time", race="whether the dead child is noticed at once or at the next 5 s tick")
def child_recovery_s(facts: Facts) -> float:
    """Longest run time from a child's kill to the next start of the task it was running."""
    return max(facts.child_recoveries_s, default=math.nan)


@metric("s", "time")
def worker_recovery_s(facts: Facts) -> float:
    """Longest time from a worker's death by a signal to the last re-start of what it held.

    In scenario time: skipped seconds count, because the visibility timeout is what is waited
    for. Tasks that never start again do not count here; the audit names them.
    """
    return max(facts.worker_recoveries_s, default=math.nan)


@metric("messages", "count", tolerance=0.15)
def max_queue(facts: Facts) -> float:
    """Most messages that waited in the broker's queues at once, those sent this moment too."""
    return facts.max_queue


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _quantile(values: Sequence[float], q: float) -> float:
    if not values:
        return math.nan
    import numpy as np

    return float(np.quantile(values, q))
