"""What claims ask of a living system: what inspect says, what cancelling leaves, what is kept."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.draws import Deterministic
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems.conversations.deploy import BATCH, MESSAGE, platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from sandbox.engines.live.engine import LiveSession
    from sandbox.engines.live.stage import Stage
    from sandbox.run import Event

_N_WAITING = 30
_TICK_S = 0.02
_PATIENCE_S = 15.0


def _backlog() -> Scenario:
    """Return many messages that take long: a backlog."""
    return platform(
        tasks=(MESSAGE,), more={MESSAGE: {"service": Deterministic(value_s=1.0)}},
        loads=[Burst(task=MESSAGE, n=_N_WAITING)], horizon_s=2.0, deadline_s=60.0,
    )  # fmt: skip


def _batch() -> Scenario:
    """Return one batch of ten conversations."""
    return platform(tasks=(BATCH,), loads=[Burst(task=BATCH, n=1)], horizon_s=2.0, deadline_s=60.0)


@contextmanager
def asking(session: LiveSession) -> Iterator[Celery]:
    """Give an app that speaks with the session's workers and reads their results."""
    from celery import Celery

    options = {"global_keyprefix": session.broker.prefix}
    app = Celery("probe", set_as_current=False)
    app.conf.update(
        broker_url=session.broker.url, result_backend=session.broker.url,
        broker_transport_options=options, result_backend_transport_options=options,
    )  # fmt: skip
    try:
        yield app
    finally:
        app.close()


def _n(events: Sequence[Event], kind: str) -> int:
    return sum(event.kind == kind for event in events)


def inspected(stage: Stage) -> float:
    """Return the share of the unfinished tasks that ``inspect active`` and ``reserved`` show."""
    from sandbox.patterns import lists

    with stage.start(_backlog()) as session, asking(session) as app:
        stage.wait(session, lambda events: _n(events, "published") == _N_WAITING)
        stage.wait(session, lambda events: _n(events, "started") >= 2)
        look = app.control.inspect(timeout=1.0)
        active, reserved = look.active() or {}, look.reserved() or {}
        queues = session.scenario.queues
        keys = lists.Keys(prefix=session.broker.prefix)
        held = lists.read(stage.redis(session), queues, keys)
    running = sum(map(len, active.values()))
    seen = running + sum(map(len, reserved.values()))
    return seen / max(seen, held.backlog + running)


def inspect_takes_s(stage: Stage) -> float:
    """Return how long one ``inspect active`` takes (s)."""
    with stage.start(_backlog()) as session, asking(session) as app:
        stage.wait(session, lambda events: _n(events, "started") >= 2)
        began = time.monotonic()
        app.control.inspect().active()
        return time.monotonic() - began


def rows_after_cancel(stage: Stage) -> float:
    """Return how many conversations of a batch are analysed once it has been cancelled."""
    with stage.start(_batch()) as session, asking(session) as app:
        stage.wait(session, lambda events: _n(events, "started") == 1)
        path = session.folder / "data.sqlite"
        _until(lambda: _rows(path) >= 2)
        app.control.revoke(f"{BATCH}/0", terminate=True)
        _until(lambda: app.AsyncResult(f"{BATCH}/0").state == "REVOKED")
        stage.wait(session, lambda events: _n(events, "acked") == 1)
        return float(_rows(path))


def revoked_though_unknown(stage: Stage) -> float:
    """Return 1 when a task that was never submitted is REVOKED once it has been cancelled."""
    with stage.start(_batch()) as session, asking(session) as app:
        app.control.revoke("nobody/0", terminate=True, reply=True, timeout=1.0)
        return float(app.AsyncResult("nobody/0").state == "REVOKED")


def progress_seen(name: str) -> Callable[[Stage], float]:
    """Return a probe: how many kinds of progress strictly between 0 and 100 % a batch shows."""

    def probe(stage: Stage) -> float:
        found: set[float] = set()
        with stage.start(_batch().but(app=_app(name))) as session, asking(session) as app:
            client = stage.redis(session)
            key = app.backend.get_key_for_task(f"{BATCH}/0")

            def ended() -> bool:
                stored: Any = client.get(key)
                meta = json.loads(stored) if stored else {}
                if meta.get("status") == "PROGRESS":
                    found.add(meta["result"]["current"] / meta["result"]["total"])
                return meta.get("status") in {"SUCCESS", "FAILURE"}

            _until(ended)
        return float(len(found - {0.0, 1.0}))

    return probe


def letters_of(name: str) -> Callable[[Stage], float]:
    """Return a probe: dead letters and messages that are kept a task that has failed for good."""

    def probe(stage: Stage) -> float:
        from sandbox.patterns import lists
        from sandbox.patterns.dead_letters import DeadLetters
        from sandbox.systems.conversations.of_reliability import failing

        failing_app = failing(name)
        with stage.start(failing_app) as session, asking(session) as app:
            n = sum(load.expected_n(1.0) for load in failing_app.loads)
            stage.wait(session, lambda events: _n(events, "failed") == n, timeout_s=20.0)
            keys = lists.Keys(prefix=session.broker.prefix)
            held = lists.read(stage.redis(session), session.scenario.queues, keys)
            return (DeadLetters(app).counts().length + held.backlog) / n

    return probe


def _app(name: str) -> str:
    return f"sandbox.systems.conversations.app:{name}"


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=5)) as database:
        found = database.execute("select count(*) from analysed_conversations").fetchone()
    return int(found[0])


def _until(ready: Callable[[], bool]) -> None:
    """Wait for a condition; TimeoutError when it does not come."""
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("what is waited for did not come")
        time.sleep(_TICK_S)
