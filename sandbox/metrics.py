"""Metrics: a run in numbers with units. A new metric is one function here and nothing else.

Times are seconds of the run: seconds that were skipped count in ``worker_recovery_s`` only,
because an hour would drown every wait. In a steady scenario, tasks that were first sent
before the warm-up is over are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sandbox.calls import DependencyUse
from sandbox.collector import collector_paused
from sandbox.definitions import FAMILIES, METRICS, Definition, Metrics, family, metric
from sandbox.errors import one_of
from sandbox.facts import Facts
from sandbox.run import KINDS, Run
from sandbox.scenario import Scenario

__all__ = ["FAMILIES", "METRICS", "READ", "known", "measure"]

READ = frozenset(KINDS) - {"published", "received", "acked", "rejected", "sweep", "sample"}
"""The kinds of events that metrics are made of; a run without the others has the same ones."""


def measure(run: Run) -> Metrics:
    """Return every metric of a run, nan where it is undefined.

    After those that every run has come those of its parts: of each pool where there are more
    than one, of each dependency, of the task type behind its front door.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> measure(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),))).value("stuck")
    1.0
    """
    with collector_paused():
        facts = Facts(run)
        of_parts = [
            family.of(part) for family in FAMILIES.values() for part in family.parts(run.scenario)
        ]
        asked = (*METRICS.values(), *of_parts)
        return Metrics(tuple(definition.measure(facts) for definition in asked))


def known(name: str) -> Definition:
    """Return a metric's definition; ValueError that names the nearest one otherwise.

    >>> known("done").unit, known("calls.db").unit
    ('tasks', 'calls')
    """
    if name in METRICS:
        return METRICS[name]
    first, _, part = name.partition(".")
    if part and first in FAMILIES:
        return FAMILIES[first].of(part)
    allowed = one_of(name, [*METRICS, *(f"{family}.NAME" for family in FAMILIES)])
    raise ValueError(f"metric is {name!r}; allowed: {allowed}")


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


@metric("executions", "level", compared=False)
def attempts_per_task(facts: Facts) -> float:
    """Executions of a task that has begun, on average: retries and redeliveries are among them."""
    return _mean([float(n) for n in Counter(a.task for a in facts.executions).values()])


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
    return facts.queue_depth[1]


@metric("messages", "level", compared=False)
def mean_queue(facts: Facts) -> float:
    """Messages that waited in the broker's queues, averaged over time, first sent to last end."""
    return facts.queue_depth[0]


# --- parts of the scenario ---------------------------------------------------------------


def _pools(scenario: Scenario) -> Sequence[str]:
    return [pool.name for pool in scenario.workers] if len(scenario.workers) > 1 else ()


def _dependencies(scenario: Scenario) -> Sequence[str]:
    return [dependency.name for dependency in scenario.dependencies]


def _behind_the_door(scenario: Scenario) -> Sequence[str]:
    task = None if scenario.front_door is None else scenario.front_door.task
    return () if task is None else (task,)


@family("", "share", _pools)
def pool_utilisation(facts: Facts, pool: str) -> float:
    """Busy slot-seconds of a pool as a share of those of its living workers."""
    begin, end = facts.window_s
    offered = facts.offered_s(begin, end, pool)
    return facts.busy_s(begin, end, pool) / offered if offered > 0 else math.nan


@family("calls", "count", _dependencies)
def calls(facts: Facts, dependency: str) -> float:
    """Calls of a dependency that have ended, however: served, refused, left or abandoned."""
    return facts.dependencies[dependency].calls


@family("s", "time", _dependencies)
def mean_call_wait_s(facts: Facts, dependency: str) -> float:
    """Mean time from a call of a dependency to its begin, of the calls that were begun."""
    return facts.dependencies[dependency].mean_wait_s


@family("", "share", _dependencies)
def dependency_utilisation(facts: Facts, dependency: str) -> float:
    """Busy places of a dependency as a share of all it has, from the first sent to the last end."""
    begin, end = facts.window_s
    use: DependencyUse = facts.dependencies[dependency]
    return use.busy_s / (use.capacity * (end - begin)) if end > begin else math.nan


@family("requests", "count", _behind_the_door, "requests")
def requests(facts: Facts, _: str) -> float:
    """Requests that visitors have made at the front door."""
    return facts.visits.n_requests


@family("requests", "count", _behind_the_door, "requests")
def refused(facts: Facts, _: str) -> float:
    """Requests that the front door has refused, since too many waited."""
    return facts.visits.outcomes["refused"]


@family("requests", "count", _behind_the_door, "requests")
def gave_up(facts: Facts, _: str) -> float:
    """Requests whose visitors have given up before the answer."""
    return facts.visits.outcomes["timed out"]


@family("answers/s", "rate", _behind_the_door)
def answers_per_s(facts: Facts, _: str) -> float:
    """Answers that say done or failed, a second, from the first request to the last answer."""
    return facts.visits.answers_per_s


@family("s", "time", _behind_the_door)
def p50_answer_s(facts: Facts, _: str) -> float:
    """Half of the answers came at most this long after their requests."""
    return facts.visits.latency_s(0.50)


@family("s", "time", _behind_the_door)
def p95_answer_s(facts: Facts, _: str) -> float:
    """95 % of the answers came at most this long after their requests."""
    return facts.visits.latency_s(0.95)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _quantile(values: Sequence[float], q: float) -> float:
    if not values:
        return math.nan
    import numpy as np

    return float(np.quantile(values, q))
