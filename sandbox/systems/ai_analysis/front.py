"""The AI analysis' front door: the document's endpoints, with the answers that they should give.

Without a broker a request is done in the web worker, as the document's fallback does. No rate
limit holds then: only the number of web workers bounds how many calls the provider gets at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sandbox.patterns.manager import BrokerGone, Status
from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door, from_http, to_http
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, TEST

_FINAL = {"SUCCESS", "FAILURE", "REVOKED", "EXPIRED", "NOT ACCEPTED", "UNKNOWN"}
_TOLD = {
    "PENDING": "Waiting in the queue",
    "STARTED": "A worker has begun",
    "RETRY": "An attempt failed; another one will follow",
    "SUCCESS": "Done",
    "FAILURE": "Failed for good",
    "REVOKED": "Cancelled",
    "EXPIRED": "It ended, and its result is kept no longer",
    "NOT ACCEPTED": "It was never published",
    "UNKNOWN": "The broker went away while it was published",
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Section(_Body):
    """A section to analyse."""

    section: Annotated[str, Field(min_length=1, max_length=200)]
    content: Annotated[str, Field(min_length=1, max_length=200_000)]


class Message(_Body):
    """What a user asks the chat."""

    message: Annotated[str, Field(min_length=1, max_length=10_000)]


class Submitted(BaseModel):
    """A task that was published."""

    task_id: str
    status: str = "processing"
    message: str = "Task submitted to queue"


class Done(BaseModel):
    """What was done here and now, without a queue. ``fallback``: since the broker is gone."""

    result: JsonValue
    fallback: bool


class TaskStatus(BaseModel):
    """A task's state; ``final``: it will not change any more, so nobody needs to ask again."""

    task_id: str
    state: str
    status: str
    progress: int | None
    final: bool
    result: JsonValue
    error: str | None


class QueueStats(BaseModel):
    """The document's figures, from the broker: ``total_pending`` is all that is not acknowledged.

    ``reserved_tasks``: messages that workers hold and do not execute yet, or not any more.
    """

    available: bool
    workers: int
    active_tasks: int
    reserved_tasks: int
    total_pending: int
    queues: list[shared.Queue]


def routes(desk: Desk) -> APIRouter:
    """Return the document's endpoints."""
    router = desk.router()
    both: dict[str, Any] = {"status_code": 202, "responses": {200: {"model": Done}}}

    @router.post("/analyze_section", response_model=Submitted, **both)
    def analyze_section(body: Section) -> Any:
        """Have a section analysed: by a worker, or here when there is no queue."""
        return _take(desk, ANALYZE, {"section": body.section, "content": body.content})

    @router.post("/chat", response_model=Submitted, **both)
    def chat(body: Message) -> Any:
        """Have a message answered: by a worker, or here when there is no queue."""
        return _take(desk, CHAT, {"message": body.message})

    @router.post("/test_connection", response_model=Submitted, **both)
    def test_connection() -> Any:
        """Have a worker say that it is there."""
        return _take(desk, TEST, {})

    @router.get("/task_status/{task_id}")
    def task_status(task_id: shared.TaskId) -> TaskStatus:
        """Return a task's state, and whether it is final; 404 for an id never given."""
        return _told(desk.manager.status(from_http(task_id)))

    @router.get("/queue_stats")
    def queue_stats() -> QueueStats:
        """Return what waits and what runs: the first from the broker, the second from workers."""
        held, active = desk.manager.queues(), desk.manager.active()
        return QueueStats(
            available=True,
            workers=len(desk.manager.workers()),
            active_tasks=len(active),
            reserved_tasks=held.unacked,
            total_pending=held.backlog,
            queues=[shared.Queue.model_validate(asdict(one) | {"waiting": one.waiting})
                    for one in held.queues],
        )  # fmt: skip

    shared.add_active(router, desk, "/active_tasks")
    shared.add_cancel(router, desk, "/cancel_task/{task_id}", kill=True)
    return router


def _take(desk: Desk, task: str, given: Mapping[str, Any]) -> Any:
    """Publish a task, or do its work now where there is no queue or no broker.

    A task of which the broker may have got a message is not done here: it might be done twice.
    """
    if desk.is_sync:
        return _now(desk, task, given, fallback=False)
    try:
        return Submitted(task_id=desk.submit(task, kwargs=given))
    except BrokerGone as gone:
        if gone.accepted != "not accepted":
            raise
        return _now(desk, task, given, fallback=True)


def _now(desk: Desk, task: str, given: Mapping[str, Any], *, fallback: bool) -> JSONResponse:
    done = desk.do(task, kwargs=given)
    return JSONResponse(Done(result=done["result"], fallback=fallback).model_dump())


def _told(status: Status) -> TaskStatus:
    meta = status.result if status.state == "PROGRESS" and isinstance(status.result, dict) else {}
    done = {"SUCCESS": 100}.get(status.state)
    progress = round(status.progress.current) if status.progress is not None else done
    return TaskStatus(
        task_id=to_http(status.id),
        state=status.state,
        status=str(meta.get("status") or _TOLD.get(status.state, status.state)),
        progress=progress,
        final=status.state in _FINAL,
        result=None if meta else status.result,
        error=status.error,
    )


def _ask(n: int) -> Ask:
    content = f"The {n}th report shows very good figures. They were really checked."
    return Ask("POST", "/analyze_section", {"section": "Introduction", "content": content})


def _poll(answer: Mapping[str, Any]) -> str:
    return f"/task_status/{answer['task_id']}"


DOOR = Door("AI Analysis", (ANALYZE, CHAT, TEST), routes, _ask, _poll)
