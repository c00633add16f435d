"""The dashboard's front door: POST /api/logs/{app_id}, as its document has it before and after.

Its document gives no path for the other two tasks, which an OTP request and an aggregation on
demand trigger: /api/otp and /api/apps/{app_id}/statistics are this project's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door
from sandbox.systems.dashboard.scenarios import BATCH, EMAIL, PROCESS

_MOST_FIELDS = 100
AppId = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]


class Event(BaseModel):
    """What a mobile app logs: a name, and up to a hundred other fields, which are its payload."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"maxProperties": _MOST_FIELDS})
    __pydantic_extra__: dict[str, JsonValue]

    event_name: Annotated[
        str, Field(alias="eventName", min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.:-]+$")
    ]


class Mail(BaseModel):
    """Who asks for a one-time password."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[
        str, Field(max_length=200, pattern=r"^[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+$")
    ]


class Span(BaseModel):
    """How far back to aggregate, in hours."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[int, Field(ge=1, le=8760, strict=True)] = 24


class Queued(BaseModel):
    """The answer of the asynchronous dashboard to an event."""

    event_name: str
    status: str
    task_id: str
    message: str


class Stored(BaseModel):
    """The answer of the synchronous dashboard to an event."""

    id: int
    status: str


class Taken(BaseModel):
    """The answer to what is not an event; without a queue ``task_id`` is empty: it is done."""

    task_id: str


def validate(event: Event) -> dict[str, str]:
    """Return what is wrong with a well-formed event, by field; ``status`` says whether it is valid.

    An event that is invalid is stored as well: that is what a validation dashboard shows.

    >>> validate(Event(eventName="user_login", userId=123))
    {'status': 'valid'}
    >>> validate(Event(eventName="user_login", userId=1, timestamp="yesterday"))["timestamp"]
    'is no ISO date'
    """
    given = event.model_extra or {}
    wrong: dict[str, str] = {}
    if not given.get("userId", given.get("user_id")):
        wrong["userId"] = "is missing"
    if "timestamp" in given and not _is_date(given["timestamp"]):
        wrong["timestamp"] = "is no ISO date"
    return {"status": "invalid" if wrong else "valid"} | wrong


def _is_date(value: object) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def routes(desk: Desk) -> APIRouter:
    """Return the dashboard's endpoints."""
    router = desk.router()

    @router.post("/api/logs/{app_id}", status_code=202, **_answers(Queued, Stored))
    def log(app_id: AppId, event: Event) -> Any:
        """Validate an event and have it stored: now, or by a worker."""
        found = validate(event)
        given = {
            "app_id": app_id,
            "event_name": event.event_name,
            "payload": event.model_dump(by_alias=True),
            "validation_status": found["status"],
            "validation_results": found,
        }
        if desk.is_sync:
            stored = desk.do(PROCESS, kwargs=given)
            return _now(Stored(id=stored["id"], status=found["status"]))
        return Queued(
            event_name=event.event_name,
            status=found["status"],
            task_id=desk.submit(PROCESS, kwargs=given),
            message="Event queued for processing",
        )

    @router.post("/api/otp", status_code=202, **_answers(Taken, Taken))
    def otp(mail: Mail) -> Any:
        """Send a one-time password."""
        given = {"email": mail.email, "subject": "Your OTP", "html_body": "<h1>OTP: 123456</h1>"}
        return _either(desk, EMAIL, given)

    @router.post("/api/apps/{app_id}/statistics", status_code=202, **_answers(Taken, Taken))
    def statistics(app_id: AppId, span: Span) -> Any:
        """Aggregate an app's events of the last hours."""
        return _either(desk, BATCH, {"app_id": app_id, "hours": span.hours})

    shared.add_active(router, desk)
    shared.add_status(router, desk)
    shared.add_cancel(router, desk)
    shared.add_queues(router, desk)
    return router


def _answers(queued: type[BaseModel], done: type[BaseModel]) -> dict[str, Any]:
    """Return what an endpoint answers: 202 with a queue behind it, 200 without."""
    return {"response_model": queued, "responses": {200: {"model": done}}}


def _either(desk: Desk, task: str, given: dict[str, Any]) -> Any:
    if desk.is_sync:
        desk.do(task, kwargs=given)
        return _now(Taken(task_id=""))
    return Taken(task_id=desk.submit(task, kwargs=given))


def _now(answer: BaseModel) -> Any:
    """Return the answer to what is already done: 200."""
    return JSONResponse(answer.model_dump())


def _ask(n: int) -> Ask:
    """Return the document's example request, of visitor n."""
    return Ask("POST", "/api/logs/app123", {"eventName": "user_login", "userId": n + 1})


DOOR = Door("Live Validation Dashboard", (PROCESS, EMAIL, BATCH), routes, _ask)
