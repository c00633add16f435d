"""The AI analysis' operations: what its document has an operator or a page ask, and what is so.

``sandbox ops ai-analysis`` runs them on its own scenario while its tasks wait and run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.service.ops import Here, Op
from sandbox.systems.ai_analysis import probes
from sandbox.systems.ai_analysis.names import ANALYZE

if TYPE_CHECKING:
    from celery import Celery

_NOT_INSTALLED = "flower is not part of the default environment: pip install flower"


def _app(here: Here) -> Celery:
    return probes.app_at(here.url, here.session.broker.prefix)


def _queue_stats(here: Here) -> str:
    """Return what the document's endpoint would answer: figures of inspect."""
    seen = _app(here).control.inspect(timeout=1.0)
    active, reserved = seen.active() or {}, seen.reserved() or {}
    found = {
        "available": True,
        "workers": len(active),
        "active_tasks": sum(map(len, active.values())),
        "reserved_tasks": sum(map(len, reserved.values())),
    }
    found["total_pending"] = found["active_tasks"] + found["reserved_tasks"]
    return json.dumps(found)


def _state_of_unknown(here: Here) -> str:
    return json.dumps({"state": _app(here).AsyncResult("abc-123-def").state})


def _cancel_unknown(here: Here) -> str:
    unknown = _app(here).AsyncResult("abc-123-def")
    unknown.revoke(terminate=True)
    probes.until_revoked(unknown)
    return json.dumps({"cancelled": True})


def _state_of_last(here: Here) -> str:
    published = [e.task for e in here.session.events_since(0) if e.kind == "published"]
    last = [key for key in published if (key or "").startswith(ANALYZE)][-1]
    return json.dumps({"state": _app(here).AsyncResult(last).state, "task_id": last})


def _what_debug_starts(_: Here) -> str:
    return f"{probes.workers_of('celery -A celery_config worker --loglevel=debug')():g} more worker"


OPS: tuple[Op, ...] = (
    Op(
        "Support 1",
        "redis-cli -h your-redis-endpoint ping",
        lambda here: here.redis_cli("PING"),
        lambda here: f"{here.workers()}; {here.backlog()}",
        "PONG says that a server answers: not that it keeps what it is given, nor that anybody "
        "works.",
    ),
    Op(
        "Support 2",
        "celery -A celery_config worker --loglevel=debug",
        _what_debug_starts,
        Here.workers,
        "It shows no log of the workers that run: it starts another one, with a rate limit of its "
        "own, on the queue 'celery' only. Here it is read, not started.",
    ),
    Op(
        "Support 3; API Changes, Queue Statistics",
        "curl http://your-app/queue_stats",
        _queue_stats,
        Here.backlog,
        "inspect sees what workers have taken, without what their rate limits hold; the lists of "
        "the broker have the rest. The front door here answers from the lists.",
    ),
    Op(
        "Support 4; Monitoring",
        "celery -A celery_config flower --port=5555",
        lambda _: _NOT_INSTALLED,
        Here.workers,
        "Flower shows what events tell; without task_send_sent_event a task that waits is none.",
    ),
    Op(
        "Monitoring, Features: see all tasks",
        "celery -A celery_config inspect active",
        lambda here: here.celery("inspect active"),
        Here.backlog,
        "What Flower and the command see alike: what runs, not what waits.",
    ),
    Op(
        "Monitoring, Features: monitor worker status",
        "celery -A celery_config inspect ping",
        lambda here: here.celery("inspect ping"),
        Here.workers,
        "A worker whose tasks wait in queues that it does not consume says pong, too.",
    ),
    Op(
        "Testing 4",
        "curl http://your-app/task_status/<task_id>",
        _state_of_last,
        Here.backlog,
        "PENDING is right here, the task waits; but so it is told of any other.",
    ),
    Op(
        "API Changes, Check Task Status",
        "curl http://your-app/task_status/abc-123-def",
        _state_of_unknown,
        lambda here: f"abc-123-def was never submitted; {here.backlog()}",
        "PENDING means that nothing is known. The front door here answers 404.",
    ),
    Op(
        "API Changes, Cancel Task",
        "curl -X POST http://your-app/cancel_task/abc-123-def",
        _cancel_unknown,
        _state_of_unknown,
        "There was nothing to cancel, and now it is REVOKED. The front door here answers 404.",
        ends=True,
    ),
)
"""In the document's order, but for what ends something."""
