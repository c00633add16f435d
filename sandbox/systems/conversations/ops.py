"""The document's commands and calls for whoever runs the platform, each beside the truth."""

from __future__ import annotations

from sandbox.patterns import lists
from sandbox.patterns.database import Database
from sandbox.patterns.manager import TaskManager
from sandbox.service.alerts import Alerts
from sandbox.service.ops import Here, Op
from sandbox.systems.conversations import deploy, reading
from sandbox.systems.conversations.probes import asking

_DEPLOY, _HEALTH = "Deployment Instructions", "Monitoring Alerts"
_UNKNOWN = "async_task_456"
_TOO_MANY = 20


def _persistence(here: Here) -> str:
    return f"PING: {here.redis_cli('PING')}\n{here.redis_cli('CONFIG GET appendonly')}"


def _in_memory(here: Here) -> str:
    kept = here.session.scenario.broker.persistence
    return f"persistence {kept}; at stake: {here.backlog()}"


def _unread(here: Here) -> str:
    held = {queue.name: queue.waiting for queue in here.lists().queues}
    return f"{here.workers()}; waiting where no worker looks, in 'celery': {held.get('celery', 0)}"


def _by_beat(here: Here) -> str:
    sent = {event.task for event in here.session.events_since(0) if event.kind == "sent"}
    n = sum(str(task).startswith(deploy.CLEANUP) for task in sent)
    return f"tasks that a schedule has published: {n}"


def _endpoints(_here: Here) -> str:
    from sandbox.systems.conversations.front import DOOR, PATHS

    return "\n".join([f"{DOOR.title}:", *PATHS])


def _state_of_unknown(here: Here) -> str:
    with asking(here.session) as app:
        return str(app.AsyncResult(_UNKNOWN).state)


def _never_sent(here: Here) -> str:
    keys = lists.Keys(prefix=here.session.broker.prefix)
    held = lists.holds(here.redis, _UNKNOWN, here.queues, keys)
    return f"a message of {_UNKNOWN} in the broker: {held}; it was never submitted"


def _by_inspect(here: Here) -> str:
    with asking(here.session) as app:
        look = app.control.inspect(timeout=1.0)
        active, reserved = look.active() or {}, look.reserved() or {}
    counts = {"active": sum(map(len, active.values())), "pending": sum(map(len, reserved.values()))}
    return ", ".join(f"{name}: {n}" for name, n in counts.items())


def _running(here: Here) -> str:
    running: set[str | None] = set()
    for event in here.session.events_since(0):
        if event.kind == "started":
            running.add(event.task)
        elif event.kind in {"succeeded", "failed", "child_lost"}:
            running.discard(event.task)
    return f"running: {len(running)}; {here.backlog()}"


def _waiting_task(here: Here) -> str:
    """Return the task that is last in line: it waits for as long as possible."""
    sent = [event.task for event in here.session.events_since(0) if event.kind == "sent"]
    return str(next(task for task in reversed(sent) if str(task).startswith(deploy.MESSAGE)))


def _cancel(here: Here) -> str:
    with asking(here.session) as app:
        task = _waiting_task(here)
        app.control.revoke(task, terminate=True, reply=True, timeout=1.0)
        return f"{task}: {app.AsyncResult(task).state}"


def _still_there(here: Here) -> str:
    task = _waiting_task(here)
    keys = lists.Keys(prefix=here.session.broker.prefix)
    held = lists.holds(here.redis, task, here.queues, keys)
    return f"its message is still in the broker: {held}"


def _alerts(here: Here) -> str:
    database = Database(here.session.folder / "ops.sqlite")
    with asking(here.session) as app:
        manager = TaskManager(app, database, deploy.ITS_OWN, queues=here.queues)
        up = [f"{name}@sandbox" for name in here.session.scenario.worker_names]
        most = dict.fromkeys(here.queues, _TOO_MANY)
        found = Alerts(manager, backlog=most, workers=up).check()
    database.close()
    return "\n".join(alert.text for alert in found) or "nothing fires"


def _settings(_here: Here) -> str:
    return f"settings of Celery about alerts: {reading.alert_settings():g}"


OPS: tuple[Op, ...] = (
    Op(
        f"{_DEPLOY} 1", "redis-server", _persistence, _in_memory,
        "Started so, Redis keeps messages in memory only.",
    ),
    Op(
        f"{_DEPLOY} 2", deploy.WORKER.replace(" --concurrency=2", ""),
        lambda here: here.celery("inspect active_queues"), _unread,
        "A task without a route goes to 'celery', which this worker does not take.",
    ),
    Op(
        f"{_DEPLOY} 3", deploy.BEAT,
        lambda _: f"entries in beat_schedule: {reading.beat_entries():g}", _by_beat,
        "A beat without a schedule runs and publishes nothing.",
    ),
    Op(
        f"{_DEPLOY} 4", "uvicorn app.main:app --reload", _endpoints,
        lambda _: "`sandbox serve conversations` opens it, on loopback and with a token",
        "--reload is for developers: one process, started anew at each change of a file.",
    ),
    Op(
        f"{_DEPLOY} 5", "celery -A app.core.celery_app:celery_app flower",
        lambda here: here.celery("flower --help"), Here.workers,
        "Flower is an extra package; without a password it lets anybody cancel tasks.",
    ),
    Op(
        "Task Status Monitoring", f"GET /conversations/tasks/{_UNKNOWN}/status",
        _state_of_unknown, _never_sent,
        "Celery says PENDING of every id without a result; the front door here says 404.",
    ),
    Op(
        "Queue Health Monitoring", "GET /conversations/tasks/queues/status",
        _by_inspect, Here.backlog,
        "What workers hold is no backlog; the front door here counts the broker's lists.",
    ),
    Op(
        "API Endpoints Enhanced", "GET /conversations/tasks/active",
        lambda here: here.celery("inspect active"), _running,
        "This one is right: it asks who knows. It takes a second, and says nothing of what waits.",
    ),
    Op(
        f"{_HEALTH}, Worker Health", "monitor worker availability",
        lambda here: here.celery("inspect ping"), Here.workers,
        "Two workers of one name would answer as one.",
    ),
    Op(
        f"{_HEALTH}, Queue Backlog", "alert when queues exceed thresholds", _alerts, Here.backlog,
        f"Celery alerts nobody; sandbox/service/alerts.py does, here above {_TOO_MANY}.",
    ),
    Op(
        f"{_HEALTH}, Task Failures", "immediate notification system", _settings,
        lambda _: "a handler of the signal task_failure, as sandbox.patterns.dead_letters has it",
        "It has to be written: no setting does it.",
    ),
    Op(
        "API Endpoints Enhanced", "POST /conversations/tasks/{task_id}/cancel", _cancel,
        _still_there,
        "REVOKED is written at once, whatever becomes of the message; a worker drops it when it "
        "comes to it, if it has heard.",
        ends=True,
    ),
)  # fmt: skip
