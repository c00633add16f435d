"""Time limits: the one that a body reaches first. Only a prefork pool has any.

Compare celery/worker/request.py (``on_timeout``) and billiard/pool.py (``TimeoutHandler``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import simpy
from simpy import Timeout

from sandbox.engines.model.host import Job
from sandbox.scenario import TaskType

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker

SOFT, HARD = "SoftTimeLimitExceeded", "TimeLimitExceeded"


def first_limit(task: TaskType) -> tuple[float | None, str]:
    """Return the time limit that comes first, and its error."""
    soft_s, hard_s = task.soft_time_limit_s, task.time_limit_s
    if soft_s is not None and (hard_s is None or soft_s <= hard_s):
        return soft_s, SOFT
    return hard_s, HARD


def limit_job(worker: Worker, job: Job, limit_s: float, error: str) -> None:
    """End a computation after ``limit_s`` on the clock, however little of it is done."""

    def expire(event: simpy.Event) -> None:
        if worker.pause is not None:
            worker.pause.later(expire, event)
        elif worker.host.stop(job):
            job.done.ring(0.0, error)

    Timeout(worker.env, limit_s).callbacks.append(expire)
