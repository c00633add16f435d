"""A front door for tests: one task, ``job``, and every endpoint that systems have alike."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, JsonValue

from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door

MOST_BYTES = 2000


class Job(BaseModel):
    """What is to be done: a task by name, with a note of any kind."""

    task: Annotated[str, Field(max_length=20)] = "job"
    note: JsonValue = None


class Taken(BaseModel):
    """The answer to a job."""

    task_id: str


def routes(desk: Desk) -> APIRouter:
    """Return the endpoints."""
    router = desk.router()

    @router.post("/jobs", status_code=202, responses={200: {"model": Taken}})
    def submit(job: Job) -> Any:
        if desk.is_sync:
            desk.do(job.task)
            return JSONResponse({"task_id": ""})
        return Taken(task_id=desk.submit(job.task))

    shared.add_active(router, desk)
    shared.add_status(router, desk)
    shared.add_cancel(router, desk)
    shared.add_queues(router, desk)
    shared.add_notice(router, desk, every_s=0.05)
    return router


DOOR = Door(
    "Test", ("job",), routes, lambda n: Ask("POST", "/jobs", {"note": n}),
    most_bytes=MOST_BYTES, reply_s=0.2,
)  # fmt: skip
