"""Claims about settings: what Celery reads of them, and what it does not."""

from __future__ import annotations

from functools import partial

from sandbox.claims import Claim
from sandbox.systems.conversations import reading
from sandbox.systems.conversations.of_reliability import too_long

_VARIABLES = "Environment Variables"
_TASKS = "Task Configuration"
_BROKER, _RESULTS = "redis://localhost:6379/0", "redis://localhost:6379/1"


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_environment(), *_constants(), *_started())


def _environment() -> tuple[Claim, ...]:
    return (
        Claim(
            text="CELERY_BROKER_URL=redis://localhost:6379/0",
            source=_VARIABLES,
            holds=lambda read: read == 1,
            reads=partial(
                reading.from_environment, "broker_url", _BROKER, CELERY_BROKER_URL=_BROKER
            ),
            unit="(1: read)",
            name="env-broker",
            verdict="right",
            why="It is one of the few variables that Celery reads, and it overrides the code.",
            rows=("1.2 #4",),
        ),
        Claim(
            text="CELERY_RESULT_BACKEND=redis://localhost:6379/1",
            source=_VARIABLES,
            holds=lambda read: read == 1,
            reads=partial(
                reading.from_environment, "result_backend", _RESULTS, CELERY_RESULT_BACKEND=_RESULTS
            ),
            unit="(1: read)",
            name="env-backend",
            verdict="right",
            why="Celery reads this one too, and it overrides the code.",
            rows=("1.2 #4",),
        ),
        Claim(
            text="CELERY_TASK_SERIALIZER and CELERY_RESULT_SERIALIZER as environment variables",
            source=_VARIABLES,
            holds=lambda read: read == 1,
            reads=lambda: min(
                reading.from_environment(setting, "yaml", **{f"CELERY_{setting.upper()}": "yaml"})
                for setting in ("task_serializer", "result_serializer")
            ),
            unit="(1: read)",
            name="env-serializer",
            verdict="wrong",
            why="Celery does not read them; that the result is JSON is its default.",
            rows=("1.2 #4",),
        ),
        Claim(
            text="REDIS_HOST, REDIS_PORT, REDIS_DB_BROKER, REDIS_DB_BACKEND",
            source=_VARIABLES,
            holds=lambda read: read == 1,
            reads=partial(
                reading.from_environment, "broker_url", "redis://elsewhere:6380/4",
                REDIS_HOST="elsewhere", REDIS_PORT="6380", REDIS_DB_BROKER="4",
            ),
            unit="(1: read)",
            name="env-redis",
            verdict="wrong",
            why="No variable of these names is Celery's; without code that puts them together the "
            "app looks for AMQP on localhost.",
        ),
    )  # fmt: skip


def _constants() -> tuple[Claim, ...]:
    return (
        Claim(
            text="TASK_TIME_LIMIT = 600, TASK_SOFT_TIME_LIMIT = 300 (scaled to 1 and 0.5 s)",
            source=_TASKS,
            holds=lambda failed: failed == 1,
            metric="failed",
            shown_by={"": too_long("written_quick")},
            name="limits",
            verdict="wrong",
            why="In capitals and without a namespace Celery does not read them: a task of three "
            "times the limit is done.",
            rows=("1.2 #3",),
        ),
        Claim(
            text="TASK_SOFT_TIME_LIMIT = 300: 5 minutes",
            source=_TASKS,
            holds=lambda limit_s: limit_s == 300,
            reads=partial(reading.capitals, "task_soft_time_limit"),
            unit="s (0: none)",
            name="soft-limit",
            verdict="wrong",
            why="task_soft_time_limit stays None.",
            rows=("1.2 #3",),
        ),
        Claim(
            text="TASK_RETRY_DELAY = 60: 1 minute; TASK_MAX_RETRIES = 3",
            source=_TASKS,
            holds=lambda delay_s: delay_s == 60,
            reads=reading.retry_delay_s,
            unit="s",
            name="retry-delay",
            verdict="wrong",
            why="Celery has no such settings: the delay is the task's own, 180 s, and max_retries "
            "is 3 by accident, since that is the default.",
            rows=("1.2 #2",),
        ),
    )


def _started() -> tuple[Claim, ...]:
    return (
        Claim(
            text="start Celery Beat for scheduled tasks; automated data maintenance",
            source="Deployment Instructions 3",
            holds=lambda entries: entries > 0,
            reads=reading.beat_entries,
            unit="entries",
            name="beat",
            verdict="wrong",
            why="No schedule is shown: beat runs and publishes nothing.",
        ),
        Claim(
            text="resource optimization: non-blocking API operations",
            source="Scalability Features",
            holds=lambda gap_s: gap_s < 0.1,
            reads=reading.loop_stands_s,
            unit="s without a turn of the event loop",
            name="non-blocking",
            verdict="wrong",
            why="delay() blocks: in an async endpoint a broker that does not answer stops every "
            "other request; here endpoints run in threads.",
        ),
    )
