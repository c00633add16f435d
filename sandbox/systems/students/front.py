"""The students' front door: the document's endpoints, without the mistakes that its claims show.

An export is asked for by POST, for a GET may be repeated by anybody, and has an address at which
the file is. A bulk send becomes one task or, where the app says how many messages a task may send
(mended), one task for each part of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, Field, JsonValue, StrictBool

from sandbox.patterns.manager import BrokerGone
from sandbox.service import guard
from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door, from_http
from sandbox.systems.students.scenarios import BULK, EXPORT, NOTIFY, REPORT
from sandbox.systems.students.school import School, phone

_IN_BULK = 100
MOST_PHONES = 1000
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", max_length=16)]
Text = Annotated[str, Field(min_length=1, max_length=1600)]


def _number(value: Any) -> Any:
    """Refuse what JSON does not call a number: pydantic would take "7" and true for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it is no number")
    return value


Id = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_number)]


class BulkSend(BaseModel):
    """Messages to be sent: to each phone the same text."""

    phone_numbers: Annotated[list[Phone], Field(min_length=1, max_length=MOST_PHONES)]
    message: Text
    message_type: Literal["text", "template"] = "text"


class Notice(BaseModel):
    """Notifications to be created."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_PHONES)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    message: Text


class Filters(BaseModel):
    """Which students an export is about."""

    active_only: StrictBool = False


class Queued(BaseModel):
    """The answer to what a worker will do."""

    task_id: str
    status: str
    message: str


class BulkQueued(Queued):
    """The answer to a bulk send. ``not_queued``: those whom no task is for, if the broker went."""

    task_ids: list[str]
    recipients: int
    not_queued: list[str]


class Sent(BaseModel):
    """The answer of the synchronous front door, once all messages are sent."""

    sent: int


class TaskProgress(BaseModel):
    """How far a task is, as the document shows it; ``percentage`` while it tells its progress."""

    status: Literal["queued", "processing", "completed", "failed"]
    state: str
    current: float | None = None
    total: float | None = None
    percentage: int | None = None
    result: JsonValue = None
    error: str | None = None


def routes(desk: Desk) -> APIRouter:
    """Return the endpoints."""
    router = desk.router()
    _add_messaging(router, desk)
    _add_students(router, desk)
    _add_progress(router, desk)
    shared.add_active(router, desk)
    shared.add_status(router, desk)
    shared.add_cancel(router, desk)
    shared.add_queues(router, desk)
    return router


def _add_messaging(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/api/send-bulk-messages",
        status_code=202,
        response_model=BulkQueued,
        responses={200: {"model": Sent}},
    )
    def send_messages(request: BulkSend) -> Any:
        """Send messages to multiple users: now, or by a worker."""
        if desk.is_sync:
            done = desk.do(BULK, kwargs=request.model_dump())
            return JSONResponse(Sent(sent=done["sent"]).model_dump())
        return _queued(desk, request)

    @router.post("/api/notifications", status_code=202)
    def notify(notice: Notice) -> Queued:
        """Create notifications for multiple users."""
        task_id = desk.submit(NOTIFY, kwargs=notice.model_dump())
        return Queued(task_id=task_id, status="queued", message="Notifications will be created")


def _queued(desk: Desk, request: BulkSend) -> BulkQueued:
    """Publish one task for each part; those before the broker went are told, for they will run."""
    phones = request.phone_numbers
    size = desk.app.conf.get("most_in_task") or len(phones)
    task_ids: list[str] = []
    for first in range(0, len(phones), size):
        given = request.model_dump() | {"phone_numbers": phones[first : first + size]}
        try:
            task_ids.append(desk.submit(BULK, kwargs=given))
        except BrokerGone:
            if not task_ids:
                raise
            break
        guard.number.set(None)  # The caller's number was the first task's.
    n = min(len(phones), size * len(task_ids))
    return BulkQueued(
        task_id=task_ids[0],
        status="queued",
        message="Messages will be sent in background",
        task_ids=task_ids,
        recipients=n,
        not_queued=phones[n:],
    )


def _add_students(router: APIRouter, desk: Desk) -> None:
    school = School(desk.database)

    @router.post("/api/students/{student_id}/report", status_code=202)
    def create_report(student_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Queued:
        """Have a report made of a student; 404 for one who is not at this school."""
        if not school.has(student_id):
            raise HTTPException(404, f"no student has the number {student_id}")
        task_id = desk.submit(REPORT, kwargs={"student_id": student_id})
        return Queued(
            task_id=task_id, status="generating", message="Report generation started in background"
        )

    @router.post("/api/students/exports", status_code=202)
    def export_students(filters: Filters) -> Queued:
        """Have the students written as CSV, to be fetched under the task's id."""
        given = {"is_active": True} if filters.active_only else None
        task_id = desk.submit(EXPORT, kwargs={"filters": given})
        return Queued(
            task_id=task_id,
            status="processing",
            message=f"CSV export started; it will be at /api/students/exports/{task_id}",
        )

    @router.get(
        "/api/students/exports/{task_id}",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def download(task_id: shared.TaskId) -> Response:
        """Return the CSV of an export that is done; 404 before, and for any other id."""
        state = desk.manager.status(from_http(task_id)).state
        found = school.csv_of(from_http(task_id))
        if found is None:
            raise HTTPException(404, f"{task_id} has no file (yet): its state is {state}")
        return Response(found, media_type="text/csv")


def _add_progress(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/tasks/{task_id}/progress")
    def progress(task_id: shared.TaskId) -> TaskProgress:
        """Return how far a task is; it is queued only if it really waits."""
        found = desk.manager.status(from_http(task_id))
        of_total = found.progress
        if found.state == "SUCCESS":
            return TaskProgress(status="completed", state=found.state, result=found.result)
        if found.state in {"FAILURE", "REVOKED", "EXPIRED", "NOT ACCEPTED"}:
            return TaskProgress(status="failed", state=found.state, error=found.error)
        if of_total is None:
            waits = found.state in {"PENDING", "UNKNOWN"}
            return TaskProgress(status="queued" if waits else "processing", state=found.state)
        share = of_total.current / of_total.total if of_total.total else 1.0
        return TaskProgress(
            status="processing",
            state=found.state,
            current=of_total.current,
            total=of_total.total,
            percentage=int(100 * share),
        )


def _ask(n: int) -> Ask:
    """Return visitor n's request: the document's bulk send of 100 messages."""
    phones = [phone(n * _IN_BULK + i) for i in range(_IN_BULK)]
    return Ask("POST", "/api/send-bulk-messages", {"phone_numbers": phones, "message": "Homework"})


DOOR = Door("Student messaging", (BULK, NOTIFY, REPORT, EXPORT), routes, _ask)
