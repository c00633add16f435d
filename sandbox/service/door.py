"""A front door: a system's endpoints as one FastAPI app, and the requests its visitors make.

A system states a ``Door``; who serves it gives it a Celery app, a database and a token, and
gets an ASGI app. What every door has alike is here: its web workers, its guard, its errors,
/health and /metrics. An endpoint is a plain function: a web worker runs it, so it may block.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from celery import Celery
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPBearer
from kombu.exceptions import OperationalError

from sandbox.front import FrontDoor
from sandbox.patterns.database import Database
from sandbox.patterns.manager import BrokerGone, TaskManager
from sandbox.service import answers, guard
from sandbox.service.answers import PROBLEMS, WorkFailed
from sandbox.service.meters import Meters
from sandbox.service.web_workers import WebWorkers

_N_HEALTH = 2
"""Threads of their own for /health and /metrics, which answer while all web workers are busy."""


class Ask(NamedTuple):
    """A request as a visitor makes it; ``body`` is sent as JSON, None for no body."""

    method: str
    path: str
    body: Any = None


def to_http(task_id: str) -> str:
    """Return a task's id as it stands in a path: ``/`` would end it there.

    >>> to_http("tasks.send/7")
    'tasks.send~7'
    """
    return task_id.replace("/", "~")


def from_http(text: str) -> str:
    """Return the id that ``to_http`` wrote.

    >>> from_http("tasks.send~7")
    'tasks.send/7'
    """
    name, mark, number = text.rpartition("~")
    return f"{name}/{number}" if mark else text


def poll_by_id(answer: Mapping[str, Any]) -> str:
    """Return the path at which a visitor asks for the task whose submission was answered so.

    >>> poll_by_id({"task_id": "send~7"})
    '/api/tasks/send~7'
    """
    return f"/api/tasks/{answer['task_id']}"


_FAILED = {"FAILURE", "REVOKED", "EXPIRED", "NOT ACCEPTED"}


def by_state(status: int, answer: Mapping[str, Any]) -> str | None:
    """Return what a visitor takes an answer for: done, failed, refused; None: ask again.

    >>> by_state(200, {"state": "SUCCESS"}), by_state(200, {"state": "STARTED"}), by_state(503, {})
    ('done', None, 'refused')
    """
    if status != 200:
        return {500: "failed", 503: "refused"}.get(status, f"status {status}")
    state = answer.get("state", "SUCCESS")
    return "done" if state == "SUCCESS" else "failed" if state in _FAILED else None


class Desk:
    """What a door's endpoints work with: the tasks, the database, and whether to wait for them."""

    def __init__(self, door: Door, app: Celery, settings: FrontDoor, database: Database) -> None:
        self.app, self.database = app, database
        self.is_sync = settings.mode == "sync"
        self.manager = TaskManager(app, database, door.tasks, reply_s=door.reply_s)
        self.web = WebWorkers(settings.n_web_workers, settings.most_waiting)
        self.health = WebWorkers(_N_HEALTH, name="health")
        self.meters = Meters(self.manager)
        self._numbers = itertools.count()

    def router(self, **options: Any) -> APIRouter:
        """Return a router whose plain endpoints are run by the door's web workers."""
        given: dict[str, Any] = {"route_class": self.web.route_class(), "responses": PROBLEMS}
        given |= options
        return APIRouter(**given)

    def submit(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        number: int | None = None,
        **options: Any,
    ) -> str:
        """Publish a task and return its id as it stands in a path.

        Its number is ``number``, else the one that the caller has asked for, else the next.
        Raises what ``TaskManager.submit`` raises, all of which the door answers.
        """
        wanted = guard.number.get() if number is None else number
        task_id = self.manager.submit(task, args, kwargs, number=wanted, **options)
        self.meters.submitted(task, task_id)
        return to_http(task_id)

    def do(
        self, task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do a task's work here and now, in the web worker: what a door without a queue does.

        Nothing is published, and nothing tried again. Raises UnknownTask, BadArguments, and
        WorkFailed when the body fails.
        """
        self.manager.check(task, args, kwargs or {})
        body = self.app.tasks[task]
        wanted = guard.number.get()
        key = f"{task}/{next(self._numbers) if wanted is None else wanted}"
        # As Celery does for a task that is called: a retry would raise what it is for.
        body.push_request(
            id=key, args=args, kwargs=dict(kwargs or {}), retries=0, called_directly=True
        )
        try:
            return body.run(*args, **(kwargs or {}))
        except Exception as exc:
            raise WorkFailed(f"{to_http(key)} has failed: {exc}") from exc
        finally:
            body.pop_request()

    def warm(self) -> None:
        """Open what a first request would wait for: connections to broker, results, database.

        A broker that does not answer yet is no reason to stay closed.
        """
        with suppress(BrokerGone, OperationalError, OSError):
            self.manager.queues()
            with self.app.producer_pool.acquire(block=True) as producer:
                producer.connection.ensure_connection(max_retries=1, timeout=1.0)
        with self.database.reading():
            self.app.backend.get_key_for_task("warm-up")

    def close(self) -> None:
        """End the threads and the database's connections."""
        self.web.close()
        self.health.close()
        self.database.close()


@dataclass(frozen=True)
class Door:
    """What a system's front door is, without what it needs to be open.

    ``tasks``: those that may be submitted. ``routes``: makes the endpoints. ``ask``: the request
    that visitor n makes. ``poll``: where it then asks for the result, from the answer to its
    request. ``outcome``: what it takes an answer for; None: it asks again. ``reply_s``: how long
    workers may take to answer a broadcast, which is how long /health takes.

    >>> hello = Door("hello", ("send",), lambda desk: desk.router(), lambda n: Ask("POST", "/send"))
    >>> hello.ask(0).path
    '/send'
    """

    title: str
    tasks: tuple[str, ...]
    routes: Callable[[Desk], APIRouter]
    ask: Callable[[int], Ask]
    poll: Callable[[Mapping[str, Any]], str] = poll_by_id
    outcome: Callable[[int, Mapping[str, Any]], str | None] = by_state
    most_bytes: int = guard.MOST_BYTES
    reply_s: float = 1.0

    def open(self, app: Celery, settings: FrontDoor, database: str, token: str) -> guard.Asgi:
        """Return the ASGI app: the endpoints behind the guard. Its end closes the database."""
        return guard.Guard(self.api(app, settings, database), token, self.most_bytes)

    def api(self, app: Celery, settings: FrontDoor, database: str) -> FastAPI:
        """Return the FastAPI app without the guard, such as for its OpenAPI document."""
        desk = Desk(self, app, settings, Database(database))

        @asynccontextmanager
        async def life(_: FastAPI) -> AsyncIterator[None]:
            await desk.web.do_each(desk.warm)
            yield
            desk.close()

        api = FastAPI(
            title=self.title, lifespan=life, docs_url=None, redoc_url=None,
            dependencies=[Depends(HTTPBearer(auto_error=False))],
        )  # fmt: skip
        answers.add_to(api)
        api.include_router(self.routes(desk))
        api.include_router(desk.meters.router(desk.health))
        return api
