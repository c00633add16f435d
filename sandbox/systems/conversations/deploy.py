"""How the conversation platform is started and what comes to it: commands, times, loads.

Times are a tenth of the document's: it states 2 to 5 seconds for a complex operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sandbox.draws import Deterministic, LogNormal, Uniform
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.front import FrontDoor
from sandbox.loads import Burst, Load, Poisson
from sandbox.scenario import Scenario
from sandbox.systems._deriving import derived

APP = "sandbox.systems.conversations.app"
_TASKS = "app.tasks"
MESSAGE = f"{_TASKS}.conversation_tasks.process_conversation_message_task"
MANIPULATOR = f"{_TASKS}.conversation_tasks.process_manipulator_interaction_task"
CONTINUE = f"{_TASKS}.conversation_tasks.continue_conversation_async_task"
BATCH = f"{_TASKS}.conversation_tasks.batch_conversation_analysis_task"
FACEBOOK, GOOGLE, GENERIC = (
    f"{_TASKS}.webhook_tasks.process_{platform}_webhook_task"
    for platform in ("facebook", "google", "generic")
)
RESPOND = f"{_TASKS}.webhook_tasks.send_webhook_response_task"
ANALYTICS = f"{_TASKS}.analytics_tasks.generate_conversation_analytics_task"
REPORT = f"{_TASKS}.analytics_tasks.generate_performance_report_task"
CLEANUP = f"{_TASKS}.analytics_tasks.cleanup_old_data_task"
NOTIFY = f"{_TASKS}.notification_tasks.notify_task"

_CELERY = "celery -A app.core.celery_app:celery_app"
QUEUES = "conversations,webhooks,analytics"
WORKER = f"{_CELERY} worker --loglevel=info --queues={QUEUES} --concurrency=2"
"""The document's command, which leaves the number of processes to the machine."""
BEAT = f"{_CELERY} beat --loglevel=info"
ONE_A_QUEUE = tuple(
    f"{_CELERY} worker --queues={queue} --concurrency={n} -n {queue}@%h"
    for queue, n in (("conversations", 2), ("webhooks", 1), ("analytics", 1))
)
MENDED_WORKERS = (
    f"{_CELERY} worker --queues=conversations,webhooks --concurrency=2 -n customers@%h",
    f"{_CELERY} worker --queues=analytics --concurrency=2 -n reports@%h",
)

_COMPLEX = Uniform(low_s=0.2, high_s=0.5)
SERVICE: Mapping[str, Any] = {
    MESSAGE: _COMPLEX,
    MANIPULATOR: _COMPLEX,
    CONTINUE: _COMPLEX,
    BATCH: Deterministic(value_s=2.0),
    FACEBOOK: LogNormal(mean_s=0.1, cv=0.3),
    GOOGLE: LogNormal(mean_s=0.1, cv=0.3),
    GENERIC: LogNormal(mean_s=0.1, cv=0.3),
    RESPOND: Deterministic(value_s=0.05),
    ANALYTICS: Deterministic(value_s=1.0),
    REPORT: Deterministic(value_s=1.0),
    CLEANUP: Deterministic(value_s=0.3),
    NOTIFY: Deterministic(value_s=0.1),
}
"""What one execution takes, by task."""
ITS_OWN = tuple(name for name in SERVICE if name != NOTIFY)
"""The document's eleven tasks."""

_STARTS_S, _STOPS_S = 4.0, 13.0
"""When customers come; a worker that was killed at the start is back by then."""
LOADS: tuple[Load, ...] = (
    Burst(task=ANALYTICS, n=4),
    Burst(task=BATCH, n=1, at_s=8.0),
    Burst(task=REPORT, n=1, at_s=6.0),
    Burst(task=CLEANUP, n=1, at_s=7.0),
    Poisson(task=MESSAGE, rate_per_s=1.5, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=MANIPULATOR, rate_per_s=0.3, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=CONTINUE, rate_per_s=0.3, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=FACEBOOK, rate_per_s=1.0, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=GOOGLE, rate_per_s=0.5, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=GENERIC, rate_per_s=0.5, start_s=_STARTS_S, stop_s=_STOPS_S),
    Poisson(task=RESPOND, rate_per_s=1.0, start_s=_STARTS_S, stop_s=_STOPS_S),
)


def crash(worker: str) -> tuple[Any, ...]:
    """Kill a worker when both its processes have just begun, start it again, let an hour pass."""
    return (
        KillWorker(worker=worker, when=OnEvent(event="started", nth=2, after_s=0.1, worker=worker)),
        StartWorker(worker=worker, when=OnEvent(event="worker_exited", after_s=1.0, worker=worker)),
        Skip(seconds=3600.0, when=At(at_s=16.0)),
    )


def platform(  # noqa: PLR0913 - each has a default
    app: str = "written",
    commands: Sequence[str] = (WORKER,),
    *,
    tasks: Iterable[str] = ITS_OWN,
    loads: Iterable[Load] = LOADS,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    horizon_s: float = 19.0,
    **fields: Any,
) -> Scenario:
    """Return the platform with this app, these workers and this load.

    ``more``: by task, what else is said of it, such as another time.
    """
    beside = {name: {"service": SERVICE[name]} | dict((more or {}).get(name, {})) for name in tasks}
    given: dict[str, Any] = {"seed": 7} | fields
    return derived(
        f"{APP}:{app}", "conversations", [*commands, BEAT],
        tasks=beside, loads=tuple(loads), horizon_s=horizon_s, **given,
    )  # fmt: skip


def door(mode: Literal["sync", "async"], **fields: Any) -> FrontDoor:
    """Return the front door for customers' messages: one uvicorn process, one request at a time."""
    given: dict[str, Any] = {
        "requests": Poisson(task=MESSAGE, rate_per_s=2.0, stop_s=10.0),
        "n_web_workers": 1,
        "poll_every_s": 0.5,
        "app": "sandbox.systems.conversations.front:DOOR",
    } | fields
    return FrontDoor(mode=mode, **given)
