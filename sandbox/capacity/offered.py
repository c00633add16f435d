"""Offered load: what a scenario asks of its workers in the long run, against what they can do.

A fluid view, without a simulation: executions a second of each task type are spread over the
pools that consume its queue, within slots, cores, rate limits and each main process's pace
(a linear programme). What goes on until the horizon counts: a burst or a trace ends, and its
backlog with it. Tasks that wait for others publish them, and keep their slots at least as long
as those work; that all slots can wait for one another is not in it. Nor are faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sandbox.loads import Poisson, Rates
from sandbox.overheads import Overheads
from sandbox.rates import parse_rate
from sandbox.scenario import Scenario, TaskType, WorkerPool
from sandbox.theory import retry_attempts

_MIDPOINTS = (np.arange(4096) + 0.5) / 4096
_FULL = 1 - 1e-9
_MAINTENANCE_S = 5.0  # celery/concurrency/asynpool.py: maintain_pool
"""From this utilisation on the queue grows: 1, but for the last digits that the solver has."""


@dataclass(frozen=True)
class Offered:
    """The long-run load of a scenario. ``utilisation`` is that of the tightest resource.

    ``pools`` holds the utilisation of each pool's slots when the load is spread as evenly as
    the queues allow. ``growth_per_s`` is how fast tasks pile up at least, whatever the order
    they are run in; exact for one task type.
    """

    rates_per_s: Mapping[str, float]
    utilisation: float
    tightest: str
    pools: Mapping[str, float]
    growth_per_s: float
    n_types: int = 1
    sheds: bool = False

    @property
    def stable(self) -> bool:
        """Whether the backlog stays bounded; tasks that expire cannot pile up."""
        return self.utilisation < _FULL or self.sheds

    def note(self) -> str:
        """Say in a few words what is wrong, nothing when nothing is."""
        if self.utilisation < _FULL:
            return ""
        if self.sheds:
            return f"overloaded: {self.tightest} at {self.utilisation:.2f}, tasks expire"
        least = "at least " if self.n_types > 1 else ""
        grows = f"backlog grows by {least}{self.growth_per_s:.3g} tasks/s"
        if self.growth_per_s < 1e-9 * sum(self.rates_per_s.values()):
            grows = "backlog grows without bound, though slower and slower"
        return f"unstable: {grows}, {self.tightest} at {self.utilisation:.2f}"


def offered(scenario: Scenario, overheads: Overheads) -> Offered:
    """Return the long-run load of a scenario with these overheads.

    >>> from sandbox.scenario import Scenario
    >>> busy = Scenario(name="busy", tasks=[{"name": "t", "service": {"kind": "exponential",
    ...     "mean_s": 1.0}}], workers=[{"concurrency": 2}], horizon_s=60.0,
    ...     loads=[{"kind": "poisson", "task": "t", "rate_per_s": 3.0}])
    >>> free = Overheads().scaled(0.0)
    >>> offered(busy, free).note()
    'unstable: backlog grows by 1 tasks/s, slots of worker at 1.50'
    """
    rates = lasting_rates_per_s(scenario)
    flow = _Flow(scenario, overheads, rates)
    lasting = [task for task in scenario.tasks if rates[task.name] > 0]
    if not lasting:
        idle = dict.fromkeys((pool.name for pool in scenario.workers), 0.0)
        return Offered(rates, 0.0, "nothing", idle, 0.0, 0)
    utilisation, tightest, pools = flow.spread()
    stays = {t.name: 0.0 if t.expires_s is not None else rates[t.name] for t in scenario.tasks}
    growth = flow.growth_per_s() if utilisation >= _FULL else 0.0
    sheds = utilisation >= _FULL and (
        not any(stays.values()) or _Flow(scenario, overheads, stays).spread()[0] < _FULL
    )
    return Offered(rates, utilisation, tightest, pools, growth, len(lasting), sheds)


def lasting_rates_per_s(scenario: Scenario) -> dict[str, float]:
    """Return the tasks a second of each type that are still published at the horizon."""
    rates = dict.fromkeys(scenario.task_names, 0.0)
    door = scenario.front_door
    requests = None if door is None or door.mode == "sync" else door.requests
    behind = () if requests is None else (requests,)
    for load in (*scenario.loads, *behind):
        if isinstance(load, Poisson):
            stops = load.stop_s is not None and load.stop_s < scenario.horizon_s
            lasts = not stops and load.start_s < scenario.horizon_s
            rates[load.task] += load.rate_per_s if lasts else 0.0
        elif isinstance(load, Rates):
            begun = [rate for start, rate in load.steps if start < scenario.horizon_s]
            rates[load.task] += begun[-1] if begun else 0.0
    for entry in scenario.beat:
        rates[entry.task] += 1 / entry.every_s if entry.every_s < scenario.horizon_s else 0.0
    for task in scenario.tasks:
        if task.waits_for is not None and rates[task.name]:
            n_each = attempts(task, _serving(scenario, task), subtask(scenario, task))
            rates[task.waits_for] += rates[task.name] * n_each
    return rates


class Subtask(NamedTuple):
    """How long a task waits at least for the one it publishes (s), and how often that fails."""

    wait_s: float = 0.0
    p_failure: float = 0.0


_NONE = Subtask()


def subtask(scenario: Scenario, task: TaskType) -> Subtask:
    """Return what the subtask of a task adds to each of its attempts, on average.

    The work of all the subtask's attempts; its waits for a slot and countdowns are not in it.
    """
    if task.waits_for is None:
        return _NONE
    child = scenario.task(task.waits_for)
    pool = _serving(scenario, child)
    work_s, fails = _limited(child, pool)
    n_tries = attempts(child, pool)
    # It succeeds in one of its attempts or in none, and each does with 1 - fails.
    return Subtask(work_s * n_tries, 1 - n_tries * (1 - fails))


def _serving(scenario: Scenario, task: TaskType) -> WorkerPool:
    """Return the first pool that consumes a task's queue; the first of all if none does."""
    pools = [pool for pool in scenario.workers if task.queue in pool.queues]
    return (pools or list(scenario.workers))[0]


