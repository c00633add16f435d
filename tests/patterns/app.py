"""A small app for the parts' tests; a worker finds broker and database in its environment."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery import Celery, Task

from sandbox.patterns import lists

NAMES = ("add", "boom", "hold", "step", "die")
QUEUES = ("default", "slow")


def build(broker: str) -> Celery:
    """Return the app as client and worker have it."""
    app = Celery("patterns", broker=broker, backend=broker, set_as_current=False)
    app.conf.update(
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 2},
        task_default_queue="default",
        task_routes={"hold": {"queue": "slow"}},
        task_track_started=True,
        worker_prefetch_multiplier=1,
        result_extended=True,
        broker_connection_retry_on_startup=True,
    )
    _register(app)
    return app


def _register(app: Celery) -> None:
    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="boom", shared=False)
    def boom(why: str) -> None:
        raise ValueError(why)

    @app.task(name="hold", bind=True, shared=False)
    def hold(self: Task, key: str) -> str:
        """Work until somebody pushes to ``key``."""
        client = lists.client_of(self.app, timeout_s=15)
        client.rpush(f"{key}-began", "1")
        client.blpop([key], timeout=10)
        return "let go"

    @app.task(name="step", bind=True, shared=False)
    def step(self: Task, key: str) -> str:
        """Report a progress of 3 of 10, then work until somebody pushes to ``key``."""
        self.update_state(state="PROGRESS", meta={"current": 3, "total": 10})
        lists.client_of(self.app, timeout_s=15).blpop([key], timeout=10)
        return "stepped"

    @app.task(name="die", bind=True, shared=False)
    def die(self: Task, **_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


app = build(os.environ.get("PATTERNS_BROKER", "redis://127.0.0.1:1/0"))
