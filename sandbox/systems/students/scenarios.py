"""The students' scenarios: its workers, its loads, and how long its tasks take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.draws import Deterministic, Distribution, LogNormal
from sandbox.faults import At, Fault, OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.front import FrontDoor
from sandbox.loads import Burst, Load, Poisson, Trace
from sandbox.scenario import Scenario, SelfRetry
from sandbox.systems._deriving import derived

_APP = "sandbox.systems.students.app"
_WORKER = "celery -A config.celery_config worker --concurrency=2"
DEVELOPMENT = (_WORKER,)
"""The document's first command, on a machine of two cores: without -Q."""
PRODUCTION = tuple(
    f"{_WORKER} -Q {queue} -n worker{n}@%h"
    for n, queue in enumerate(("messaging", "notifications", "reports"), start=1)
)
"""The document's three workers, one queue each."""
BEAT = "celery -A config.celery_config beat"

BULK = "tasks.messaging.send_bulk_messages"
TEMPLATE = "tasks.messaging.send_template_message"
NOTIFY = "tasks.notifications.send_bulk_notifications"
REPORT = "tasks.reports.generate_student_report"
EXPORT = "tasks.reports.export_students_csv"
CLEANUP = "tasks.scheduled.cleanup_old_sessions"
CUSTOM = "tasks.custom.my_task"

MESSAGE_S = 0.02
"""What a message takes here; in the document it takes 1 s."""
_BULK_S = 100 * MESSAGE_S
_TIMES: dict[str, Distribution] = {
    BULK: Deterministic(value_s=_BULK_S),
    TEMPLATE: Deterministic(value_s=0.2),
    NOTIFY: LogNormal(mean_s=0.3, cv=0.3),
    REPORT: LogNormal(mean_s=0.6, cv=0.3),
    EXPORT: Deterministic(value_s=1.2),
}
_LOAD_STOPS_S = 9.0
_LOADS: tuple[Load, ...] = (
    Burst(task=BULK, n=4),
    Poisson(task=TEMPLATE, rate_per_s=1.0, start_s=6.0, stop_s=_LOAD_STOPS_S),
    Poisson(task=NOTIFY, rate_per_s=3.0, stop_s=_LOAD_STOPS_S),
    Poisson(task=REPORT, rate_per_s=1.5, stop_s=_LOAD_STOPS_S),
    Burst(task=EXPORT, n=2, at_s=2.0),
)
_DOOR = "sandbox.systems.students.front:DOOR"
_REQUESTS = Trace(task=BULK, at_s=tuple(0.5 * i for i in range(12)))
_POLL_S = 1.0
WEB_THREADS = 40
"""Threads that FastAPI runs plain endpoints in (anyio's limiter); a def endpoint blocks one."""


def hurried_retry(most: int = 3) -> tuple[SelfRetry]:
    """Return the template's retries in the app ``hurried``, for which 60 s are 60 ms."""
    return (SelfRetry(max_retries=most, countdown_s=0.06),)


def small(  # noqa: PLR0913 - a scenario for a claim is told by its differences
    name: str,
    times: Mapping[str, float | Mapping[str, Any]],
    loads: Iterable[Load],
    *,
    app: str = "celery_app",
    commands: Sequence[str] = PRODUCTION,
    horizon_s: float = 1.0,
    deadline_s: float = 30.0,
    **more: Any,
) -> Scenario:
    """Return a scenario of one of the apps; ``times``: service (s) by task, or its fields."""
    return derived(
        f"{_APP}:{app}",
        f"students-{name}",
        commands,
        tasks={task: _fields(told) for task, told in times.items()},
        loads=tuple(loads),
        horizon_s=horizon_s,
        deadline_s=deadline_s,
        **more,
    )


def _fields(told: float | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        return {"service": Deterministic(value_s=told)}
    service = told["service"]
    is_time = isinstance(service, int | float)
    return dict(told) | ({"service": Deterministic(value_s=service)} if is_time else {})


def killed(nth: int, *, skipped_s: float, at_s: float, after_s: float = 0.5) -> tuple[Fault, ...]:
    """Return the faults: the messaging worker killed and started again; ``skipped_s`` go by.

    It is killed ``after_s`` the nth start of a bulk send, when all its processes are at work.
    """
    name = "worker1"
    return (
        KillWorker(
            worker=name,
            when=OnEvent(event="started", nth=nth, after_s=after_s, task=BULK, worker=name),
        ),
        StartWorker(worker=name, when=OnEvent(event="worker_exited", after_s=0.5, worker=name)),
        Skip(seconds=skipped_s, when=At(at_s=at_s)),
    )


def _whole(app: str, commands: Sequence[str], names: Mapping[str, str], **more: Any) -> Scenario:
    """Return all of the school's work on one of the apps; ``names``: what it calls its tasks."""
    fields: dict[str, Any] = {
        "loads": tuple(load.but(task=names.get(load.task, load.task)) for load in _LOADS),
        "horizon_s": 13.0,
        "deadline_s": 40.0,
        "seed": 5,
        # Nobody comes by himself: it is there for `sandbox serve`.
        "front_door": FrontDoor(app=_DOOR, n_web_workers=4),
    } | more
    tasks = {names.get(task, task): {"service": service} for task, service in _TIMES.items()}
    return derived(f"{_APP}:{app}", "students", (*commands, BEAT), tasks=tasks, **fields)


def _mended() -> Scenario:
    """Return the mended app at work: each bulk send is ten tasks of ten messages."""
    chunks = Burst(task=BULK, n=40)
    scenario = _whole(
        "mended",
        PRODUCTION,
        {},
        loads=(chunks, *_LOADS[1:]),
        faults=killed(10, skipped_s=300.0, at_s=12.0),
    )
    tenth = Deterministic(value_s=_BULK_S / 10)
    kinds = tuple(k.but(service=tenth) if k.name == BULK else k for k in scenario.tasks)
    return scenario.but(tasks=kinds)


def _door(mode: str, n_web_workers: int) -> Scenario:
    """Return twelve bulk sends of 100 messages at the front door, two a second."""
    door = FrontDoor.model_validate(
        {
            "requests": _REQUESTS,
            "mode": mode,
            "n_web_workers": n_web_workers,
            "poll_every_s": _POLL_S,
            "app": _DOOR,
        }
    )
    return small(mode, {BULK: _BULK_S}, (), commands=PRODUCTION[:1], front_door=door, horizon_s=7.0)


def _operations() -> Scenario:
    """Return what operators look at: bulk sends that wait, and cleanups that nobody consumes."""
    loads = (Burst(task=BULK, n=20), Burst(task=CLEANUP, n=2))
    return small(
        "operations",
        {BULK: _BULK_S, CLEANUP: 0.1},
        loads,
        commands=(*PRODUCTION, BEAT),
        deadline_s=60.0,
    )


def variants() -> dict[str, Scenario]:
    """Return the system's scenarios by name; the first is the one that its name stands for."""
    auto = {task: f"tasks.celery_tasks.{task.rpartition('.')[2]}" for task in _TIMES}
    return {
        "corrected": _whole(
            "celery_app",
            PRODUCTION,
            {},
            faults=killed(2, skipped_s=3600.0, at_s=12.0),
        ),
        "as-written": _whole("written", PRODUCTION, auto, horizon_s=4.0, deadline_s=6.0),
        "as-written-development": _whole("written", DEVELOPMENT, auto, horizon_s=6.0),
        "mended": _mended(),
        "before": _door("sync", WEB_THREADS),
        # The document's endpoints are coroutines that block: one request at a time.
        "after": _door("async", 1),
        "operations": _operations(),
    }
