"""The dashboard's scenarios: its apps, as the document's commands start them, under its load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sandbox.draws import Deterministic, LogNormal
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.front import FrontDoor
from sandbox.loads import Burst, Load, Poisson
from sandbox.scenario import Scenario
from sandbox.systems._deriving import derived

PROCESS, EMAIL, BATCH = (
    f"app.tasks.{name}"
    for name in ("process_event_async", "send_email_async", "batch_process_events")
)
_APP = "sandbox.systems.dashboard.app"
DOOR = "sandbox.systems.dashboard.front:DOOR"
PER_S = 500 / 60
"""The stated load: 500 events a minute."""
N_WEB = 4
"""The stated front door: 1 Flask app with 4 workers."""
_WORKER = "celery -A app.tasks worker -l info"
TWO = (f"{_WORKER} -c 4 -Q default,emails", f"{_WORKER} -c 2 -Q batch_processing")
ONE = (f"{_WORKER} -c 4 -Q default,emails,batch_processing",)
THREE = (
    f"{_WORKER} -c 8 -Q default",
    f"{_WORKER} -c 2 -Q emails",
    f"{_WORKER} -c 1 -Q batch_processing",
)
NAMED = (
    f"{_WORKER} -n events1@%h -c 4 -Q default,emails --max-tasks-per-child=500",
    f"{_WORKER} -n batch1@%h -c 2 -Q batch_processing --max-tasks-per-child=500",
)
SERVERS = (
    f"{_WORKER} -n events1@%h -c 4 -Q default,emails",
    f"{_WORKER} -n events2@%h -c 4 -Q default,emails",
    f"{_WORKER} -n batch1@%h -c 2 -Q batch_processing",
    f"{_WORKER} -n batch2@%h -c 2 -Q batch_processing",
)
EVENT_S, REQUEST_S, EMAIL_S, BATCH_S = 0.1, 0.075, 0.3, 2.0
SERVICE: dict[str, Mapping[str, Any]] = {
    PROCESS: {"service": LogNormal(mean_s=EVENT_S, cv=0.3)},
    EMAIL: {"service": LogNormal(mean_s=EMAIL_S, cv=0.3)},
    BATCH: {"service": Deterministic(value_s=BATCH_S)},
}
_LOAD_STOPS_S = 10.0
_LOADS: tuple[Load, ...] = (
    Burst(task=PROCESS, n=80),
    Poisson(task=PROCESS, rate_per_s=PER_S, stop_s=_LOAD_STOPS_S),
    Poisson(task=EMAIL, rate_per_s=1.0, stop_s=_LOAD_STOPS_S),
    Burst(task=BATCH, n=3, at_s=1.0),
)


def crash(worker: str) -> tuple[KillWorker, Skip]:
    """Kill the batch worker while both its processes run; when all else is done, pass an hour."""
    # Two equal tasks of 2 s begin together: half a second later both are surely under way.
    when = OnEvent(event="started", nth=2, after_s=0.5, worker=worker)
    return (
        KillWorker(worker=worker, when=when, back_after_s=1.5),
        Skip(seconds=3600.0, when=At(at_s=11.5)),
    )


def scenario(  # noqa: PLR0913 - what a claim may want to have otherwise
    app: str = "celery_app",
    commands: Sequence[str] = TWO,
    *,
    name: str = "dashboard",
    tasks: Mapping[str, Mapping[str, Any]] = SERVICE,
    loads: Sequence[Load] = _LOADS,
    horizon_s: float = 13.0,
    deadline_s: float = 45.0,
    **more: Any,
) -> Scenario:
    """Return the dashboard with this app and the workers that these commands start."""
    fields: dict[str, Any] = {"deadline_s": deadline_s, "seed": 6} | more
    return derived(
        f"{_APP}:{app}", name, commands, tasks=tasks, loads=loads, horizon_s=horizon_s, **fields
    )


def small(
    name: str,
    *loads: Load,
    app: str = "celery_app",
    commands: Sequence[str] = TWO,
    horizon_s: float = 3.0,
    deadline_s: float = 12.0,
    **more: Any,
) -> Scenario:
    """Return a short scenario, made to show one thing, of the tasks that its loads publish.

    One with the document's front door has all tasks, since its endpoints publish them.
    """
    door: FrontDoor | None = more.get("front_door")
    used = {load.task for load in loads} | ({door.task} if door else set())
    if door is not None and door.app:
        used = set(SERVICE)
    given: Mapping[str, Mapping[str, Any]] = more.pop("tasks", {})
    tasks = {kind: given.get(kind, SERVICE[kind]) for kind in SERVICE if kind in used}
    return scenario(
        app, commands, name=f"dashboard-{name}", tasks=tasks, loads=loads,
        horizon_s=horizon_s, deadline_s=deadline_s, **more,
    )  # fmt: skip


def door(requests: Any, mode: Literal["sync", "async"], **more: Any) -> FrontDoor:
    """Return the document's front door with these visitors; asynchronous ones look each second."""
    given: dict[str, Any] = {"n_web_workers": N_WEB, "app": DOOR} | more
    return FrontDoor(requests=requests, mode=mode, **given)


def before(requests: Any, name: str = "before", **more: Any) -> Scenario:
    """Return the synchronous dashboard: a web worker stores the event and then answers."""
    return small(
        name, app="celery_app", front_door=door(requests, "sync", **more.pop("door", {})),
        tasks={PROCESS: {"service": LogNormal(mean_s=REQUEST_S, cv=0.2)}}, **more,
    )  # fmt: skip


def after(requests: Any, name: str = "after", **more: Any) -> Scenario:
    """Return the asynchronous dashboard: it answers 202, and a worker stores the event."""
    asked = {"poll_every_s": 1.0} | more.pop("door", {})
    return small(name, front_door=door(requests, "async", **asked), **more)


def variants() -> dict[str, Scenario]:
    """Return the main scenario and the topologies that the document states."""
    stated = Poisson(task=PROCESS, rate_per_s=PER_S)
    busy = (*_LOADS[:3], Burst(task=BATCH, n=2, at_s=1.0))
    return {
        "corrected": scenario(faults=crash("worker-b1")),
        "as-written": scenario("written", horizon_s=5.0, deadline_s=6.0, loads=_as_written()),
        "mended": scenario("mended", NAMED, faults=crash("batch1")),
        "before": before(stated, horizon_s=8.0, deadline_s=30.0),
        "after": after(stated, horizon_s=8.0, deadline_s=30.0),
        "single-server": scenario(commands=ONE, loads=busy),
        "specialised": scenario(commands=THREE, loads=busy),
        "multi-server": scenario(commands=SERVERS, loads=busy),
        "operations": _backed_up(),
    }


def _backed_up() -> Scenario:
    """Return a dashboard whose database is slow: what operators look at while a queue backs up."""
    slow = {PROCESS: {"service": Deterministic(value_s=2.0)}}
    loads = (Burst(task=PROCESS, n=200), Burst(task=EMAIL, n=5), Burst(task=BATCH, n=3))
    return scenario(tasks=SERVICE | slow, loads=loads, horizon_s=1.0, deadline_s=150.0)


def _as_written() -> tuple[Load, ...]:
    return (
        Poisson(task=PROCESS, rate_per_s=PER_S),
        Poisson(task=EMAIL, rate_per_s=1.0),
        Burst(task=BATCH, n=3, at_s=1.0),
    )
