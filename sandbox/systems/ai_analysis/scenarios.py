"""The AI analysis' scenarios: its app, and what its document says beside it.

Times of the document are divided by ``HURRY``; Celery's own whole seconds of backoff are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sandbox.draws import Deterministic, Uniform
from sandbox.faults import At, OnEvent
from sandbox.faults.deploy import Deploy
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.front import FrontDoor
from sandbox.loads import Burst, Poisson
from sandbox.scenario import Host, Scenario
from sandbox.systems._deriving import derived
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, HURRY, QUEUES, TEST

APP = "sandbox.systems.ai_analysis.app"
DOOR = "sandbox.systems.ai_analysis.front:DOOR"
_WORKER = "celery -A celery_config worker --loglevel=info"
WORKER = f"{_WORKER} --concurrency=2"
"""Beside Flask in one container, as the document's option 1 starts it."""
CONTAINER = f"{_WORKER} --concurrency=4 --max-tasks-per-child=50"
"""In a container of its own, as its options 2 and 3 start it."""
CALL = Uniform(low_s=5 / HURRY, high_s=10 / HURRY)
"""Stated: a call of the provider takes 5 to 10 seconds."""
REPLY = Uniform(low_s=2 / HURRY, high_s=4 / HURRY)
USERS = 10
POLL_S = 2 / HURRY
_QUICK = Deterministic(value_s=0.02)


def tasks(p_failure: float = 0.0) -> dict[str, dict[str, Any]]:
    """Return what an app cannot say of its tasks: how long they take, how often they fail."""
    return {
        ANALYZE: {"service": CALL, "p_failure": p_failure},
        CHAT: {"service": REPLY},
        TEST: {"service": _QUICK},
    }


def consuming(command: str, queues: str = QUEUES) -> str:
    """Return a command that consumes the queues that tasks are routed to.

    >>> consuming("celery -A celery_config worker")
    'celery -A celery_config worker -Q analysis,chat,test'
    """
    return f"{command} -Q {queues}"


def described(
    name: str,
    commands: Sequence[str],
    *,
    app: str = "hurried_written",
    p_failure: float = 0.0,
    **more: Any,
) -> Scenario:
    """Return a scenario of one of the document's apps and of the workers that it starts."""
    fields: dict[str, Any] = {"horizon_s": 4.0, "deadline_s": 60.0, "seed": 11} | more
    return derived(f"{APP}:{app}", name, commands, tasks=tasks(p_failure), **fields)


def analyses(n: int, at_s: float = 0.0) -> Burst:
    """Return ``n`` users who click "Analyze" at once."""
    return Burst(task=ANALYZE, n=n, at_s=at_s)


def chats(n: int, at_s: float = 0.0) -> Burst:
    """Return ``n`` users who ask the chat at once."""
    return Burst(task=CHAT, n=n, at_s=at_s)


_DAY = (
    analyses(20),
    Poisson(task=CHAT, rate_per_s=1.5, stop_s=8.0),
    Burst(task=TEST, n=2),
)
_MENDED = (
    "celery -A celery_config worker -Q analysis --concurrency=1 --prefetch-multiplier=1 -n a@%h",
    "celery -A celery_config worker -Q chat,test --concurrency=2 --prefetch-multiplier=1 -n c@%h",
)


def variants() -> dict[str, Scenario]:
    """Return the document's deployments, its migration's phases, and its front door.

    ``operations`` is not hurried: at five a minute its backlog stays while commands look at it.
    """
    day: dict[str, Any] = {"loads": _DAY, "horizon_s": 10.0, "p_failure": 0.1}
    stop = OnEvent(event="started", nth=4, after_s=0.05)
    return {
        "corrected": described("corrected", [consuming(WORKER)], **day),
        "as-written": described("as-written", [WORKER], loads=_DAY[:1], horizon_s=3.0,
                                deadline_s=4.0),
        "mended": described("mended", _MENDED, app="mended", **day),
        "option-1": described(
            "option-1", [consuming(WORKER)], **day, hosts=(Host(cores=1),),
            faults=(
                KillWorker(worker="worker1", when=stop, back_after_s=1.0),
                Skip(seconds=3600.0, when=At(at_s=12.0)),
            ),
        ),
        "option-2": described("option-2", [consuming(CONTAINER)], **day,
                              faults=(Deploy(when=At(at_s=2.0)),)),
        "option-3": described("option-3", [consuming(CONTAINER)] * 5, **day),
        "hundred": described("hundred", [consuming(WORKER)], loads=(analyses(100),),
                             horizon_s=45.0, deadline_s=90.0),
        "phase-1": door("sync"),
        "phase-2": door("async", poll_every_s=1000.0, timeout_s=1.0),
        "phase-3": door("async"),
        "operations": described(
            "operations", [consuming(WORKER)], app="written", loads=(analyses(30), chats(5)),
            horizon_s=10.0, deadline_s=30.0,
        ),
        "before": door("sync"),
        "after": door("async"),
    }  # fmt: skip


def door(
    mode: Literal["sync", "async"], n: int = USERS, n_web_workers: int = 10, **more: Any
) -> Scenario:
    """Return the front door to which ``n`` users come at once, without or with a queue."""
    fields: dict[str, Any] = {"poll_every_s": POLL_S, "n_web_workers": n_web_workers} | more
    front = FrontDoor(requests=analyses(n), mode=mode, app=DOOR, **fields)
    return described(f"door-{mode}", [consuming(WORKER)], front_door=front)