def _limited(task: TaskType, pool: WorkerPool, sub: Subtask = _NONE) -> tuple[float, float]:
    """Return an attempt's mean time in its slot (s) and its chance to fail and be retried."""
    soft, hard = task.soft_time_limit_s, task.time_limit_s
    limits = [limit for limit in (soft, hard) if limit is not None and pool.pool == "prefork"]
    blocked_s = call_s(task) + sub.wait_s
    p_failure = 1 - (1 - task.p_failure) * (1 - sub.p_failure)
    if not limits:
        return task.service.mean_s + blocked_s, p_failure
    times = np.array([task.service.quantile(u) for u in _MIDPOINTS]) + blocked_s
    over = float((times > min(limits)).mean())
    if not over:
        return task.service.mean_s + blocked_s, p_failure
    # A soft limit raises in the body and is retried like a failure; a hard one is the end.
    is_soft = soft is not None and soft == min(limits)
    fails = p_failure * (1 - over) + (over if is_soft else 0.0)
    return float(np.minimum(times, min(limits)).mean()), fails


def call_s(task: TaskType) -> float:
    """Return how long a call of the task is served (s), on average; 0 for a task without one.

    In it an attempt keeps its slot. The wait for a place, timeouts and outages are not in it.
    """
    return task.calls.service.mean_s if task.calls is not None else 0.0


def slot_s(task: TaskType, pool: WorkerPool, overheads: Overheads, sub: Subtask = _NONE) -> float:
    """Return how long an execution keeps a slot of a pool that never idles (s), on average."""
    work_s, _ = _limited(task, pool, sub)
    pause_s = overheads.finish_s
    if pool.disable_prefetch or (task.acks_late and pool.prefetch_multiplier == 1):
        # No message waits in the worker: the next is fetched after the acknowledgement.
        fetch_s = overheads.ack_s + overheads.deliver_s + overheads.dispatch_s
        pause_s = max(pause_s, fetch_s)
    child_s = _new_child_s(overheads) / (pool.max_tasks_per_child or np.inf)
    body_s = overheads.body_cost_s(ignore_result=task.ignore_result)
    return float(work_s + body_s + pause_s + child_s)


def _new_child_s(overheads: Overheads) -> float:
    """Return how long a slot is without a child (s), on average, once one has ended.

    Its end is noticed at once or at the next tick, which is half a period away on average.
    """
    p = overheads.p_instant_detection
    notice_s = p * overheads.detection_s + (1 - p) * _MAINTENANCE_S / 2
    return notice_s + overheads.child_start_s


def attempts(task: TaskType, pool: WorkerPool, sub: Subtask = _NONE) -> float:
    """Return how many attempts a task takes on average, all its retries included."""
    most = max((retry.max_retries for retry in task.retries), default=0)
    return retry_attempts(_limited(task, pool, sub)[1], most)


