"""The dashboard's front door: POST /api/logs/{app_id}, as its document has it before and after."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door

PROCESS = "app.tasks.process_event_async"


class Event(BaseModel):
    """What a mobile app logs: a name, and whatever else belongs to it."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    event_name: Annotated[str, Field(alias="eventName", min_length=1, max_length=200)]


class Queued(BaseModel):
    """The answer of the asynchronous dashboard."""

    event_name: str
    status: str
    task_id: str
    message: str


class Stored(BaseModel):
    """The answer of the synchronous dashboard."""

    id: int
    status: str


def routes(desk: Desk) -> APIRouter:
    """Return the dashboard's endpoints."""
    router = desk.router()

    @router.post("/api/logs/{app_id}", status_code=202, responses={200: {"model": Stored}})
    def log(app_id: Annotated[str, Path(max_length=100)], event: Event) -> Any:
        """Validate an event and have it stored: now, or by a worker."""
        given = {
            "app_id": app_id,
            "event_name": event.event_name,
            "payload": event.model_dump(by_alias=True),
            "validation_status": "valid",
            "validation_results": {"status": "valid"},
        }
        if desk.is_sync:
            stored = desk.do(PROCESS, kwargs=given)
            return JSONResponse(Stored(id=stored["id"], status="valid").model_dump())
        task_id = desk.submit(PROCESS, kwargs=given)
        return Queued(
            event_name=event.event_name, status="valid", task_id=task_id,
            message="Event queued for processing",
        )  # fmt: skip

    shared.add_active(router, desk)
    shared.add_status(router, desk)
    shared.add_cancel(router, desk)
    shared.add_queues(router, desk)
    return router


def _ask(n: int) -> Ask:
    return Ask("POST", "/api/logs/app123", {"eventName": "user_login", "userId": n})


DOOR = Door("Live Validation Dashboard", (PROCESS,), routes, _ask)
