"""Scenario: the one description that the model and the real workers both run."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import ConfigDict, Field, TypeAdapter, field_validator, model_validator

from sandbox.draws import Deterministic, Distribution
from sandbox.errors import ScenarioError, one_of
from sandbox.faults import FAULTS, Fault
from sandbox.loads import BeatEntry, Closed, Load
from sandbox.notes import NotDerived
from sandbox.parts import Count, CountOrZero, Name, NonNegative, Part, Positive, Probability, shown
from sandbox.rates import parse_rate

SCHEMA_VERSION: Literal[1] = 1
MOST_TASKS = 10_000_000

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.overheads import Overheads
    from sandbox.run import Run

    AnyFault = Fault
else:
    AnyFault = Annotated[Union[tuple(FAULTS.values())], Field(discriminator="kind")]  # noqa: UP007 - built from the registry


class SelfRetry(Part):
    """``self.retry(countdown=…)`` in the task's body, up to the task's own ``max_retries``.

    The countdown before retry n (0 = first) is ``countdown_s * factor ** n``, without jitter.

    >>> SelfRetry(max_retries=3, countdown_s=60.0, factor=2.0).countdown(2)
    240.0
    """

    kind: Literal["self"] = "self"
    max_retries: CountOrZero = 3
    countdown_s: NonNegative = 180.0
    factor: Positive = 1.0

    def countdown(self, retry: int) -> float:
        """Return the countdown (s) before retry ``retry`` (0 = the first)."""
        return self.countdown_s * self.factor**retry


class AutoRetry(Part):
    """``autoretry_for=(Exception,)``, with Celery's backoff in whole seconds.

    With ``backoff_s`` the countdown before retry n is ``min(backoff_max_s, backoff_s * 2**n)``,
    and with ``jitter`` any whole number of seconds from 0 to that. Without it, the fixed
    ``countdown_s``. Source: celery/app/autoretry.py, celery/utils/time.py.

    >>> AutoRetry(backoff_s=1, backoff_max_s=600, jitter=True).ceiling(3)
    8
    """

    kind: Literal["auto"] = "auto"
    max_retries: CountOrZero = 3
    backoff_s: Count | None = None
    backoff_max_s: Count = 600
    jitter: bool = True
    countdown_s: NonNegative = 180.0

    def ceiling(self, retry: int) -> int:
        """Return the longest countdown (whole s) before retry ``retry``, with backoff."""
        return int(min(self.backoff_max_s, (self.backoff_s or 1) * 2**retry))


Retry = Annotated[SelfRetry | AutoRetry, Field(discriminator="kind")]


class TaskType(Part):
    """One kind of task: where it goes, how long its work takes, how it fails and is retried.

    ``retries`` are tried in order: an attempt that fails for the n-th time is retried by the
    first whose ``max_retries`` is above n - 1, as ``self.retry`` inside an autoretried task is.

    >>> TaskType(name="resize", service=Deterministic(value_s=0.2)).queue
    'celery'
    """

    name: Name
    queue: Name = "celery"
    service: Distribution = Deterministic(value_s=0.0)
    work: Literal["wait", "cpu"] = "wait"
    acks_late: bool = False
    reject_on_worker_lost: bool = False
    rate_limit: str | None = None
    soft_time_limit_s: Positive | None = None
    time_limit_s: Positive | None = None
    p_failure: Probability = 0.0
    retries: tuple[Retry, ...] = ()
    priority: Annotated[int, Field(ge=0, le=255, strict=True)] = 0
    expires_s: Positive | None = None
    ignore_result: bool = False

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate


class Host(Part):
    """A machine with a number of cores; None means as many as the machine this runs on."""

    name: Name = "localhost"
    cores: Count | None = None

    @property
    def n_cores(self) -> int:
        """The number of cores that its processes share."""
        return self.cores or os.cpu_count() or 1


class WorkerPool(Part):
    """``n_workers`` equal workers, named ``<name>1`` …, each with ``concurrency`` slots.

    >>> WorkerPool(name="worker", n_workers=2, concurrency=4).worker_names
    ('worker1', 'worker2')
    """

    name: Name = "worker"
    n_workers: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    concurrency: Annotated[int, Field(ge=1, le=256, strict=True)] = 1
    queues: Annotated[tuple[Name, ...], Field(min_length=1)] = ("celery",)
    pool: Literal["prefork", "threads", "solo"] = "prefork"
    prefetch_multiplier: CountOrZero = 4
    max_tasks_per_child: Count | None = None
    host: Name = "localhost"

    @model_validator(mode="after")
    def _solo_is_one(self) -> WorkerPool:
        if self.pool == "solo" and self.concurrency != 1:
            raise ScenarioError(f"concurrency is {self.concurrency}; a solo pool allows only 1")
        return self

    @property
    def worker_names(self) -> tuple[str, ...]:
        """The names of its workers, in order."""
        return tuple(f"{self.name}{i + 1}" for i in range(self.n_workers))


class Broker(Part):
    """Redis as Celery's broker; the settings are ``broker_transport_options`` of every client.

    >>> Broker().visibility_timeout_s
    3600.0
    """

    visibility_timeout_s: Positive = 3600.0
    unacked_restore_interval_s: Positive = 10.0
    unacked_restore_throttle: Count = 10
    priority_steps: Annotated[tuple[CountOrZero, ...], Field(min_length=1)] = (0, 3, 6, 9)
    queue_order_strategy: Literal["round_robin", "priority", "sorted"] = "round_robin"

    @model_validator(mode="after")
    def _ascending(self) -> Broker:
        if list(self.priority_steps) != sorted(set(self.priority_steps)):
            raise ScenarioError(f"priority_steps is {self.priority_steps} but must ascend")
        return self


class Scenario(Part):
    """Frozen data: what runs, on what, under which load, with which faults, for how long.

    ``terminating``: the whole horizon counts (a burst, a crash, a night). ``steady``: what
    was published before ``warmup_s`` is cut. Loads stop at ``horizon_s``; the run ends when
    everything is drained, or at ``deadline_s``. ``not_derived`` is for the reader: what a derived
    scenario could not know; it changes no run.

    >>> hello = Scenario(
    ...     name="hello",
    ...     tasks=[TaskType(name="hi", service=Deterministic(value_s=0.1))],
    ...     workers=[WorkerPool(concurrency=2)],
    ...     loads=[{"kind": "burst", "task": "hi", "n": 4}],
    ...     horizon_s=1.0,
    ... )
    >>> Scenario.from_json(hello.to_json()) == hello
    True
    """

    model_config = ConfigDict(title="Celery Sandbox scenario")

    schema_version: Literal[1] = 1
    name: Name
    tasks: Annotated[tuple[TaskType, ...], Field(min_length=1)]
    workers: Annotated[tuple[WorkerPool, ...], Field(min_length=1)]
    queues: tuple[Name, ...] = ("celery",)
    loads: tuple[Load, ...] = ()
    beat: tuple[BeatEntry, ...] = ()
    faults: tuple[AnyFault, ...] = ()
    broker: Broker = Broker()
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)] = (Host(),)
    app: str | None = None
    kind: Literal["terminating", "steady"] = "terminating"
    warmup_s: NonNegative = 0.0
    horizon_s: Positive
    deadline_s: Positive | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    not_derived: tuple[NotDerived, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for check in (self._unique, self._names, self._faults_apply, self._times, self._size):
            check()
        return self

    def _unique(self) -> None:
        names = {
            field: [part.name for part in getattr(self, field)]
            for field in ("tasks", "workers", "hosts", "beat")
        }
        names["queues"] = list(self.queues)
        for field, found in names.items():
            twice = _twice(found)
            if twice is not None:
                raise ScenarioError(f"{field} has the name {twice!r} twice; names are unique")
        worker = _twice(self.worker_names)  # pools w1 and w both have a worker w11
        if worker is not None:
            raise ScenarioError(f"workers name two workers {worker!r}; names are unique")

    def _names(self) -> None:
        """Check every reference from one part to another."""
        known = {"queues": self.queues, "hosts": [host.name for host in self.hosts]}
        used = [(f"tasks[{i}].queue", t.queue, "queues") for i, t in enumerate(self.tasks)]
        for i, pool in enumerate(self.workers):
            used += [(f"workers[{i}].queues", queue, "queues") for queue in pool.queues]
            used.append((f"workers[{i}].host", pool.host, "hosts"))
        for where, name, kind in used:
            if name not in known[kind]:
                raise ScenarioError(f"{where} is {name!r}; allowed: {one_of(name, known[kind])}")
        for field in ("loads", "beat"):
            for i, source in enumerate(getattr(self, field)):
                if source.task not in self.task_names:
                    allowed = one_of(source.task, self.task_names)
                    raise ScenarioError(f"{field}[{i}].task is {source.task!r}; allowed: {allowed}")
                if isinstance(source, Closed) and self.task(source.task).ignore_result:
                    raise ScenarioError(
                        f"{field}[{i}].task is {source.task!r}, whose ignore_result is True; "
                        "a closed load waits for results"
                    )

    def _faults_apply(self) -> None:
        for i, fault in enumerate(self.faults):
            named = [("worker", getattr(fault, "worker", None)), ("when.task", None)]
            if fault.when.on == "event":
                named += [("when.worker", fault.when.worker)]
                named[1] = ("when.task", fault.when.task)
            for field, name in named:
                names = self.task_names if field.endswith("task") else self.worker_names
                if name is not None and name not in names:
                    allowed = one_of(name, names)
                    raise ScenarioError(f"faults[{i}].{field} is {name!r}; allowed: {allowed}")
            problem = fault.problem(self)
            if problem is not None:
                raise ScenarioError(f"faults[{i}]: {problem}")

    def _times(self) -> None:
        if self.warmup_s >= self.horizon_s:
            raise ScenarioError(
                f"warmup_s is {self.warmup_s} but must be below horizon_s = {self.horizon_s}"
            )
        if self.kind == "terminating" and self.warmup_s:
            raise ScenarioError(
                f"warmup_s is {self.warmup_s}; a terminating scenario allows only 0"
            )
        if self.deadline_s is not None and self.deadline_s < self.horizon_s:
            raise ScenarioError(
                f"deadline_s is {self.deadline_s} but must not be below "
                f"horizon_s = {self.horizon_s}"
            )

    def _size(self) -> None:
        """Refuse what no machine could run: the schedule is made before the run."""
        for field in ("loads", "beat"):
            for i, source in enumerate(getattr(self, field)):
                n = source.expected_n(self.horizon_s)
                if n > MOST_TASKS:
                    raise ScenarioError(
                        f"{field}[{i}] would publish about {n:.3g} tasks by horizon_s = "
                        f"{self.horizon_s}; allowed: up to {MOST_TASKS:,}"
                    )

    @property
    def ends_by_s(self) -> float:
        """When the run ends at the latest (s): the deadline, or horizon × 2 + 60."""
        return self.deadline_s if self.deadline_s is not None else self.horizon_s * 2 + 60

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """The names of its task types, in order."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def worker_names(self) -> tuple[str, ...]:
        """The names of its workers, in order."""
        return tuple(name for pool in self.workers for name in pool.worker_names)

    def task(self, name: str) -> TaskType:
        """Return a task type by its name."""
        return next(task for task in self.tasks if task.name == name)

    def pool_of(self, worker: str) -> WorkerPool | None:
        """Return the pool a worker belongs to, or None for an unknown worker."""
        return next((pool for pool in self.workers if worker in pool.worker_names), None)

    def host(self, name: str) -> Host:
        """Return a host by its name."""
        return next(host for host in self.hosts if host.name == name)

    def unknown_task(self, name: str) -> str | None:
        """Return a sentence if no task type has this name, else None."""
        if name in self.task_names:
            return None
        return f"task is {name!r}; allowed: {one_of(name, self.task_names)}"

    def to_json(self) -> str:
        """Return the scenario as JSON text that ``from_json`` reads back as an equal one."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        """Read a scenario; raises ScenarioError with the place of the first mistake."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise ScenarioError(f"the scenario is not JSON: {exc}") from None
        if not isinstance(data, dict):
            raise ScenarioError(f"the scenario is a {type(data).__name__}; allowed: an object")
        version = data.get("schema_version")
        if isinstance(version, bool) or version != SCHEMA_VERSION:
            raise ScenarioError(f"schema_version is {shown(version)}; allowed: {SCHEMA_VERSION}")
        return cls(**data)

    @classmethod
    def from_file(cls, path: str | Path) -> Scenario:
        """Read a scenario from a JSON file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as exc:
            raise ScenarioError(f"{path} cannot be read: {exc}") from None
        return cls.from_json(text)

    @classmethod
    def from_celery(  # noqa: PLR0913 - all but the app have defaults
        cls,
        app: Any,
        commands: Sequence[str] = (),
        *,
        service: Mapping[str, Distribution] | None = None,
        loads: Iterable[Load] | None = None,
        name: str | None = None,
        horizon_s: float = 60.0,
        seed: int = 0,
    ) -> Scenario:
        """Derive a scenario from a Celery app and the ``commands`` that start its workers.

        ``commands`` are lines such as ``"celery -A proj worker -Q mail -c 4"``, ``celery multi
        start …`` and ``celery beat``; one worker a line, so a line given twice is two workers.
        An app knows neither ``service`` times (by task) nor ``loads``: without them, work takes
        about 0.1 s and one of each task is published. ``not_derived`` of the result lists this
        and whatever else could not be known or has no field. The app is asked, never started.
        Raises ScenarioError for a command that Celery refuses, and for an app without tasks.

        >>> from celery import Celery
        >>> app = Celery("shop", broker="redis://", set_as_current=False)
        >>> def mail(): ...
        >>> task = app.task(mail, name="mail", acks_late=True, shared=False)
        >>> shop = Scenario.from_celery(app, ["celery -A shop worker -c 8"])
        >>> shop.task("mail").acks_late, shop.workers[0].concurrency
        (True, 8)
        """
        from sandbox.derive.from_celery import from_celery

        return from_celery(
            app,
            commands,
            service=service,
            loads=loads,
            name=name,
            horizon_s=horizon_s,
            seed=seed,
        )

    @classmethod
    def from_run(cls, run: Run, overheads: Overheads | None = None) -> Scenario:
        """Fit loads, service times and failures to a recorded run; keep all else of its scenario.

        ``overheads``: what an execution took beside its work; without them the run's own, if it
        is the model's, else the defaults. ``not_derived`` of the result lists what was kept
        unfitted; ``sandbox.derive.from_run.fit`` returns how well each part fits, too.
        """
        from sandbox.derive.from_run import fit

        return fit(run, overheads).scenario


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario (draft 2020-12)."""
    schema = TypeAdapter(Scenario).json_schema(mode="validation")
    for part in (schema, *schema["$defs"].values()):
        # A tag, such as a load's kind or the version, has a default only in Python.
        tags = [name for name, field in part["properties"].items() if "const" in field]
        part["required"] = list(dict.fromkeys([*part.get("required", ()), *tags]))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _twice(names: Sequence[str]) -> str | None:
    """Return the first name, in order of the alphabet, that is there more than once."""
    return min((name for name, n in Counter(names).items() if n > 1), default=None)
