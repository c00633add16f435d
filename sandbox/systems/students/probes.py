"""Claims that only a living system can show: what a client is told, and who gets messages twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.claims import Claim
from sandbox.faults import OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems.students.scenarios import (
    BULK,
    PRODUCTION,
    REPORT,
    TEMPLATE,
    hurried_retry,
    small,
)

if TYPE_CHECKING:
    from celery.result import AsyncResult

    from sandbox.engines.live.engine import LiveSession
    from sandbox.engines.live.stage import Stage

_DONE = {"SUCCESS", "FAILURE", "REVOKED"}


def _messaging(name: str, task: str, service_s: float, **more: Any) -> Scenario:
    loads = [Burst(task=task, n=1)]
    return small(name, {task: service_s}, loads, commands=PRODUCTION[:1], **more)


def _started(session: LiveSession, stage: Stage) -> None:
    stage.wait(session, lambda events: any(event.kind == "started" for event in events))


def _client(session: LiveSession) -> Callable[[str], AsyncResult]:
    """Return what a front door of the document has: AsyncResult on the session's broker."""
    from celery import Celery
    from celery.result import AsyncResult

    broker = session.broker
    app = Celery("client", broker=broker.url, backend=broker.url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": broker.prefix}
    return lambda task_id: AsyncResult(task_id, app=app)


def state_while_running(stage: Stage) -> float:
    """Return whether a task that runs, and tells no progress, is seen to: 1 or 0."""
    with stage.start(_messaging("state", TEMPLATE, 1.0)) as session:
        _started(session, stage)
        return float(_client(session)(f"{TEMPLATE}/0").state in {"PROGRESS", "STARTED"})


def told_queued_wrongly(stage: Stage) -> float:
    """Return how many of two tasks are told to be queued that are not: one done, one unknown."""
    with stage.start(_messaging("expired", BULK, 0.1)) as session:
        session.wait()
        client, task_id = _client(session), f"{BULK}/0"
        result = client(task_id)
        if result.state != "SUCCESS":
            return float("nan")
        # An hour later: what Redis does by itself once the time of result_expires is over.
        stage.redis(session).delete(result.backend.get_key_for_task(task_id))
        states = [client(one).state for one in (task_id, "nobody-sent-this")]
        return float(sum(state == "PENDING" for state in states))


def report_fetched(stage: Stage) -> float:
    """Return whether a report's statistics are the result of its task, once it is done: 1 or 0."""
    load = [Burst(task=REPORT, n=1)]
    with stage.start(small("report", {REPORT: 0.1}, load, commands=PRODUCTION[2:])) as session:
        session.wait()
        result = _client(session)(f"{REPORT}/0").result
        return float(isinstance(result, dict) and "messages" in result)


def expiry_s(stage: Stage) -> float:
    """Return for how long Redis keeps the result of a task that is done (s)."""
    with stage.start(_messaging("kept", BULK, 0.1)) as session:
        session.wait()
        key = _client(session)(f"{BULK}/0").backend.get_key_for_task(f"{BULK}/0")
        return float(stage.redis(session).ttl(key))


def loss_is_told(stage: Stage) -> float:
    """Return whether the status of a task whose worker was killed says that it has ended."""
    kill = KillWorker(
        worker="worker1", when=OnEvent(event="started", nth=1, after_s=0.3, worker="worker1")
    )
    with stage.start(_messaging("killed", BULK, 1.0, faults=(kill,))) as session:
        stage.wait(session, lambda events: any(e.kind == "worker_exited" for e in events))
        return float(_client(session)(f"{BULK}/0").state in _DONE)


def most_for_one_phone(stage: Stage) -> float:
    """Return how often one phone gets the same message of a bulk send that is too long."""
    fields = {"service": 0.7, "retries": hurried_retry()}
    scenario = small(
        "again", {BULK: fields}, [Burst(task=BULK, n=1)], app="hurried", commands=PRODUCTION[:1]
    )
    with stage.start(scenario) as session:
        session.wait()
        return float(max(messages(session).values()))


def messages(session: LiveSession) -> Mapping[str, int]:
    """Return how many messages each phone has got in a session."""
    from sandbox.engines.live.data import FILE
    from sandbox.patterns.database import Database
    from sandbox.patterns.providers import sms

    database = Database(session.folder / FILE)
    try:
        return sms(database).counts()
    finally:
        database.close()


def claims() -> tuple[Claim, ...]:
    """Return the claims that are looked at in a living system."""
    return (
        Claim(
            "PENDING (queued, not yet started) -> PROGRESS (running) -> SUCCESS",
            "Task States",
            lambda seen: seen == 1,
            probe=state_while_running,
            unit="running tasks seen to run",
            name="states",
            verdict="wrong",
            why="A running task is PENDING unless it calls update_state, or task_track_started is "
            "on; RETRY and REVOKED are missing.",
            rows=("1.3 S5-4",),
        ),
        Claim(
            "later, user can fetch GET /api/tasks/{task_id} to see results",
            "Usage Examples 4, Generate Report Asynchronously",
            lambda fetched: fetched == 1,
            probe=report_fetched,
            unit="reports fetched",
            name="report-fetched",
            verdict="right",
            why="What the task returns is its result; for an hour, and to whoever has the id.",
        ),
        Claim(
            "result expiry (results deleted after 1 hour)",
            "Configuration, Celery Config",
            lambda seconds: 3500 < seconds <= 3600,
            probe=expiry_s,
            unit="s",
            name="result-expires",
            verdict="right",
            why="Redis drops the key an hour after the result was written.",
        ),
        Claim(
            'GET /api/tasks/{id}/progress: else "Task is queued"',
            "Monitoring Task Progress",
            lambda wrongly: wrongly == 0,
            probe=told_queued_wrongly,
            unit="of 2 that are not queued",
            name="task-is-queued",
            verdict="wrong",
            why="A result that has expired and an id that nobody gave are PENDING too: a finished "
            "job is told to be queued from the second hour on.",
            rows=("1.3 S5-6",),
        ),
        Claim(
            "monitor workers: check task status regularly",
            "Best Practices 6; Next Steps 3",
            lambda told: told == 1,
            probe=loss_is_told,
            unit="lost tasks told to have ended",
            name="status-tells-loss",
            verdict="wrong",
            why="Nobody writes a state for a killed worker: the status stays at the last PROGRESS "
            "for ever.",
        ),
        Claim(
            "make tasks idempotent: safe to run multiple times",
            "Best Practices 3",
            lambda most: most <= 1,
            probe=most_for_one_phone,
            unit="times the same message",
            name="idempotent",
            verdict="wrong",
            why="The document's own bulk send is not: each of its four attempts sends the first "
            "messages again. With a key for each task and phone (mended) it sends them once.",
            rows=("1.2 #16",),
        ),
    )
