"""Endpoints that several documents have alike: a task's status, its cancellation, the queues.

Each function adds one to a router that a ``Desk`` has made, at the path that a document gives.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from celery.states import READY_STATES
from fastapi import APIRouter, Path, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, JsonValue

from sandbox.errors import SandboxError
from sandbox.patterns.manager import Status
from sandbox.service.door import Desk, from_http, to_http

TaskId = Annotated[str, Path(max_length=200)]
_ENDED = {*READY_STATES, "EXPIRED", "NOT ACCEPTED"}
_UNKNOWN = 4404


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Progress(_Answer):
    """How far a task says that it is."""

    current: float
    total: float


class TaskState(_Answer):
    """A task's state. ``EXPIRED``: it ended, and its result is kept no longer."""

    id: str
    state: str
    progress: Progress | None = None
    result: JsonValue = None
    error: str | None = None
    retries: int | None = None


class Cancellation(_Answer):
    """What became of a cancellation, and what nobody can guarantee of it."""

    id: str
    state_before: str
    asked: bool
    heard: list[str]
    uncertain: list[str]


class Queue(_Answer):
    """One queue: messages that wait, in all its priority lists, and in each."""

    name: str
    waiting: int
    by_priority: list[tuple[int, int]]


class Queues(_Answer):
    """What the broker holds; ``unacked`` is of all queues together."""

    queues: list[Queue]
    waiting: int
    unacked: int
    oldest_unacked_s: float | None
    backlog: int


class Active(_Answer):
    """A task that a worker says it is executing."""

    id: str
    task: str
    worker: str
    started_s: float | None


def state_of(status: Status) -> TaskState:
    """Return a status as it is answered: with the id as it stands in a path."""
    return TaskState.model_validate(asdict(status) | {"id": to_http(status.id)})


def add_status(router: APIRouter, desk: Desk, path: str = "/api/tasks/{task_id}") -> None:
    """Add GET ``path``: a task's state; 404 for an id that was never submitted."""

    @router.get(path)
    def status(task_id: TaskId) -> TaskState:
        """Return the state of a task that was submitted here."""
        return state_of(desk.manager.status(from_http(task_id)))


def add_cancel(
    router: APIRouter, desk: Desk, path: str = "/api/tasks/{task_id}/cancel", *, kill: bool = False
) -> None:
    """Add POST ``path``: revoke a task, with ``kill`` also one that runs."""

    @router.post(path)
    def cancel(task_id: TaskId) -> Cancellation:
        """Ask the workers not to run a task, and say what that does not guarantee."""
        done = asdict(desk.manager.cancel(from_http(task_id), terminate=kill))
        return Cancellation.model_validate(done | {"id": task_id})


def add_queues(router: APIRouter, desk: Desk, path: str = "/api/queues") -> None:
    """Add GET ``path``: what the broker holds."""

    @router.get(path)
    def queues() -> Queues:
        """Return the length of every priority list, and of ``unacked``, from the broker."""
        return Queues.model_validate(desk.manager.queues())


def add_active(router: APIRouter, desk: Desk, path: str = "/api/tasks/active") -> None:
    """Add GET ``path``: what workers say they execute. Add it before a ``{task_id}`` beside it."""

    @router.get(path)
    def active() -> list[Active]:
        """Return the tasks that run now: never the backlog."""
        return [
            Active.model_validate(asdict(one) | {"id": to_http(one.id)})
            for one in desk.manager.active()
        ]


def add_notice(
    router: APIRouter, desk: Desk, path: str = "/ws/{task_id}", *, every_s: float = 0.25
) -> None:
    """Add a WebSocket at ``path`` that sends a task's state once it is final, then closes.

    It looks every ``every_s`` in a web worker's thread: a notice by publish/subscribe that is
    missed never comes again. An id that was never submitted closes it with 4404.
    """

    @router.websocket(path)
    async def notice(socket: WebSocket, task_id: str) -> None:
        await socket.accept()
        gone = asyncio.ensure_future(_gone(socket))
        try:
            while not gone.done():
                status: Any = await desk.web.do(lambda: desk.manager.status(from_http(task_id)))
                if status.state in _ENDED:
                    await socket.send_json(state_of(status).model_dump())
                    await socket.close()
                    return
                await asyncio.wait({gone}, timeout=every_s)
        except SandboxError as exc:
            await socket.close(_UNKNOWN, str(exc)[:120])
        finally:
            gone.cancel()


async def _gone(socket: WebSocket) -> None:
    """Return when the client has closed; what it sends is of no interest."""
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return
