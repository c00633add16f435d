"""What the model is timed on: one M/M/8 queue, and three queues with all that costs it time."""

from __future__ import annotations

from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

NO_OVERHEADS = Overheads().scaled(0.0)
SERVERS, RATE_PER_S, HORIZON_S = 8, 7.2, 6000.0
_TASKS_PER_S = 24.0


def mm8(seed: int) -> Scenario:
    """M/M/8 at utilisation 0.9, some 43,000 tasks; nothing of Celery's delays it."""
    return Scenario(
        name="mm8",
        tasks=(
            {"name": "job", "service": {"kind": "exponential", "mean_s": 1.0}, "acks_late": True},
        ),
        workers=({"concurrency": SERVERS, "prefetch_multiplier": 1},),
        loads=({"kind": "poisson", "task": "job", "rate_per_s": RATE_PER_S},),
        horizon_s=HORIZON_S,
        deadline_s=HORIZON_S * 2,
        seed=seed,
    )


def three_queues(n_tasks: int, seed: int) -> Scenario:
    """Three queues and workers with early and late acks, retries, countdowns and a rate limit."""
    exponential = {"kind": "exponential", "mean_s": 0.5}
    skewed = {"kind": "lognormal", "mean_s": 1.0, "cv": 1.0}
    again = {"kind": "auto", "max_retries": 3}
    tasks = (
        {"name": "mail", "queue": "mail", "service": exponential,
         "p_failure": 0.1, "retries": (again | {"countdown_s": 2.0},)},
        {"name": "photo", "queue": "photo", "service": skewed, "acks_late": True,
         "p_failure": 0.05, "retries": (again | {"backoff_s": 1},)},
        {"name": "report", "queue": "report", "service": exponential, "rate_limit": "20/s"},
    )  # fmt: skip
    queues = ("mail", "photo", "report")
    horizon_s = n_tasks / _TASKS_PER_S
    return Scenario(
        name="three",
        queues=queues,
        tasks=tasks,
        workers=(
            {"name": "all", "n_workers": 2, "concurrency": 8, "queues": queues},
            {"name": "slow", "concurrency": 8, "queues": ("photo", "report")},
        ),
        loads=tuple(
            {"kind": "poisson", "task": name, "rate_per_s": _TASKS_PER_S / 3} for name in queues
        ),
        horizon_s=horizon_s,
        deadline_s=2 * horizon_s + 1000.0,
        seed=seed,
    )
