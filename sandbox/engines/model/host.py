"""A host: its cores, shared by the processes that compute on it (processor sharing)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import simpy

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.clock import Clock

_TINY_S = 1e-12


class Job:
    """``left_s`` seconds of one core for a task; then ``done`` rings with the task's outcome."""

    __slots__ = ("done", "left_s", "outcome", "process")

    def __init__(self, done: Alarm, work_s: float, outcome: Any, process: object) -> None:
        self.done, self.left_s, self.outcome, self.process = done, work_s, outcome, process


class Host:
    """Runs jobs, each at the rate min(1, cores / busy processes) of a core.

    A process is a prefork child or a solo worker; all threads of a threads worker are one
    process, since Python lets one of them compute at a time.
    """

    def __init__(self, env: Clock, n_cores: int) -> None:
        self.env, self.n_cores = env, n_cores
        self._jobs: dict[Job, None] = {}
        self._threads: Counter[object] = Counter()
        self._seen_s = 0.0
        self._alarm: simpy.Event | None = None

    def run(self, job: Job) -> None:
        """Start a job."""
        self._catch_up()
        self._jobs[job] = None
        self._threads[job.process] += 1
        self._rearm()

    def stop(self, job: Job) -> bool:
        """Take a job off the processor; return whether it was still on it."""
        if job not in self._jobs:
            return False
        self._catch_up()
        self._remove(job)
        self._rearm()
        return True

    def _remove(self, job: Job) -> None:
        del self._jobs[job]
        self._threads[job.process] -= 1
        if not self._threads[job.process]:
            del self._threads[job.process]

    def _rate(self, job: Job) -> float:
        return min(1.0, self.n_cores / len(self._threads)) / self._threads[job.process]

    def _catch_up(self) -> None:
        """Take the time since the last change off what each job has left."""
        passed, self._seen_s = self.env.now - self._seen_s, self.env.now
        if passed > 0:
            for job in self._jobs:
                job.left_s -= passed * self._rate(job)

    def _rearm(self) -> None:
        """Set the alarm for the job that ends next at today's rates."""
        self._alarm = None
        if self._jobs:
            next_s = min(job.left_s / self._rate(job) for job in self._jobs)
            self._alarm = simpy.Timeout(self.env, max(0.0, next_s))
            self._alarm.callbacks.append(self._end_jobs)

    def _end_jobs(self, alarm: simpy.Event) -> None:
        if alarm is not self._alarm:
            return  # The rates have changed since it was set.
        self._catch_up()
        slack_s = max(_TINY_S, math.ulp(self.env.now) * 4)
        for job in [job for job in self._jobs if job.left_s <= slack_s]:
            self._remove(job)
            job.done.ring(0.0, job.outcome)
        self._rearm()
