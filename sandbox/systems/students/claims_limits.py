"""Claims on limits and retries: what ends a task, and what begins it again."""

from __future__ import annotations

import math

from sandbox.claims import Claim
from sandbox.loads import Burst
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems.students.scenarios import (
    BULK,
    CUSTOM,
    DEVELOPMENT,
    PRODUCTION,
    hurried_retry,
    small,
)

_CONFIG = "Configuration, Celery Config"
_PRACTICE = "Best Practices"
_TROUBLE = "Troubleshooting"


def _too_long(name: str, app: str = "hurried", service_s: float = 0.7) -> Scenario:
    """Return one bulk send of 700 messages, a second of the document being a millisecond."""
    fields = {"service": service_s, "retries": hurried_retry()}
    return small(name, {BULK: fields}, [Burst(task=BULK, n=1)], app=app, commands=PRODUCTION[:1])


def _limits_in_threads() -> Scenario:
    command = f"{PRODUCTION[0]} --pool=threads"
    fields = {"service": 2.0, "retries": hurried_retry()}
    loads = [Burst(task=BULK, n=1)]
    return small("threads", {BULK: fields}, loads, app="hurried", commands=[command])


def _longest_s(run: Run) -> float:
    """Return how long the longest execution took (s)."""
    spans = [
        a.ended_s - a.started_s
        for a in run.fold.attempts
        if a.started_s is not None and a.ended_s is not None
    ]
    return max(spans, default=math.nan)


def _messages_a_minute(run: Run) -> float:
    """Return how fast bulk sends of 100 messages were begun, in messages a minute."""
    starts = sorted(event.t_s for event in run.of_kind("started"))
    span_s = starts[-1] - starts[0] if len(starts) > 1 else math.nan
    return 100 * (len(starts) - 1) / span_s * 60


def _rated(name: str, n_workers: int) -> Scenario:
    command = PRODUCTION[0].replace("worker1", "worker{}")
    commands = [command.format(n + 1) for n in range(n_workers)]
    n = 3 * n_workers
    return small(name, {BULK: 0.1}, [Burst(task=BULK, n=n)], app="rated", commands=commands)


def claims() -> tuple[Claim, ...]:
    """Return them."""
    too_long = {"": _too_long("700")}
    custom = {"service": 0.01, "p_failure": 1.0, "retries": hurried_retry()}
    template = {
        "": small("template", {CUSTOM: custom}, [Burst(task=CUSTOM, n=1)], app="hurried",
                  commands=DEVELOPMENT)
    }  # fmt: skip
    split = {BULK: {"service": 0.1, "retries": hurried_retry()}}
    return (
        Claim(
            "bulk operations without timeouts",
            "What's New",
            lambda failed: failed == 0,
            metric="failed",
            shown_by=too_long,
            name="without-timeouts",
            verdict="wrong",
            why="700 messages take longer than the soft limit of 600 s; the task fails in the end.",
        ),
        Claim(
            "task_soft_time_limit=600: warn after 10 minutes",
            _CONFIG,
            lambda executions: executions == 1,
            metric="executions",
            shown_by=too_long,
            name="soft-limit-warns",
            verdict="wrong",
            why="SoftTimeLimitExceeded is an Exception: `except Exception: self.retry()` begins "
            "the whole batch again, three times.",
            rows=("1.2 #16",),
        ),
        Claim(
            "use timeouts: prevent stuck tasks (15 min max)",
            f"{_PRACTICE} 2; {_CONFIG}",
            lambda longest_s: longest_s < 1.4,
            number=_longest_s,
            shown_by={
                "prefork": _too_long("prefork", service_s=2.0),
                "threads": _limits_in_threads(),
            },
            unit="s, the limit being 0.9",
            name="timeouts",
            verdict="depends",
            why="Only a prefork worker can end a task; threads and solo ignore both limits.",
            rows=("1.3 S5-5",),
        ),
        Claim(
            "task timeout: increase task_time_limit",
            f"{_TROUBLE}, Task Timeout",
            lambda failed: failed == 0,
            metric="failed",
            shown_by={"": _too_long("patient", "patient")},
            name="increase-time-limit",
            verdict="wrong",
            why="The soft limit of 600 s strikes first, however high the hard one.",
        ),
        Claim(
            "task timeout: break task into smaller subtasks",
            f"{_TROUBLE}, Task Timeout; {_PRACTICE} 1",
            lambda failed: failed == 0,
            metric="failed",
            shown_by={"": small("split", split, [Burst(task=BULK, n=7)], app="split")},
            name="smaller-subtasks",
            verdict="right",
            why="Seven tasks of 100 messages each end within the limit that one of 700 breaks.",
        ),
        Claim(
            "max 100 msgs/minute (where Celery reads the limit: task_annotations)",
            f"{_CONFIG}, Rate limiting",
            lambda rate: rate <= 110,
            number=_messages_a_minute,
            shown_by={"one worker": _rated("rated", 1), "two workers": _rated("rated-2", 2)},
            unit="messages/min",
            name="rate-counts-tasks",
            verdict="wrong",
            why="The limit counts tasks, of 100 messages each, and each worker by itself.",
            rows=("1.3 S5-2",),
        ),
        Claim(
            "retry up to 3 times with 60 second delay",
            "Creating Custom Tasks",
            lambda retried: retried == 3,
            metric="retried",
            shown_by=template,
            name="three-retries",
            verdict="right",
            why="self.retry(max_retries=3) publishes three retries and then fails.",
        ),
        Claim(
            "template for new tasks",
            "Creating Custom Tasks",
            lambda done: done == 1,
            metric="done",
            shown_by=template,
            name="template",
            verdict="wrong",
            why="Its do_work() returns `result`, which is bound only by its own return: NameError "
            "in each of the four executions.",
            rows=("1.2 #17",),
        ),
    )