@dataclass
class _Flow:
    """The linear programme: x[edge] tasks/s of a type that a pool takes."""

    scenario: Scenario
    overheads: Overheads
    rates: Mapping[str, float]
    edges: list[tuple[TaskType, WorkerPool]] = field(default_factory=list)
    subs: dict[str, Subtask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.subs = {task.name: subtask(self.scenario, task) for task in self.scenario.tasks}
        self.edges = [
            (task, pool)
            for task in self.scenario.tasks
            for pool in self.scenario.workers
            if self.rates[task.name] > 0 and task.queue in pool.queues
        ]

    @cached_property
    def types(self) -> list[TaskType]:
        """The types with a lasting load."""
        return [task for task in self.scenario.tasks if self.rates[task.name] > 0]

    @cached_property
    def unserved(self) -> list[str]:
        """The types whose queue no pool consumes."""
        served = {task.name for task, _ in self.edges}
        return [task.name for task in self.types if task.name not in served]

    @cached_property
    def resources(self) -> dict[str, tuple[Any, float]]:
        """Each resource by name: what a task on each edge takes of it, and how much there is."""
        found: dict[str, tuple[Any, float]] = {}
        tasks = [task for task, _ in self.edges]
        subs, costs = self.subs, self.overheads
        n_tries = np.array([attempts(task, pool, subs[task.name]) for task, pool in self.edges])
        for pool in self.scenario.workers:
            own = np.array([edge is pool for _, edge in self.edges], dtype=float) * n_tries
            times = np.array([slot_s(t, p, costs, subs[t.name]) for t, p in self.edges])
            n = pool.n_workers
            found[f"slots of {pool.name}"] = (own * times, float(n * pool.concurrency))
            found[f"main processes of {pool.name}"] = (own * self.overheads.deliver_s, float(n))
            if pool.pool == "threads":  # Python lets one thread of a process compute at a time.
                found[f"interpreters of {pool.name}"] = (own * self._core_s, float(n))
        for host in self.scenario.hosts:
            here = np.array([pool.host == host.name for _, pool in self.edges], dtype=float)
            found[f"cores of {host.name}"] = (here * n_tries * self._core_s, float(host.n_cores))
        for service in self.scenario.dependencies:
            calls = [t.calls is not None and t.calls.dependency == service.name for t in tasks]
            busy_s = np.array(calls, dtype=float) * [call_s(t) for t in tasks]
            found[f"places of {service.name}"] = (busy_s * n_tries, float(service.capacity))
        for i, (task, pool) in enumerate(self.edges):
            if task.rate_limit is not None:
                row = np.zeros(len(self.edges))
                row[i] = n_tries[i]
                limit = parse_rate(task.rate_limit) * pool.n_workers
                found[f"rate limit of {task.name} in {pool.name}"] = (row, limit)
        return {name: (row, limit) for name, (row, limit) in found.items() if row.any()}

    @cached_property
    def _core_s(self) -> Any:
        """How long a task on each edge computes in one attempt (s)."""
        cost_s = self.overheads.body_cost_s
        return np.array(
            [
                _limited(t, p)[0] - call_s(t) + cost_s(ignore_result=t.ignore_result)
                if t.work == "cpu"
                else 0.0
                for t, p in self.edges
            ]
        )

    def spread(self) -> tuple[float, str, dict[str, float]]:
        """Return the tightest resource's utilisation, its name, and that of each pool's slots.

        Level by level: the fullest resources are made as empty as can be and then kept at
        that, then the next fullest.
        """
        if self.unserved:
            pools = dict.fromkeys((pool.name for pool in self.scenario.workers), np.nan)
            return np.inf, f"queue of {self.unserved[0]}, which no worker consumes,", pools
        levels: dict[str, float] = {}
        while len(levels) < len(self.resources):
            level, full = self._level(levels)
            levels |= dict.fromkeys(full, level)
        tightest = max(levels, key=lambda name: levels[name])
        slots = {p.name: levels.get(f"slots of {p.name}", 0.0) for p in self.scenario.workers}
        return levels[tightest], tightest, slots

    def _level(self, levels: Mapping[str, float]) -> tuple[float, list[str]]:
        """Minimise the fullest of the resources that have no level yet; return those it binds."""
        from scipy.optimize import linprog

        rows, bounds = [], []
        for name, (row, limit) in self.resources.items():
            known = levels.get(name)
            rows.append([*(row / limit), 0.0 if known is not None else -1.0])
            bounds.append(known + 1e-8 if known is not None else 0.0)
        demand = [[*(task is t for task, _ in self.edges), 0.0] for t in self.types]
        solved = linprog(
            [*np.zeros(len(self.edges)), 1.0],
            A_ub=rows,
            b_ub=bounds,
            A_eq=np.array(demand, dtype=float),
            b_eq=[self.rates[task.name] for task in self.types],
        )
        free = [name for name in self.resources if name not in levels]
        binding = dict(zip(self.resources, solved.ineqlin.marginals, strict=True))
        full = [name for name in free if binding[name] < -1e-9]
        return round(float(solved.x[-1]), 8), full or free

    def growth_per_s(self) -> float:
        """Return the tasks/s that cannot be served even if the workers choose the best order."""
        from scipy.optimize import linprog

        total = sum(self.rates.values())
        if not self.edges:
            return total
        solved = linprog(
            -np.ones(len(self.edges)),
            A_ub=[
                *(row / limit for row, limit in self.resources.values()),
                *([float(task is t) for task, _ in self.edges] for t in self.types),
            ],
            b_ub=[*np.ones(len(self.resources)), *(self.rates[t.name] for t in self.types)],
        )
        return max(0.0, total + float(solved.fun))
