"""Knobs: what of a scenario the what-if sliders move, and the scenario that a position makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.loads import BeatEntry, Closed, Poisson, Rates, Trace
from sandbox.rates import parse_rate
from sandbox.scenario import AutoRetry, Scenario, TaskType, WorkerPool

What = Literal["rate", "limit", "ack", "retry", "workers", "concurrency", "prefetch"]
Places = Mapping[str, int]
"""Positions of knobs by their id; one that is not named stands where the scenario has it."""

_FACTORS = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64)
_PREFETCH = (1, 2, 4, 8, 16, 0)
_LIMITS = ("6/m", "12/m", "30/m", "1/s", "2/s", "5/s", "10/s", "20/s", "50/s", "100/s")
_ACKS = {
    "early: acknowledged when it starts": (False, False),
    "late: acknowledged when it ends": (True, False),
    "late + reject_on_worker_lost": (True, True),
}
_RETRIES: dict[str, tuple[Any, ...]] = {
    "none": (),
    "3 retries, 1 s apart": (AutoRetry(max_retries=3, countdown_s=1.0),),
    "5 retries, 1 s apart": (AutoRetry(max_retries=5, countdown_s=1.0),),
    "5 retries, backoff 1, 2, 4 … s": (AutoRetry(max_retries=5, backoff_s=1, jitter=False),),
    "5 retries, backoff with jitter": (AutoRetry(max_retries=5, backoff_s=1),),
    "3 retries, 180 s apart (Celery's default)": (AutoRetry(),),
}


@dataclass(frozen=True)
class Knob:
    """One slider: ``values`` in the order of its positions, as a reader sees them in ``texts``.

    ``part`` is the task type or pool that it changes, ``start`` the scenario's own position.
    """

    what: What
    part: str
    label: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    start: int
    tip: str

    @property
    def id(self) -> str:
        """Its name among all knobs."""
        return f"{self.what}:{self.part}"

    def to_dict(self) -> dict[str, Any]:
        """Return what the page needs to draw it."""
        return {
            "id": self.id, "part": self.part, "label": self.label, "texts": list(self.texts),
            "start": self.start, "tip": self.tip, "is_choice": self.what in {"ack", "retry"},
        }  # fmt: skip


def knobs(scenario: Scenario) -> dict[str, list[Knob]]:
    """Return the knobs of a scenario: those of each task type, then those of each pool.

    >>> from sandbox import systems
    >>> found = knobs(systems.load("leadlawk"))
    >>> [knob.what for knob in found["worker"]]
    ['workers', 'concurrency', 'prefetch']
    """
    tasks = {f"task {task.name}": _of_task(scenario, task) for task in scenario.tasks}
    pools = {pool.name: _of_pool(pool) for pool in scenario.workers}
    return tasks | pools


def _of_task(scenario: Scenario, task: TaskType) -> list[Knob]:
    found = [_limit(task), _ack(task)]
    if task.crash is None:
        found.append(_retry(task))
    return [_rate(scenario, task), *found] if _sources(scenario, task.name) else found


def _sources(scenario: Scenario, task: str) -> list[Any]:
    return [one for one in (*scenario.loads, *scenario.beat) if one.task == task]


def _rate(scenario: Scenario, task: TaskType) -> Knob:
    sources = _sources(scenario, task.name)
    lasting = sum(load.rate_per_s for load in sources if isinstance(load, Poisson))
    only_poisson = all(isinstance(load, Poisson) for load in sources)
    texts = tuple(
        f"{lasting * factor:.3g} tasks/s" if only_poisson else f"× {factor:g}"
        for factor in _FACTORS
    )
    tip = "Loads and beat of this type, all by the same factor; the draws stay the same"
    label = "Arrival rate"
    return Knob("rate", task.name, label, _FACTORS, texts, _FACTORS.index(1.0), tip)


def _limit(task: TaskType) -> Knob:
    own = () if task.rate_limit is None else (task.rate_limit,)
    limits = sorted(set(_LIMITS) - set(own) | set(own), key=parse_rate)
    values = (*limits, None)
    texts = tuple("no limit" if value is None else value for value in values)
    tip = "rate_limit of this type, on each worker by itself"
    return Knob("limit", task.name, "Rate limit", values, texts, values.index(task.rate_limit), tip)


def _ack(task: TaskType) -> Knob:
    values = tuple(_ACKS.values())
    own = (task.acks_late, task.acks_late and task.reject_on_worker_lost)
    tip = "When a message leaves unacked, and what becomes of it when its process dies"
    return Knob("ack", task.name, "Ack mode", values, tuple(_ACKS), values.index(own), tip)


def _retry(task: TaskType) -> Knob:
    choices = dict(_RETRIES)
    if task.retries not in choices.values():
        choices = {"as described": task.retries} | choices
    values = tuple(choices.values())
    tip = f"What follows a failed attempt; {task.p_failure:.0%} of them fail by themselves"
    start = values.index(task.retries)
    return Knob("retry", task.name, "Retry policy", values, tuple(choices), start, tip)


def _of_pool(pool: WorkerPool) -> list[Knob]:
    found = [_count("workers", pool.name, "Workers", pool.n_workers, "n_workers of this pool")]
    if pool.pool != "solo":
        tip = "Processes or threads of each worker (worker_concurrency)"
        found.append(_count("concurrency", pool.name, "Concurrency", pool.concurrency, tip))
    own = pool.prefetch_multiplier
    values = tuple(sorted({*_PREFETCH, own}, key=lambda n: (n == 0, n)))
    texts = tuple(f"× {n}" if n else "no limit" for n in values)
    tip = "Messages taken ahead, for each slot (worker_prefetch_multiplier)"
    found.append(Knob("prefetch", pool.name, "Prefetch", values, texts, values.index(own), tip))
    return found


def _count(what: What, part: str, label: str, own: int, tip: str) -> Knob:
    values = tuple(sorted({*_COUNTS, own}))
    return Knob(what, part, label, values, tuple(map(str, values)), values.index(own), tip)


# --- the scenario that positions make ----------------------------------------------------


def changed(scenario: Scenario, found: Iterable[Knob], places: Places) -> Scenario:
    """Return the scenario with each knob's value at its place; itself where nothing is moved.

    Raises ScenarioError where the scenario refuses a value: a fault that names a worker which
    is no longer there, for one.

    >>> from sandbox import systems
    >>> scenario = systems.load("leadlawk")
    >>> more = changed(scenario, knobs(scenario)["worker"], {"workers:worker": 3})
    >>> more.workers[0].n_workers
    4
    """
    tasks = {task.name: task for task in scenario.tasks}
    pools = {pool.name: pool for pool in scenario.workers}
    factors: dict[str, float] = {}
    for knob in found:
        place = places.get(knob.id, knob.start)
        if place == knob.start or not 0 <= place < len(knob.values):
            continue
        value = knob.values[place]
        if knob.what == "rate":
            factors[knob.part] = value
        elif knob.part in tasks and knob.what in {"limit", "ack", "retry"}:
            tasks[knob.part] = _task(tasks[knob.part], knob.what, value)
        else:
            pools[knob.part] = _pool(pools[knob.part], knob.what, value)
    parts: dict[str, Any] = {"tasks": tuple(tasks.values()), "workers": tuple(pools.values())}
    for field in ("loads", "beat"):
        parts[field] = tuple(
            scaled(one, factors.get(one.task, 1.0)) for one in getattr(scenario, field)
        )
    own = {name: getattr(scenario, name) for name in parts}
    return scenario if parts == own else scenario.but(**parts)


def _task(task: TaskType, what: str, value: Any) -> TaskType:
    if what == "limit":
        return task.but(rate_limit=value)
    if what == "ack":
        return task.but(acks_late=value[0], reject_on_worker_lost=value[1])
    return task.but(retries=value)


def _pool(pool: WorkerPool, what: str, value: Any) -> WorkerPool:
    if what == "workers":
        return pool.but(n_workers=value)
    if what == "prefetch":
        return pool.but(prefetch_multiplier=value)
    if pool.autoscale is None:
        return pool.but(concurrency=value)
    return pool.but(concurrency=value, autoscale=(value, min(value, pool.autoscale[1])))


def scaled(load: Any, factor: float) -> Any:
    """Return a load or an entry of beat that publishes ``factor`` times as often, or as many.

    >>> scaled(Poisson(task="resize", rate_per_s=2.0), 1.5).rate_per_s
    3.0
    """
    if factor == 1.0:
        return load
    if isinstance(load, Poisson):
        return load.but(rate_per_s=load.rate_per_s * factor)
    if isinstance(load, Rates):
        return load.but(steps=tuple((at_s, rate * factor) for at_s, rate in load.steps))
    if isinstance(load, Trace):
        return load.but(at_s=tuple(at_s / factor for at_s in load.at_s))
    if isinstance(load, BeatEntry):
        return load.but(every_s=load.every_s / factor)
    return _more(load, factor)


def _more(load: Any, factor: float) -> Any:
    if isinstance(load, Closed):
        return load.but(n_clients=max(1, round(load.n_clients * factor)))
    fewest = 2 if load.kind == "chord" else 1
    return load.but(n=max(fewest, round(load.n * factor)))
