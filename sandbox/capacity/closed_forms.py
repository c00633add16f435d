"""Closed forms: what queueing theory says of a point that is one of its queues, exactly.

Only for the scenario that is the queue: one task type with Poisson arrivals in a steady state,
one pool that takes a message when a slot is free (late ack, prefetch 1), nothing that fails,
expires or is limited. Celery's overheads are in no closed form: where they are more than a
twentieth of the service, there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.capacity.offered import slot_s
from sandbox.draws import Deterministic, Exponential
from sandbox.loads import Poisson
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario, TaskType, WorkerPool
from sandbox.theory import mdc, mg1, mmc

_MOST_OVERHEAD = 0.05


@dataclass(frozen=True)
class ClosedForm:
    """The exact values of some metrics, by name, and which queue they are of."""

    queue: str = ""
    exact: Mapping[str, float] = field(default_factory=dict)
    overhead: float = 0.0

    def note(self) -> str:
        """Name the queue and what the closed form leaves out; nothing without one."""
        if not self.queue:
            return ""
        left_out = f", ignores Celery's overheads ({self.overhead:.1%} of the service)"
        return f"theory: {self.queue}{left_out if self.overhead else ''}"


def closed_form(scenario: Scenario, overheads: Overheads) -> ClosedForm:
    """Return the closed form of a scenario, an empty one where none applies.

    >>> queue = Scenario(name="q", kind="steady", horizon_s=100.0, tasks=[{"name": "t",
    ...     "service": {"kind": "exponential", "mean_s": 1.0}, "acks_late": True}],
    ...     workers=[{"concurrency": 8, "prefetch_multiplier": 1}],
    ...     loads=[{"kind": "poisson", "task": "t", "rate_per_s": 7.2}])
    >>> found = closed_form(queue, Overheads().scaled(0.0))
    >>> found.queue, round(found.exact["mean_wait_s"], 4)
    ('M/M/8', 0.8769)
    """
    rate, task, pool = _one_queue(scenario)
    if task is None or pool is None:
        return ClosedForm()
    service_s, n = task.service.mean_s, pool.n_workers * pool.concurrency
    if service_s == 0 or rate * service_s >= n:
        return ClosedForm()
    overhead = slot_s(task, pool, overheads) / service_s - 1
    if overhead > _MOST_OVERHEAD:
        return ClosedForm()
    wait = _mean_wait(task, rate, n)
    if wait is None:
        return ClosedForm()
    queue, wait_s = wait
    values = {
        "throughput_per_s": rate,
        "utilisation": rate * service_s / n,
        "mean_wait_s": wait_s,
        "mean_service_s": service_s,
        "mean_latency_s": wait_s + service_s,
    }
    return ClosedForm(queue, values, overhead)


def _mean_wait(task: TaskType, rate: float, n: int) -> tuple[str, float] | None:
    service = task.service
    if isinstance(service, Exponential):
        return f"M/M/{n}", mmc(rate, service.mean_s, n).mean_wait_s
    if isinstance(service, Deterministic):
        return f"M/D/{n}", mdc(rate, service.mean_s, n)
    return ("M/G/1", mg1(rate, service.mean_s, service.cv)) if n == 1 else None


def _one_queue(scenario: Scenario) -> tuple[float, TaskType | None, WorkerPool | None]:
    """Return rate, type and pool of the scenario's one queue; no type where it is not one."""
    loads = [load for load in scenario.loads if isinstance(load, Poisson)]
    types = {load.task for load in loads}
    plain = (
        scenario.kind == "steady"
        and len(loads) == len(scenario.loads)
        and len(types) == len(scenario.workers) == 1
        and not scenario.beat
        and not scenario.faults
        and all(load.stop_s is None and load.start_s == 0 for load in loads)
    )
    if not plain:
        return 0.0, None, None
    task, pool = scenario.task(types.pop()), scenario.workers[0]
    fits = task.queue in pool.queues and pool.prefetch_multiplier == 1
    if not fits or not _is_plain(task) or pool.max_tasks_per_child is not None or pool.autoscale:
        return 0.0, None, None
    return sum(load.rate_per_s for load in loads), task, pool


def _is_plain(task: TaskType) -> bool:
    limits = (task.rate_limit, task.soft_time_limit_s, task.time_limit_s, task.expires_s)
    return (
        task.acks_late
        and task.work == "wait"
        and not task.p_failure
        and task.calls is None
        and task.waits_for is None
        and not task.countdown_s
        and all(limit is None for limit in limits)
    )
