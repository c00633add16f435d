"""LeadLawk's front door: /jobs/browser, /leads, and a notice by WebSocket when a job is done.

/health and /metrics are those of every door here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from redis import RedisError

from sandbox.patterns.dead_letters import DeadLetter, DeadLetters, NoSuchLetter
from sandbox.patterns.manager import BrokerGone
from sandbox.service import routes as shared
from sandbox.service.door import Ask, Desk, Door, from_http, to_http
from sandbox.systems.leadlawk import store
from sandbox.systems.leadlawk.small import BROWSER, DATABASE, PAGESPEED

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


def _whole(value: Any) -> Any:
    """Return 50 for 50.0, which JSON Schema takes as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Job(BaseModel):
    """What to look for, and where: the document's ``job_params``."""

    model_config = ConfigDict(extra="forbid")

    query: Text
    city: Text
    limit: Annotated[int, Field(ge=1, le=1000, strict=True), BeforeValidator(_whole)] = 50
    headless: Annotated[bool, Field(strict=True)] = True


class Site(BaseModel):
    """A site whose speed is to be rated."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$")]


class Queued(BaseModel):
    """A job that waits. ``status_url`` and ``notice_url``: where to ask, where to be told."""

    task_id: str
    status: str
    status_url: str
    notice_url: str


class Scraped(BaseModel):
    """A job that the request itself has done, as without a queue."""

    status: str
    seconds: float


class Lead(BaseModel):
    """A law firm that a job has found."""

    id: int
    job: str
    company: str
    website: str


class Leads(BaseModel):
    """What is stored: how many leads, of how many websites, and the newest."""

    leads: int
    websites: int
    newest: list[Lead]


class Letter(BaseModel):
    """A job that failed for good."""

    id: str
    task: str
    error: str
    retries: int


def routes(desk: Desk) -> APIRouter:
    """Return LeadLawk's endpoints."""
    router = desk.router()
    _add_jobs(router, desk)
    _add_leads(router, desk)
    _add_dead_letters(router, desk)
    shared.add_active(router, desk, "/jobs/active")
    shared.add_status(router, desk, "/jobs/{task_id}")
    shared.add_cancel(router, desk, "/jobs/{task_id}/cancel", kill=True)
    shared.add_queues(router, desk, "/queues")
    shared.add_notice(router, desk, "/ws/{task_id}")
    return router


def _add_jobs(router: APIRouter, desk: Desk) -> None:
    @router.post("/jobs/browser", status_code=202, responses={200: {"model": Scraped}})
    def browser(job: Job) -> Any:
        """Have leads scraped: by a worker, or in this request where there is no queue."""
        given = {"job_params": job.model_dump()}
        if desk.is_sync:
            done = desk.do(BROWSER, kwargs=given)
            return JSONResponse(Scraped(status="done", seconds=done["service_s"]).model_dump())
        return _queued(desk.submit(BROWSER, kwargs=given))

    @router.post("/jobs/pagespeed", status_code=202)
    def pagespeed(site: Site) -> Queued:
        """Have a site's speed rated."""
        return _queued(desk.submit(PAGESPEED, kwargs={"url": site.url}))

    @router.post("/jobs/database", status_code=202)
    def totals() -> Queued:
        """Have the stored leads counted."""
        return _queued(desk.submit(DATABASE))


def _queued(task_id: str) -> Queued:
    return Queued(
        task_id=task_id,
        status="queued",
        status_url=f"/jobs/{task_id}",
        notice_url=f"/ws/{task_id}",
    )


def _add_leads(router: APIRouter, desk: Desk) -> None:
    @router.get("/leads")
    def leads(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Leads:
        """Return how many leads there are and the newest; each website once, where mended."""
        url = desk.database.url
        newest = [Lead.model_validate(row) for row in store.recent(url, limit)]
        return Leads(newest=newest, **store.totals(url))


def _add_dead_letters(router: APIRouter, desk: Desk) -> None:
    kept = DeadLetters(desk.app)

    @router.get("/dead-letters")
    def letters(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[Letter]:
        """Return the jobs that failed for good, the newest first."""
        with _answering():
            return [_letter(one) for one in kept.list(limit)]

    @router.post("/dead-letters/{task_id}/replay", status_code=202)
    def replay(task_id: shared.TaskId) -> Queued:
        """Give a job that failed for good back to its queue; 404 when it is not there."""
        with _answering():
            kept.replay(from_http(task_id))
        return _queued(task_id)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except NoSuchLetter as exc:
        raise HTTPException(404, str(exc)) from None
    except RedisError:
        raise BrokerGone("the broker does not answer") from None


def _letter(one: DeadLetter) -> Letter:
    return Letter(id=to_http(one.id), task=one.task, error=one.error, retries=one.retries)


def _ask(n: int) -> Ask:
    return Ask("POST", "/jobs/browser", {"query": "injury lawyer", "city": f"City {n}"})


def _poll(answer: Mapping[str, Any]) -> str:
    return str(answer["status_url"])


DOOR = Door("LeadLawk", (BROWSER, PAGESPEED, DATABASE), routes, _ask, poll=_poll)
