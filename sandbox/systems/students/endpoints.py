"""The document's endpoints as it writes them, and what they do that it does not say.

They are asked in this process, with a broker in memory or one that is mute; the front door of
this system (front.py) has none of their mistakes.
"""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from sandbox.claims import Claim

if TYPE_CHECKING:
    import httpx
    from celery import Celery
    from fastapi import FastAPI

_MUTE_S = 1.0
_BULK = "tasks.messaging.send_bulk_messages"
_EXPORT = "tasks.reports.export_students_csv"


def _app(broker: str) -> Celery:
    from sandbox.systems.students.app import ROUTED, WRITTEN, build

    app = build(WRITTEN, ROUTED)
    app.conf.update(broker_url=broker, result_backend="cache+memory://")
    return app


def documented(app: Celery, begun: asyncio.Event | None = None) -> FastAPI:
    """Return the document's endpoints word for word, and /health beside them.

    ``begun`` is set when the bulk send's endpoint has begun.
    """
    from celery.result import AsyncResult
    from fastapi import FastAPI

    api = FastAPI()

    @api.post("/api/send-bulk-messages")
    async def send_messages(request_data: dict[str, Any]) -> dict[str, Any]:
        phone_numbers = request_data["phone_numbers"]
        message = request_data["message"]
        if begun is not None:
            begun.set()
        task = app.tasks[_BULK].delay(
            phone_numbers=phone_numbers, message=message, message_type="text"
        )
        return {
            "task_id": task.id,
            "status": "queued",
            "recipients": len(phone_numbers),
            "message": "Messages will be sent in background",
        }

    @api.get("/api/tasks/{task_id}")
    async def get_task_status(task_id: str) -> Any:
        task = AsyncResult(task_id, app=app)
        return {
            "task_id": task_id,
            "status": task.status,
            "result": task.result,
            "progress": task.info if task.state == "PROGRESS" else None,
        }

    @api.get("/api/students/export")
    async def export_students(*, active_only: bool = False) -> dict[str, Any]:
        filters = {"is_active": active_only} if active_only else None
        task = app.tasks[_EXPORT].delay(filters=filters)
        return {
            "task_id": task.id,
            "status": "processing",
            "message": "CSV export started - you'll receive download link soon",
        }

    @api.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return api


# --- what they do ----------------------------------------------------------------------------


def exports_of_three_gets() -> float:
    """Return how many exports three GETs of one address publish."""
    app = _app("memory://")
    with app.connection_for_read() as connection:
        queue = app.amqp.queues["reports"](connection.default_channel)
        queue.declare()
        queue.purge()
        for _ in range(3):
            _asked(app, "GET", "/api/students/export")
        return float(queue.queue_declare(passive=True).message_count)


def errors_told() -> float:
    """Return whether the status of a task that has failed names its error: 1 or 0."""
    app = _app("memory://")
    app.backend.mark_as_failure("one", ValueError("the provider refused"))
    return float("refused" in _asked(app, "GET", "/api/tasks/one").text)


def status_of_a_bad_body() -> float:
    """Return the HTTP status of a bulk send whose body has no phone numbers."""
    answer = _asked(_app("memory://"), "POST", "/api/send-bulk-messages", {})
    return float(answer.status_code)


def _asked(app: Celery, method: str, path: str, body: Any = None) -> httpx.Response:
    """Return the answer of the document's endpoints to one request."""

    async def ask() -> httpx.Response:
        async with _client(documented(app)) as client:
            return await client.request(method, path, json=body)

    # In a thread of its own, for a notebook's has an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(ask())).result()


