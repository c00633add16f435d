"""Health and metrics of a front door: what was submitted, what ended, and what the broker holds.

Depths are the broker's own, all priority lists of each queue; ``inspect`` sees only what
workers have taken. A task that stores no result is never seen to end.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, TypeVar

from celery.states import READY_STATES, SUCCESS
from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel
from redis import Redis, RedisError

from sandbox.patterns import lists
from sandbox.patterns.manager import BrokerGone, TaskManager
from sandbox.service.answers import PROBLEMS
from sandbox.service.web_workers import WebWorkers

_PAGE = 500
_MOST_OPEN = 100_000
Meter = TypeVar("Meter", Counter, Gauge)


class Health(BaseModel):
    """Whether a system can take and do work, and who says so."""

    status: Literal["ok", "no workers", "no broker"]
    workers: list[str]
    waiting: int | None
    unacked: int | None


class Meters:
    """The figures of one door since it was opened, apart from those of any other."""

    def __init__(self, manager: TaskManager) -> None:
        self._manager, self._lock = manager, threading.Lock()
        self._open: dict[str, str] = {}
        self._figures = CollectorRegistry()
        self._submitted = self._meter(
            Counter, "tasks_submitted", "Tasks that were accepted", "task"
        )
        self._done = self._meter(Counter, "tasks_done", "Tasks that were seen to succeed", "task")
        self._failed = self._meter(
            Counter, "tasks_failed", "Tasks that were seen to fail for good", "task"
        )
        self._depth = self._meter(
            Gauge, "queue_depth", "Messages that no worker has taken", "queue"
        )
        self._unacked = self._meter(Gauge, "unacked", "Messages that workers hold, of all queues")
        self._workers = self._meter(Gauge, "workers", "Workers that answer a ping")
        self._up = self._meter(Gauge, "broker_up", "Whether the broker answers")

    def _meter(self, kind: type[Meter], name: str, told: str, *labels: str) -> Meter:
        namespace = subsystem = unit = ""
        return kind(name, told, labels, namespace, subsystem, unit, self._figures)

    def submitted(self, task: str, task_id: str) -> None:
        """Note a task that was accepted; of those that never end the oldest are forgotten."""
        self._submitted.labels(task).inc()
        with self._lock:
            self._open[task_id] = task
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]

    def router(self, threads: WebWorkers) -> APIRouter:
        """Return the endpoints, run by threads of their own: they answer when all others wait."""
        router = APIRouter(route_class=threads.route_class(), responses=PROBLEMS)

        @router.get("/health", responses={503: {"model": Health}})
        def health() -> JSONResponse:
            """Say whether the broker and at least one worker answer; 503 when one does not."""
            found = self.health()
            return JSONResponse(found.model_dump(), 200 if found.status == "ok" else 503)

        @router.get(
            "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
        )
        def metrics() -> PlainTextResponse:
            """Return the figures in Prometheus' text format."""
            return PlainTextResponse(self.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

        return router

    def health(self) -> Health:
        """Ask the broker, then the workers."""
        try:
            held, workers = self._manager.queues(), self._manager.workers()
        except BrokerGone:
            return Health(status="no broker", workers=[], waiting=None, unacked=None)
        status: Literal["ok", "no workers"] = "ok" if workers else "no workers"
        return Health(
            status=status, workers=list(workers), waiting=held.waiting, unacked=held.unacked
        )

    def text(self) -> str:
        """Look at everything once and return the figures; without a broker, what is known."""
        try:
            self._look()
            self._up.set(1)
        except (BrokerGone, RedisError):
            self._up.set(0)
        return generate_latest(self._figures).decode()

    def _look(self) -> None:
        held = self._manager.queues()
        for queue in held.queues:
            self._depth.labels(queue.name).set(queue.waiting)
        self._unacked.set(held.unacked)
        self._workers.set(len(self._manager.workers()))
        for task_id, state in self._ended():
            with self._lock:
                task = self._open.pop(task_id, None)
            if task is not None:
                (self._done if state == SUCCESS else self._failed).labels(task).inc()

    def _ended(self) -> Iterator[tuple[str, str]]:
        """Yield those that were not known to have ended, with their final state."""
        backend = self._manager.app.backend
        with self._lock:
            waiting = list(self._open)
        for at in range(0, len(waiting), _PAGE):
            page = waiting[at : at + _PAGE]
            found = self._results.mget([backend.get_key_for_task(one) for one in page])
            for task_id, stored in zip(page, found, strict=True):
                state = json.loads(stored)["status"] if stored else ""
                if state in READY_STATES:
                    yield task_id, state

    @cached_property
    def _results(self) -> Redis:
        return lists.bounded(self._manager.app.backend.as_uri(include_password=True))
