"""The platform's front door: the document's endpoints, answering in its words.

Where its own answer would mislead, another is given: an unknown id is 404, what waits is read
from the broker, a cancellation says what nobody can guarantee.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, JsonValue

from sandbox.patterns.manager import Status
from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door, by_state, from_http, to_http
from sandbox.systems.conversations import data, deploy

_Text = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"\S")]
_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+$")]
_WEBHOOKS = {
    "facebook": deploy.FACEBOOK,
    "google": deploy.GOOGLE,
    "generic": deploy.GENERIC,
}


class Message(BaseModel):
    """What a customer writes. Without ``async_processing`` the request waits for the answer."""

    conversation_id: _Name
    message: _Text
    async_processing: bool = False


class Payload(BaseModel):
    """A webhook's payload: an event, and whatever else belongs to it."""

    event: Annotated[str, Field(min_length=1, max_length=200)]
    data: dict[str, JsonValue] = {}


class Interaction(BaseModel):
    """A webhook of a platform."""

    platform: Literal["facebook", "google", "generic"]
    payload: Payload
    async_processing: bool = True


class Answered(BaseModel):
    """The answer to a message: the AI service's, or that it will come."""

    conversation_id: str
    response: str
    status: Literal["processing", "completed"]
    task_id: str | None = None


class Received(BaseModel):
    """The answer to a webhook; ``payload_hash`` once it is stored."""

    status: Literal["processing", "completed"]
    task_id: str | None = None
    payload_hash: str | None = None


class TaskStatus(BaseModel):
    """A task's status in the document's words; ``progress`` in per cent, where it is known."""

    task_id: str
    status: str
    progress: float | None
    result: JsonValue = None
    error: str | None = None


class QueueStatus(BaseModel):
    """Messages that wait in one queue: in all its priority lists, and in each."""

    pending: int
    by_priority: list[tuple[int, int]]


class QueuesStatus(BaseModel):
    """All queues. ``unacked``: what workers hold of all of them; no key says of which."""

    queues: dict[str, QueueStatus]
    unacked: int
    timestamp: datetime


def routes(desk: Desk) -> APIRouter:
    """Return the platform's endpoints."""
    with suppress(RuntimeError):  # outside of a run, as for the OpenAPI document, there is none
        data.database()
    router = desk.router(prefix="/conversations")
    _add_submissions(router, desk)
    _add_queues(router, desk)  # before the status, whose path would take "queues" for an id
    shared.add_active(router, desk, "/tasks/active")
    _add_status(router, desk)
    shared.add_cancel(router, desk, "/tasks/{task_id}/cancel")
    return router


def _add_submissions(router: APIRouter, desk: Desk) -> None:
    @router.post("/message", status_code=202, responses={200: {"model": Answered}})
    def message(body: Message) -> Any:
        """Process a customer's message: in this request, or by a worker."""
        given = {"conversation_id": body.conversation_id, "message": body.message}
        answer = Answered(
            conversation_id=body.conversation_id,
            response="Message received and being processed",
            status="processing",
        )
        if desk.is_sync or not body.async_processing:
            said = desk.do(deploy.MESSAGE, kwargs=given)["ai_response"]
            done = answer.model_copy(update={"response": said, "status": "completed"})
            return JSONResponse(done.model_dump())
        return answer.model_copy(update={"task_id": desk.submit(deploy.MESSAGE, kwargs=given)})

    @router.post("/webhook-interaction", status_code=202, responses={200: {"model": Received}})
    def interaction(body: Interaction) -> Any:
        """Store a platform's webhook: by a worker, unless the caller wants to wait."""
        task, given = _WEBHOOKS[body.platform], {"payload": body.payload.model_dump()}
        if desk.is_sync or not body.async_processing:
            stored = desk.do(task, kwargs=given)["payload_hash"]
            return JSONResponse(Received(status="completed", payload_hash=stored).model_dump())
        return Received(status="processing", task_id=desk.submit(task, kwargs=given))


def _add_status(router: APIRouter, desk: Desk) -> None:
    @router.get("/tasks/{task_id}/status")
    def status(task_id: shared.TaskId) -> TaskStatus:
        """Return the status of a task that was submitted here; 404 for any other."""
        return _told(desk.manager.status(from_http(task_id)))


def _told(found: Status) -> TaskStatus:
    progress = 100.0 if found.state == "SUCCESS" else None
    if found.progress is not None and found.progress.total > 0:
        progress = 100 * found.progress.current / found.progress.total
    return TaskStatus(
        task_id=to_http(found.id), status=found.state, progress=progress,
        result=found.result, error=found.error,
    )  # fmt: skip


def _add_queues(router: APIRouter, desk: Desk) -> None:
    @router.get("/tasks/queues/status")
    def queues() -> QueuesStatus:
        """Return what waits in each queue, from the broker's own lists."""
        held = desk.manager.queues()
        found = {
            one.name: QueueStatus(pending=one.waiting, by_priority=list(one.by_priority))
            for one in held.queues
        }
        return QueuesStatus(queues=found, unacked=held.unacked, timestamp=datetime.now(UTC))


def _ask(n: int) -> Ask:
    body = {"conversation_id": f"conv_{n}", "message": "I need help with this product"}
    return Ask("POST", "/conversations/message", body | {"async_processing": True})


def _poll(answer: Mapping[str, Any]) -> str:
    return f"/conversations/tasks/{answer['task_id']}/status"


def _outcome(status: int, answer: Mapping[str, Any]) -> str | None:
    state = {"processing": "PENDING", "completed": "SUCCESS"}.get(
        answer.get("status", ""), answer.get("status", "")
    )
    return by_state(status, {"state": state})


DOOR = Door(
    "Conversations", deploy.ITS_OWN, routes, _ask,
    _poll, _outcome,
)  # fmt: skip

PATHS = (
    "POST /conversations/message",
    "POST /conversations/webhook-interaction",
    "GET /conversations/tasks/queues/status",
    "GET /conversations/tasks/active",
    "GET /conversations/tasks/{task_id}/status",
    "POST /conversations/tasks/{task_id}/cancel",
)
"""The document's endpoints; a test holds the door to them."""
