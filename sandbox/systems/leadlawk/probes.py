"""What can be seen only in a living system: each probe looks at one and returns one number."""

from __future__ import annotations

import json
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from celery import Celery
from redis.connection import AbstractConnection

from sandbox.engines.live.engine import LiveSession
from sandbox.engines.live.stage import Stage
from sandbox.faults import OnEvent
from sandbox.loads import Burst
from sandbox.patterns import lists
from sandbox.scenario import Scenario
from sandbox.systems.leadlawk.app import WRITTEN, build
from sandbox.systems.leadlawk.small import BROWSER, DATABASE, lasts, small

_DEADLINE_S = 10.0
_PUBLISHED = 300
_JOB = {"query": "personal injury lawyer", "city": "Houston, TX", "limit": 50, "headless": True}


def _client(session: LiveSession, settings: dict[str, Any] = WRITTEN) -> Celery:
    """Return the app as another program on this broker has it, such as the API."""
    app = build(settings)
    prefix = {"global_keyprefix": session.broker.prefix}
    app.conf.update(
        broker_url=session.broker.url,
        result_backend=session.broker.url,
        broker_transport_options=prefix,
        result_backend_transport_options=prefix,
    )
    return app


@contextmanager
def _opened(stage: Stage, scenario: Scenario) -> Iterator[tuple[LiveSession, Celery]]:
    """Start a scenario; end it, and what its client has opened, with the block."""
    with stage.start(scenario) as session:
        app = _client(session)
        try:
            yield session, app
        finally:
            app.close()


def _idle(name: str, seconds: float = 0.05, n: int = 0, **more: Any) -> Scenario:
    """Return a scenario with ``n`` database tasks, or one that only waits for what is published."""
    loads = [Burst(task=DATABASE, n=n)] if n else []
    return small(name, {DATABASE: lasts(seconds)}, loads, deadline_s=30.0, **more)


