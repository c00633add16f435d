"""What the claims see in a living system, and what they read from Celery's own configuration."""

from __future__ import annotations

import math
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sandbox.faults import OnEvent
from sandbox.systems.ai_analysis.names import ANALYZE
from sandbox.systems.ai_analysis.scenarios import WORKER, analyses, consuming, described

if TYPE_CHECKING:
    from celery import Celery
    from celery.result import AsyncResult

    from sandbox.engines.live.engine import LiveSession
    from sandbox.engines.live.stage import Stage

_PATIENCE_S = 3.0


def app_at(url: str, prefix: str = "") -> Celery:
    """Return the document's app, connected as the web process of it is."""
    from sandbox.systems.ai_analysis.app import WRITTEN, build

    found = build(WRITTEN)
    options = {"global_keyprefix": prefix}
    found.conf.update(
        broker_url=url,
        result_backend=url,
        broker_transport_options=options,
        result_backend_transport_options=options,
    )
    return found


@contextmanager
def _running(stage: Stage, n: int) -> Iterator[tuple[LiveSession, Celery]]:
    """Start ``n`` analyses that take their time; yield once the first has begun."""
    one = described("probe", [consuming(WORKER)], loads=(analyses(n),))
    slow = [
        task.but(service={"kind": "deterministic", "value_s": 2.0})
        if task.name == ANALYZE
        else task
        for task in one.tasks
    ]
    with stage.start(one.but(tasks=slow)) as session:
        session.wait_for(OnEvent(event="started"))
        yield session, app_at(session.broker.url, session.broker.prefix)


def told_of_the_backlog(stage: Stage) -> float:
    """Return which share of the backlog the document's ``total_pending`` is."""
    n = 40
    with _running(stage, n) as (session, app):
        stage.wait(session, lambda events: sum(e.kind == "published" for e in events) == n)
        inspect = app.control.inspect(timeout=1.0)
        replies = [inspect.active() or {}, inspect.reserved() or {}]
    return sum(len(tasks) for reply in replies for tasks in reply.values()) / n


def pending_means_waiting(stage: Stage) -> float:
    """Return 1 if PENDING is said only of tasks that wait; 0 when of one that runs, or of none."""
    with _running(stage, 1) as (_, app):
        running = app.AsyncResult(f"{ANALYZE}/0").state
        unknown = app.AsyncResult("abc-123-def").state
    return float("PENDING" not in {running, unknown})


def cancelled_is_true(stage: Stage) -> float:
    """Return 1 if only what was there is said to be cancelled; 0 when an unknown id is, too."""
    with _running(stage, 1) as (_, app):
        unknown = app.AsyncResult("abc-123-def")
        unknown.revoke(terminate=True)
        return float(not until_revoked(unknown))


def until_revoked(result: AsyncResult[Any]) -> bool:
    """Wait, but not for long, until a task is said to be REVOKED; return whether it is."""
    deadline = time.monotonic() + _PATIENCE_S
    while result.state != "REVOKED":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fallback_when_half_open(_: Stage) -> float:
    """Return the real seconds until a publish gives up whose broker takes and never answers.

    Infinite when it has not within some: nothing in its settings would ever end it.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = app_at(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        took: list[float] = []

        def publish() -> None:
            began = time.monotonic()
            try:
                app.tasks[ANALYZE].apply_async()
            except Exception:  # noqa: BLE001 - whatever it raises, it has given up
                took.append(time.monotonic() - began)

        thread = threading.Thread(target=publish, daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        return took[0] if took else math.inf


def told_to_stop(_: Stage) -> float:
    """Return to how many of a shell's two children the shell's SIGTERM was passed on."""
    child = """/bin/sh -c 'trap "echo told" TERM; echo up; sleep 0.6; sleep 0.6'"""
    shell = subprocess.Popen(  # noqa: S603 - two shells of our own
        ["/bin/sh", "-c", f"{child} & {child}"], stdout=subprocess.PIPE, text=True
    )
    assert shell.stdout is not None
    for _line in range(2):
        shell.stdout.readline()
    shell.send_signal(signal.SIGTERM)
    shell.wait(_PATIENCE_S)
    return float(shell.stdout.read().count("told"))


# --- what is read -----------------------------------------------------------------------------


def fallback_when_refused() -> float:
    """Return the real seconds for which a publish tries to reach a broker that refuses it.

    The sum of the pauses of the result backend's policy, to which ``apply_async`` subscribes
    first (celery/backends/redis.py ``on_task_call``); measured once: 19.2 s.
    """
    policy: dict[str, Any] = app_at("redis://127.0.0.1:1/0").backend.retry_policy
    pause, total = float(policy["interval_start"]), 0.0
    for _ in range(int(policy["max_retries"])):
        total += pause
        pause = min(float(policy["interval_max"]), pause + float(policy["interval_step"]))
    return total


def status_of_the_view() -> float:
    """Return the HTTP status of the document's view of a task's state, called once."""

    def get_task_status(task_id: str) -> Any:
        return get_task_status(task_id)

    try:
        get_task_status("abc-123-def")
    except RecursionError:
        return 500.0
    return 200.0


def states_that_never_end() -> float:
    """Return in how many final states the document's frontend asks on for ever."""
    from celery.states import READY_STATES

    return float(len(set(READY_STATES) - {"SUCCESS", "FAILURE"}))


def requirements_fit() -> float:
    """Return 1 if ``celery[redis]==5.3.4`` allows ``redis==5.0.1``, by its own requirement."""
    from packaging.specifiers import SpecifierSet

    # celery v5.3.4, requirements/extras/redis.txt
    return float("5.0.1" in SpecifierSet(">=4.5.2,!=4.5.5,<5.0.0"))


def pool_is(kind: str) -> Callable[[], float]:
    """Return what tells whether the document's worker command starts a pool of this kind."""
    return lambda: float(all(pool.pool == kind for pool in described("pool", [WORKER]).workers))


def workers_of(command: str) -> Callable[[], float]:
    """Return what tells how many workers a command starts."""
    return lambda: float(sum(pool.n_workers for pool in described("one", [command]).workers))


def sees_what_waits() -> float:
    """Return 1 if the app says when it publishes a task: Flower sees no other sign of it."""
    return float(bool(app_at("redis://127.0.0.1:1/0").conf.task_send_sent_event))
