"""The system of the soak: tasks of every kind, so that each fault finds something to break.

Bodies that compute keep the cores busy and are published as fast as they are taken; all others
come at rates of their own. Only two types keep results: a result stays in Redis for a day, and
each publisher keeps a subscription to each result that it might ask for (celery/backends/redis.py,
``ResultConsumer``). Both are Celery's own growth, and would hide ours.
"""

from __future__ import annotations

from typing import Any

from proof.build import poisson
from sandbox.scenario import Scenario

FILLERS = ("crunch", "render")
"""The types of which there is always one more in the queue."""
BACKLOG = 6
DRAIN_S = 300.0
_LATE = {"acks_late": True}
_REJECT = {"acks_late": True, "reject_on_worker_lost": True}


def system(seconds: float, seed: int) -> Scenario:
    """Return the scenario of a soak whose loads stop after ``seconds``."""
    return Scenario(
        name="soak",
        tasks=_tasks(),
        workers=[
            {"name": "worker", "n_workers": 2, "concurrency": 2, "prefetch_multiplier": 2},
            {"name": "single", "n_workers": 1, "concurrency": 1, "prefetch_multiplier": 1},
        ],
        loads=[
            poisson(0.15, "sleep"), poisson(0.1, "flaky"), poisson(0.1, "later"),
            poisson(0.1, "urgent"), poisson(0.1, "call"),
        ],
        dependencies=[{"name": "db", "capacity": 2}],
        broker={
            "visibility_timeout_s": 30.0, "unacked_restore_interval_s": 2.0,
            "unacked_restore_throttle": 1, "health_check_interval_s": 5.0, "persistence": "aof",
        },
        horizon_s=seconds,
        deadline_s=seconds + DRAIN_S,
        seed=seed,
    )  # fmt: skip


def _tasks() -> list[dict[str, Any]]:
    # Long enough that the record, which keeps every event, grows slowly beside busy cores.
    burn = {"service": {"kind": "lognormal", "mean_s": 5.0, "cv": 0.5}, "work": "cpu"}
    short = {"service": {"kind": "exponential", "mean_s": 0.1}, "ignore_result": True}
    again = [{"kind": "auto", "max_retries": 3, "countdown_s": 1.0}]
    call = {"dependency": "db", "service": {"kind": "exponential", "mean_s": 0.2}, "timeout_s": 2.0}
    return [
        {"name": "crunch", "ignore_result": True} | burn,
        {"name": "render", "ignore_result": True} | burn | _REJECT,
        {"name": "sleep", "service": {"kind": "exponential", "mean_s": 1.0}} | _LATE,
        {"name": "flaky", "p_failure": 0.4, "retries": again} | short | _REJECT,
        {"name": "later", "countdown_s": 5.0} | short | _LATE,
        {"name": "urgent", "priority": 9} | short,
        {"name": "call", "calls": call, "retries": again} | short | _REJECT,
    ]
