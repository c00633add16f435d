"""Scenario: the one description that the model and the real workers both run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from sandbox.dependencies import Dependency, check_calls
from sandbox.deployment import Broker, Host, WorkerPool
from sandbox.errors import ScenarioError, one_of, shown
from sandbox.faults import ANY_FAULT, Fault
from sandbox.front import FrontDoor
from sandbox.loads import BeatEntry, Chord, Closed, Load
from sandbox.notes import NotDerived
from sandbox.parts import (
    ImportPath,
    Name,
    NonNegative,
    Part,
    Positive,
    read_json,
    read_text,
)
from sandbox.tasks import AutoRetry, Retry, SelfRetry, TaskType, check_subtasks

__all__ = [
    "SCHEMA_VERSION", "AutoRetry", "Broker", "Dependency", "Host", "Retry", "Scenario", "SelfRetry",
    "TaskType", "WorkerPool", "json_schema",
]  # fmt: skip

SCHEMA_VERSION: Literal[1] = 1
MOST_TASKS = 1_000_000
"""What loads and beat may publish together: a record of more does not fit into memory."""
MOST_PROCESSES = 10_000
"""How many slots the workers may have together."""
_MOST_PARTS = 1000
_MOST_BYTES = 100_000_000
_RESERVED = ("unacked", "unacked_index", "unacked_mutex")
"""Keys of kombu's own in Redis, where a queue is a key too."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.draws import Distribution
    from sandbox.overheads import Overheads
    from sandbox.run import Run

    AnyFault = Fault
else:
    AnyFault = ANY_FAULT


class Scenario(Part):
    """Frozen data: what runs, on what, under which load, with which faults, for how long.

    ``terminating``: the whole horizon counts (a burst, a crash, a night). ``steady``: what
    was published before ``warmup_s`` is cut. Loads stop at ``horizon_s``; the run ends when
    everything is drained, or at ``deadline_s``. ``not_derived`` is for the reader: what a derived
    scenario could not know; it changes no run.

    >>> hello = Scenario(
    ...     name="hello",
    ...     tasks=[TaskType(name="hi")],
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
    tasks: Annotated[tuple[TaskType, ...], Field(min_length=1, max_length=_MOST_PARTS)]
    workers: Annotated[tuple[WorkerPool, ...], Field(min_length=1, max_length=_MOST_PARTS)]
    queues: Annotated[tuple[Name, ...], Field(max_length=_MOST_PARTS)] = ("celery",)
    loads: Annotated[tuple[Load, ...], Field(max_length=_MOST_PARTS)] = ()
    beat: Annotated[tuple[BeatEntry, ...], Field(max_length=_MOST_PARTS)] = ()
    faults: Annotated[tuple[AnyFault, ...], Field(max_length=_MOST_PARTS)] = ()
    broker: Broker = Broker()
    hosts: Annotated[tuple[Host, ...], Field(min_length=1, max_length=_MOST_PARTS)] = (Host(),)
    dependencies: Annotated[tuple[Dependency, ...], Field(max_length=100)] = ()
    front_door: FrontDoor | None = None
    app: ImportPath | None = None
    kind: Literal["terminating", "steady"] = "terminating"
    warmup_s: NonNegative = 0.0
    horizon_s: Positive
    deadline_s: Positive | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    not_derived: tuple[NotDerived, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for check in (
            self._unique, self._names, self._crashes_apply, self._faults_apply, self._times,
            self._size,
        ):  # fmt: skip
            check()
        return self

    def _unique(self) -> None:
        names = {
            field: [part.name for part in getattr(self, field)]
            for field in ("tasks", "workers", "hosts", "beat")
        }
        names["queues"] = list(self.queues)
        slots = sum(pool.n_workers * pool.concurrency for pool in self.workers)
        if slots > MOST_PROCESSES:
            raise ScenarioError(
                f"workers have {slots:,} processes together; allowed: up to {MOST_PROCESSES:,}"
            )
        for field, found in names.items():
            twice = _twice(found)
            if twice is not None:
                raise ScenarioError(f"{field} has the name {twice!r} twice; names are unique")
        worker = _twice(self.worker_names)  # pools w1 and w both have a worker w11
        if worker is not None:
            raise ScenarioError(f"workers name two workers {worker!r}; names are unique")
        for i, queue in enumerate(self.queues):
            if queue in _RESERVED:
                raise ScenarioError(f"queues[{i}] is {queue!r}, a key of Celery's own in Redis")

    def _names(self) -> None:
        """Check every reference from one part to another."""
        check_calls(self.tasks, self.dependencies)
        check_subtasks(self.tasks)
        problem = self.front_door.problem(self) if self.front_door is not None else None
        if problem is not None:
            raise ScenarioError(f"front_door.{problem}")
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
                if isinstance(source, Chord) and (problem := source.problem(self)) is not None:
                    raise ScenarioError(f"{field}[{i}].{problem}")
                if isinstance(source, Closed) and self.task(source.task).ignore_result:
                    raise ScenarioError(
                        f"{field}[{i}].task is {source.task!r}, whose ignore_result is True; "
                        "a closed load waits for results"
                    )

    def _crashes_apply(self) -> None:
        """A crash ends a process of a pool; without one it would end the whole worker."""
        for i, task in enumerate(self.tasks):
            for pool in self.workers:
                if task.crash and task.queue in pool.queues and pool.pool != "prefork":
                    raise ScenarioError(
                        f"tasks[{i}].crash is {task.crash!r}, but worker pool {pool.name!r}, a "
                        f"{pool.pool} pool, takes its queue; allowed: prefork pools"
                    )

    def _faults_apply(self) -> None:
        for i, outer in enumerate(self.faults):
            fault, where = outer.inner, outer.where(i)
            named = [("worker", getattr(fault, "worker", None)), ("when.task", None)]
            if fault.when.on == "event":
                named += [("when.worker", fault.when.worker)]
                named[1] = ("when.task", fault.when.task)
            for field, name in named:
                names = self.task_names if field.endswith("task") else self.worker_names
                if name is not None and name not in names:
                    allowed = one_of(name, names)
                    raise ScenarioError(f"{where}.{field} is {name!r}; allowed: {allowed}")
            problem = fault.problem(self)
            if problem is not None:
                raise ScenarioError(f"{where}: {problem}")

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
        n, together = 0.0, ""
        for field in ("loads", "beat"):
            for i, source in enumerate(getattr(self, field)):
                n += source.expected_n(self.horizon_s) * self._n_published(source.task)
                if n > MOST_TASKS:
                    raise ScenarioError(
                        f"{field}[{i}]{together} would publish about {n:.3g} tasks by horizon_s = "
                        f"{self.horizon_s}; allowed: up to {MOST_TASKS:,}"
                    )
                together = " and those before it"

    def _n_published(self, task: str) -> int:
        """Return how many tasks a first attempt amounts to: itself, and what it waits for."""
        return 1 if self.task(task).waits_for is None else 2

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
            data = read_json(text)
        except ValueError as exc:
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
            text = read_text(Path(path), most_bytes=_MOST_BYTES)
        except ValueError as exc:
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
