"""A small app for the parts' tests; a worker finds broker and database in its environment."""

from __future__ import annotations

import os
import signal
import threading

from celery import Celery, Task
from celery.exceptions import Reject

from sandbox.patterns import lists
from sandbox.patterns.dead_letters import DeadLetters, keep
from sandbox.patterns.errors import Permanent, RetryingTask, retryable
from sandbox.patterns.global_rate import GlobalRate, postponed
from sandbox.patterns.lost_worker import BoundedStarts

NAMES = ("add", "boom", "hold", "step", "bad", "reject", "fickle", "late", "limited", "doomed")
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
    _register_parts(app)
    keep(app, DeadLetters(app))
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


def _register_parts(app: Celery) -> None:
    """Register tasks that use the parts."""

    @app.task(name="bad", base=RetryingTask, shared=False)
    def bad() -> None:
        raise Permanent("no such address")

    @app.task(name="reject", acks_late=True, shared=False)
    def reject() -> None:
        raise Reject("not mine", requeue=False)

    @app.task(name="fickle", bind=True, shared=False)
    def fickle(self: Task, key: str) -> str:
        """Fail until there is something at ``key``."""
        if not lists.shared_client(self.app).exists(key):
            raise ValueError("not yet mended")
        return "mended"

    @app.task(name="late", base=RetryingTask, soft_time_limit=0.2, shared=False)
    def late() -> None:
        with retryable(Exception):
            threading.Event().wait(10)

    @app.task(name="limited", bind=True, max_retries=0, shared=False)
    def limited(self: Task) -> str:
        """Run twice a second at most, on all workers together."""
        client = lists.shared_client(self.app)
        client.incr("limited-starts")
        if wait_s := GlobalRate(client).acquire("limited", rate=4):
            raise postponed(self, wait_s)
        return "sent"

    @app.task(name="doomed", base=BoundedStarts, bind=True, max_starts=1, shared=False)
    def doomed(self: Task) -> None:
        lists.shared_client(self.app).incr("doomed-starts")
        os.kill(os.getpid(), signal.SIGKILL)


app = build(os.environ.get("PATTERNS_BROKER", "redis://127.0.0.1:1/0"))