def _until(found: Callable[[], Any], deadline_s: float = _DEADLINE_S) -> Any:
    """Return what ``found`` finds once that is something; what it finds last, after a while."""
    deadline = time.monotonic() + deadline_s
    while not (seen := found()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return seen


def _begun(session: LiveSession, task_id: str) -> int:
    return sum(e.kind == "started" and e.task == task_id for e in session.events_since(0))


def start_time_kept(stage: Stage) -> float:
    """Return whether a started task's result says since when it runs."""
    with _opened(stage, _idle("started", 1.0, 1)) as (session, app):
        session.wait_for(OnEvent(event="started"))
        meta = _until(lambda: _meta(app, f"{DATABASE}/0"))
        return float(any(isinstance(meta.get(key), str) for key in ("date_started", "date_done")))


def _meta(app: Celery, task_id: str) -> dict[str, Any]:
    meta = app.backend.get_task_meta(task_id, cache=False)
    return dict(meta) if meta["status"] == "STARTED" else {}


def children_replaced(stage: Stage) -> float:
    """Return how many processes a worker had whose only one is replaced after two tasks."""
    recycling = _idle("recycled", 0.05, 5, options="--max-tasks-per-child=2")
    with _opened(stage, recycling) as (session, app):
        pids: set[int] = set()

        def all_done() -> bool:
            pids.update(_processes(app))
            return sum(e.kind == "succeeded" for e in session.events_since(0)) == 5

        _until(all_done)
        return float(len(pids | _processes(app)))


def _processes(app: Celery) -> set[int]:
    stats = app.control.inspect(timeout=0.3).stats() or {}
    return {pid for one in stats.values() for pid in one["pool"]["processes"]}


def states_beyond(stage: Stage) -> float:
    """Return how many states of tasks are seen that the document's list does not have."""
    listed = {"PENDING", "STARTED", "SUCCESS", "FAILURE"}
    failing = small(
        "states", {BROWSER: lasts(0.05, p_failure=1.0)}, [Burst(task=BROWSER, n=1)], deadline_s=30.0
    )
    with _opened(stage, failing) as (_, app):
        return float(bool(_until(lambda: app.AsyncResult(f"{BROWSER}/0").state not in listed)))


def killed_by_revoke(stage: Stage) -> float:
    """Return whether revoke(terminate=True) ends a task that runs: its state is then REVOKED."""
    with _opened(stage, _idle("revoked", 6.0, 1)) as (session, app):
        session.wait_for(OnEvent(event="started"))
        app.control.revoke(f"{DATABASE}/0", terminate=True)
        # It would run to its end in 6 s: by then the answer is known.
        ended = _until(lambda: app.AsyncResult(f"{DATABASE}/0").state == "REVOKED", 5.0)
        return float(bool(ended))


def runs_though_revoked(stage: Stage) -> float:
    """Return whether a revoked task runs after its worker was restarted, as the next line says."""
    with _opened(stage, _idle("forgotten", 2.5, 2)) as (session, app):
        session.wait_for(OnEvent(event="started"))
        app.control.revoke(f"{DATABASE}/1", reply=True, timeout=0.5)
        session.controls.terminate_worker("worker1")
        session.wait_for(OnEvent(event="worker_exited"))
        session.controls.start_worker("worker1")
        return float(bool(_until(lambda: _begun(session, f"{DATABASE}/1"))))


def seen_by_inspect(stage: Stage) -> float:
    """Return the share of the tasks not yet done that ``inspect active`` shows."""
    with _opened(stage, _idle("inspected", 6.0, 30, concurrency=2)) as (session, app):
        session.wait_for(OnEvent(event="published", nth=30))
        session.wait_for(OnEvent(event="started", nth=2))
        active = app.control.inspect(timeout=1.0).active() or {}
        held = lists.read(stage.redis(session), ["database"], lists.Keys(session.broker.prefix))
        return float(sum(map(len, active.values())) / held.backlog)


def counted_by_stats(stage: Stage) -> float:
    """Return the share of the tasks done that ``inspect stats`` has counted."""
    with _opened(stage, _idle("counted", 0.02, 10)) as (session, app):
        session.wait_for(OnEvent(event="succeeded", nth=10))
        stats = app.control.inspect(timeout=1.0).stats() or {}
        return float(sum(one["total"].get(DATABASE, 0) for one in stats.values()) / 10)


def idle_but_answering(stage: Stage) -> float:
    """Return how many workers answer a ping that will never run a task which waits."""
    with _opened(stage, _idle("pinged", 0.02, 3, app="written", queues="")) as (session, app):
        session.wait_for(OnEvent(event="published", nth=3))
        return float(len(app.control.ping(timeout=1.0) or []))


def left_by_purge(stage: Stage) -> float:
    """Return the share of the waiting messages that ``celery purge`` leaves in the queues."""
    with _opened(stage, _idle("purged", 0.02, 10, app="written", queues="")) as (session, app):
        session.wait_for(OnEvent(event="published", nth=10))
        app.control.purge()
        keys = lists.Keys(session.broker.prefix)
        return lists.read(stage.redis(session), ["database"], keys).waiting / 10


def size_of_10k(stage: Stage) -> float:
    """Return what 10,000 of the document's example jobs are long in Redis (MB)."""
    waiting = _idle("sized", app="written", queues="")
    with _opened(stage, waiting) as (session, app):
        for _ in range(_PUBLISHED):
            app.tasks[BROWSER].apply_async(args=[_JOB], priority=5, expires=3600)
        (_, key), *_ = [
            one for one in lists.Keys(session.broker.prefix).lists("browser") if one[0] == 3
        ]
        return sum(map(len, stage.redis(session).lrange(key, 0, -1))) / _PUBLISHED * 10_000 / 1e6


def features(stage: Stage) -> float:
    """Return which share of these is there: a list a queue, a channel for all, nothing left."""
    with _opened(stage, _idle("features", 0.3, 4)) as (session, _):
        redis = stage.redis(session)
        session.wait_for(OnEvent(event="started"))
        key = f"{session.broker.prefix}database"
        is_list = redis.type(key) == b"list"
        channels = redis.pubsub_channels() + [b"pattern"] * int(redis.pubsub_numpat())
        session.wait_for(OnEvent(event="succeeded", nth=4))
        none_left = _until(lambda: redis.hlen(f"{session.broker.prefix}unacked") == 0)
        return (is_list + bool(channels) + bool(none_left)) / 3


def run_with_one_id(stage: Stage) -> float:
    """Return how often a task runs that is published twice under one id."""
    with _opened(stage, _idle("deduplicated")) as (session, app):
        for _ in range(2):
            app.tasks[DATABASE].apply_async(task_id=f"{DATABASE}/0")
        _until(lambda: _begun(session, f"{DATABASE}/0") == 2)
        return float(_begun(session, f"{DATABASE}/0"))


def writes_a_publish(stage: Stage) -> float:
    """Return how many times a publisher writes to Redis a task, when it publishes many."""
    return _writes(stage, lambda _: nullcontext())


def writes_a_batched_publish(stage: Stage) -> float:
    """Return the same for one that publishes in ``with producer.batch()`` (kombu 5.7)."""
    return _writes(stage, lambda producer: producer.batch())


def _writes(stage: Stage, together: Callable[[Any], AbstractContextManager[Any]]) -> float:
    plain: Callable[..., None] = AbstractConnection.send_packed_command
    n_sent = 0

    def counted(connection: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        nonlocal n_sent
        n_sent += 1
        plain(connection, *args, **kwargs)

    with _opened(stage, _idle("pipelined", app="written", queues="")) as (_, app):
        task = app.tasks[DATABASE]
        with app.producer_pool.acquire(block=True) as producer:
            task.apply_async(producer=producer, ignore_result=True)
            with (
                patch.object(AbstractConnection, "send_packed_command", counted),
                together(producer),
            ):
                for _ in range(20):
                    task.apply_async(producer=producer, ignore_result=True)
    return n_sent / 20


def connections_for_publishes(stage: Stage) -> float:
    """Return how many connections a publisher opens for 50 tasks after its first."""
    with _opened(stage, _idle("pooled", app="written", queues="")) as (session, app):
        redis = stage.redis(session)
        app.tasks[DATABASE].apply_async(ignore_result=True)
        before = _clients(redis)
        for _ in range(50):
            app.tasks[DATABASE].apply_async(ignore_result=True)
        return float(len(_clients(redis) - before))


def _clients(redis: Any) -> set[str]:
    return {one["id"] for one in redis.client_list()}


def forged_tasks_run(stage: Stage) -> float:
    """Return how many tasks run that no Celery has published: a Redis client wrote the message."""
    with _opened(stage, _idle("forged")) as (session, _):
        stage.redis(session).lpush(f"{session.broker.prefix}database", _forged(f"{DATABASE}/7"))
        _until(lambda: _begun(session, f"{DATABASE}/7"))
        return float(_begun(session, f"{DATABASE}/7"))


def _forged(task_id: str) -> str:
    """Return a message as Celery would write it; all that it needs is known to everybody."""
    body = b64encode(json.dumps([[], {}, {}]).encode()).decode()
    headers = {"lang": "py", "task": DATABASE, "id": task_id, "root_id": task_id, "retries": 0}
    properties = {
        "correlation_id": task_id,
        "delivery_info": {"exchange": "", "routing_key": "database"},
        "delivery_tag": str(uuid.uuid4()),
        "body_encoding": "base64",
        "priority": 0,
    }
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )
