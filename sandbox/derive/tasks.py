"""Tasks: the task types of an app, as its workers would run them.

What the configuration sets for all tasks has become each task's own attribute when the app
binds it (celery/app/task.py, ``from_config`` and ``annotate``), so the task alone is asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sandbox.derive.names import plain
from sandbox.derive.retries import lost_retries_of, retries_of
from sandbox.derive.routes import sent_with
from sandbox.draws import Distribution, Exponential
from sandbox.errors import ScenarioError, one_of
from sandbox.notes import Notes
from sandbox.rates import parse_rate
from sandbox.scenario import TaskType

ASSUMED_SERVICE = Exponential(mean_s=0.1)
"""The time that a task's work takes when nobody says."""

_USUAL_REQUEST = "celery.worker.request:Request"


def tasks_of(app: Any) -> list[Any]:
    """Return the app's own tasks by name, without Celery's, such as ``celery.chord``."""
    return [
        task
        for name, task in sorted(app.tasks.items())
        if not (name.startswith("celery.") and str(task.__module__).startswith("celery."))
    ]


def task_types(app: Any, service: Mapping[str, Distribution], notes: Notes) -> dict[str, TaskType]:
    """Return a task type for each of the app's tasks, by the task's name in Celery.

    Raises ScenarioError when there is none, or when ``service`` names one that is not there.
    """
    tasks = tasks_of(app)
    names = [task.name for task in tasks]
    if not tasks:
        raise ScenarioError("app has no tasks of its own; is the module with its tasks imported?")
    for name in service:
        if name not in names:
            raise ScenarioError(f"service names the task {name!r}; allowed: {one_of(name, names)}")
    found: dict[str, TaskType] = {}
    for task in tasks:
        taken = {kind.name for kind in found.values()}
        name = plain(task.name, taken, kind="task", notes=notes)
        found[task.name] = _task_type(app, task, name, service, notes)
    _note_work(names, service, notes)
    return found


def _note_work(names: list[str], service: Mapping[str, Distribution], notes: Notes) -> None:
    unknown = [name for name in names if name not in service]
    if unknown:
        told = f"exponential with mean {ASSUMED_SERVICE.mean_s:g} s for {', '.join(unknown)}"
        notes.add("tasks.service", "an app does not say how long its work takes", told)
    notes.add("tasks.work", "an app does not say whether its work waits or computes", "it waits")
    notes.add("tasks.p_failure", "an app does not say how often its work fails", "never")


def _task_type(
    app: Any, task: Any, name: str, service: Mapping[str, Distribution], notes: Notes
) -> TaskType:
    sent = sent_with(app, task, notes)
    retries = retries_of(task, notes)
    _note_unrepresented(task, notes)
    return TaskType(
        name=name,
        queue=plain(sent["queue"], kind="queue", notes=notes),
        service=service.get(task.name, ASSUMED_SERVICE),
        acks_late=bool(task.acks_late),
        acks_on_failure=getattr(task, "acks_on_failure", None) is not False,
        acks_on_timeout=getattr(task, "acks_on_timeout", None) is not False,
        reject_on_worker_lost=bool(task.reject_on_worker_lost),
        **lost_retries_of(task, retries, notes),
        rate_limit=_rate(app, task, notes),
        soft_time_limit_s=_seconds(task.soft_time_limit),
        time_limit_s=_seconds(task.time_limit),
        retries=retries,
        priority=_priority(task, sent.get("priority"), notes),
        expires_s=_expires(task, sent.get("expires"), notes),
        ignore_result=bool(task.ignore_result) or not stores_results(app),
    )


def stores_results(app: Any) -> bool:
    """Return whether the app has a result backend; without one nothing is stored."""
    found = app.conf.result_backend
    return bool(found) and not str(found).startswith("disabled")


def _seconds(value: Any) -> float | None:
    return float(value) if value else None


def _rate(app: Any, task: Any, notes: Notes) -> str | None:
    """Return a task's rate limit; none when workers are told to ignore limits."""
    rate = task.rate_limit
    if not rate or app.conf.worker_disable_rate_limits:
        return None
    text = str(rate)
    try:
        parse_rate(text)
    except ValueError as exc:
        if not text.startswith("0"):  # Celery takes 0/s as no limit (celery/utils/time.py, rate)
            notes.add(f"tasks.{task.name}.rate_limit", f"{text!r}: {exc}", "no limit")
        return None
    return text


def _priority(task: Any, priority: Any, notes: Notes) -> int:
    if priority is None:
        return 0
    try:
        value = int(priority)
    except (TypeError, ValueError):
        value = -1
    if 0 <= value <= 255:
        return value
    notes.add(f"tasks.{task.name}.priority", f"{priority!r} is no priority from 0 to 255", "0")
    return 0


def _expires(task: Any, expires: Any, notes: Notes) -> float | None:
    if expires is None:
        return None
    if isinstance(expires, int | float) and 0 < expires < math.inf:
        return float(expires)
    what = f"expires is {expires!r}, not seconds after the call"
    notes.add(f"tasks.{task.name}.expires_s", what, "it does not expire")
    return None


def _note_unrepresented(task: Any, notes: Notes) -> None:
    """Note what a task's class says that a scenario has no field for."""
    where = f"tasks.{task.name}"
    if getattr(task, "track_started", False):
        notes.add(where, "track_started writes one more state an execution", "it costs nothing")
    request = task.Request
    told = request if isinstance(request, str) else f"{request.__module__}:{request.__qualname__}"
    if told != _USUAL_REQUEST:
        notes.add(where, f"its Request is {told}", "Celery's own")
    base = next(cls for cls in type(task).__mro__ if cls.__module__ == "celery.app.task")
    for method in (
        "__call__",
        "apply_async",
        "retry",
        "on_failure",
        "on_retry",
        "on_success",
        "before_start",
        "after_return",
    ):
        if getattr(type(task), method, None) is not getattr(base, method, None):
            notes.add(where, f"its class has a {method} of its own", "Celery's own")
