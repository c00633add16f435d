"""Claims on queues: who takes what, and who waits for whom."""

from __future__ import annotations

import math
from typing import Any

from sandbox.claims import Claim
from sandbox.loads import Burst
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems.students.scenarios import BULK, CLEANUP, DEVELOPMENT, NOTIFY, PRODUCTION, small

_CONFIG = "Configuration, Celery Config"
_PRACTICE = "Best Practices"


def _done_share(run: Run) -> float:
    """Return the share of the tasks sent that succeeded."""
    sent = [j for j in run.fold.journeys.values() if j.n_sent]
    return sum(j.n_succeeded > 0 for j in sent) / len(sent) if sent else math.nan


def _longest_notification_wait(run: Run) -> float:
    """Return the longest wait of a notification, in times of a bulk send."""
    waits = [
        a.started_s - a.sent_s
        for a in run.fold.attempts
        if a.task.startswith(NOTIFY) and a.started_s is not None and a.sent_s is not None
    ]
    return max(waits, default=math.nan) / run.scenario.task(BULK).service.mean_s


def _never(name: str, task: str, **more: Any) -> Scenario:
    """Return three tasks that nobody may take: the run is over after two seconds."""
    load = [Burst(task=task, n=3)]
    return small(name, {task: 0.1}, load, horizon_s=1.0, deadline_s=2.0, **more)


def _auto(task: str) -> str:
    return f"tasks.celery_tasks.{task.rpartition('.')[2]}"


def claims() -> tuple[Claim, ...]:
    """Return them."""
    everywhere = "messaging,notifications,reports"
    split = [f"{command} --prefetch-multiplier=1" for command in PRODUCTION]
    pooled = [
        command.replace(queue, everywhere)
        for command, queue in zip(split, everywhere.split(","), strict=True)
    ]
    bulks = {BULK: 0.5}, [Burst(task=BULK, n=12)]
    behind = [Burst(task=BULK, n=8), Burst(task=NOTIFY, n=2, at_s=0.2)]
    return (
        Claim(
            "task_routes: organize by type (three production workers)",
            f"{_CONFIG}; Running Celery Workers",
            lambda share: share == 1,
            number=_done_share,
            shown_by={"": _never("globs", _auto(BULK), app="written")},
            unit="of the tasks done",
            name="route-globs",
            verdict="wrong",
            why="Tasks in tasks/celery_tasks.py are called tasks.celery_tasks.*: no glob matches, "
            "and nobody consumes the queue `celery`.",
            rows=("1.2 #8",),
        ),
        Claim(
            "start a worker (development)",
            "Running Celery Workers; Next Steps 1",
            lambda share: share == 1,
            number=_done_share,
            shown_by={
                "names as in the document": small(
                    "development", {_auto(BULK): 0.1}, [Burst(task=_auto(BULK), n=3)],
                    app="written", commands=DEVELOPMENT,
                ),
                "names that the routes match": _never("no-q", BULK, commands=DEVELOPMENT),
            },
            unit="of the tasks done",
            name="development-worker",
            verdict="depends",
            why="Without -Q it takes `celery` only: all tasks while no route matches, none once "
            "the routes work.",
        ),
        Claim(
            "cleanup_old_sessions: runs daily, cleans up old data",
            "Available Tasks, Scheduled Tasks",
            lambda share: share == 1,
            number=_done_share,
            shown_by={"": _never("cleanup", CLEANUP)},
            unit="of the tasks done",
            name="cleanup-runs",
            verdict="wrong",
            why="No route is for it, so it goes to `celery`, which no production worker consumes.",
            rows=("1.2 #9",),
        ),
        Claim(
            "notifications are created in background",
            "Usage Examples 3, Send Bulk Notifications",
            lambda share: share == 1,
            number=_done_share,
            shown_by={"": small("notifications", {NOTIFY: 0.1}, [Burst(task=NOTIFY, n=5)])},
            unit="of the tasks done",
            name="notifications",
            verdict="right",
            why="Named as its route is, the task is done by the worker of its queue.",
        ),
        Claim(
            "one worker per queue",
            "Running Celery Workers, Start Multiple Workers",
            lambda busy: busy >= 0.6,
            metric="utilisation",
            shown_by={
                "one queue each": small("split-queues", *bulks, commands=split),
                "all queues each": small("pooled", *bulks, commands=pooled),
            },
            name="worker-per-queue",
            verdict="depends",
            why="Twelve bulk sends keep one worker busy while the two others may not help; it is "
            "right for isolation only.",
            rows=("1.3 S5-8",),
        ),
        Claim(
            "use task routing: separate queues for different task types",
            f"{_PRACTICE} 5",
            lambda number: number < 1,
            number=_longest_notification_wait,
            shown_by={"": small("isolated", {BULK: 0.5, NOTIFY: 0.1}, behind)},
            unit="× a bulk send's time",
            name="isolation",
            verdict="right",
            why="A notification does not wait behind bulk sends that have a worker of their own.",
        ),
    )  # fmt: skip