def _client(api: FastAPI) -> httpx.AsyncClient:
    import httpx

    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def answered_beside_a_mute_broker() -> float:
    """Return whether /health is answered while a bulk send waits for a broker that is mute."""
    answered = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        app = _app(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        app.conf.broker_connection_timeout = _MUTE_S
        thread = threading.Thread(target=_ask_both, args=(app, answered), daemon=True)
        thread.start()
        held = _accepted(mute)
        found = answered.wait(_MUTE_S)
        if held is not None:
            held.close()
    thread.join(10 * _MUTE_S)
    return math.nan if thread.is_alive() else float(found)


def _accepted(mute: socket.socket) -> socket.socket | None:
    """Wait for the publisher's connection and return it."""
    mute.settimeout(10 * _MUTE_S)
    return mute.accept()[0]


def _ask_both(app: Celery, answered: threading.Event) -> None:
    import httpx

    async def ask() -> None:
        begun = asyncio.Event()
        async with _client(documented(app, begun)) as client:
            body = {"phone_numbers": ["1"], "message": "hi"}
            bulk = asyncio.ensure_future(client.post("/api/send-bulk-messages", json=body))
            await begun.wait()
            await client.get("/health")
            answered.set()
            with suppress(httpx.HTTPError):
                await bulk

    asyncio.run(ask())


def claims() -> tuple[Claim, ...]:
    """Return the claims on the document's endpoints and its settings."""
    return (
        Claim(
            'GET /api/tasks/{id}: "result": task.result',
            "Usage Examples 2, Check Task Status",
            lambda told: told == 1,
            reads=errors_told,
            unit="errors named",
            name="status-result",
            verdict="wrong",
            why="The result of a failure is an exception object, which is no JSON: FastAPI writes "
            "an empty object in its place, and nobody learns why the task failed.",
            rows=("1.2 #33",),
        ),
        Claim(
            "GET /api/students/export starts an export",
            "Usage Examples 5, Export Students to CSV",
            lambda published: published <= 1,
            reads=exports_of_three_gets,
            unit="exports of three GETs",
            name="get-export",
            verdict="wrong",
            why="A GET may be repeated, prefetched and cached by anybody; here each one publishes "
            "an export.",
            rows=("1.5-3 S5 GET export",),
        ),
        Claim(
            "async def endpoints with .delay(): API response time instant",
            "Performance Impact; Usage Examples",
            lambda answered: answered == 1,
            reads=answered_beside_a_mute_broker,
            unit="other requests answered beside one that waits for a mute Redis",
            name="event-loop",
            verdict="wrong",
            why=".delay() and AsyncResult block the event loop: with a half-open Redis no request "
            "is answered any more, /health neither.",
            rows=("1.5-2 S5 event loop",),
        ),
        Claim(
            "POST /api/send-bulk-messages takes request_data: dict",
            "Usage Examples 1, Send Bulk Messages",
            lambda status: 400 <= status < 500,
            reads=status_of_a_bad_body,
            unit="HTTP status of a body without phone numbers",
            name="unchecked-body",
            verdict="wrong",
            why="The body is not validated: a caller's mistake is a KeyError, and answered 500.",
        ),
        Claim(
            "task_rate_limit: max 100 msgs/minute",
            "Configuration, Celery Config, Rate limiting",
            lambda rate: rate <= 100,
            reads=_allowed_a_minute,
            unit="tasks/min allowed",
            name="rate-setting",
            verdict="wrong",
            why="Celery has no setting task_rate_limit and says nothing; the task has no limit.",
            rows=("1.2 #5",),
        ),
        Claim(
            "task serialization (JSON is safe)",
            "Configuration, Celery Config",
            lambda others: others == 0,
            reads=lambda: float(len(set(_app("memory://").conf.accept_content) - {"json"})),
            unit="other contents accepted",
            name="json",
            verdict="right",
            why="Nothing but JSON is written or accepted; Celery's default says the same.",
        ),
        Claim(
            "scheduled tasks (cleanup, reminders)",
            "What's New; Start Periodic Task Scheduler",
            lambda entries: entries >= 2,
            reads=lambda: float(len(_app("memory://").conf.beat_schedule)),
            unit="entries in beat's schedule",
            name="scheduled",
            verdict="wrong",
            why="The document shows no beat_schedule: beat starts and publishes nothing.",
        ),
    )


def _allowed_a_minute() -> float:
    """Return how many bulk sends a minute the app as written allows a worker."""
    from celery.utils.time import rate

    limit = _app("memory://").tasks[_BULK].rate_limit
    return 60 * rate(limit) if limit else math.inf
