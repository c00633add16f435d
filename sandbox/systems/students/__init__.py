"""Student messaging: bulk sends, notifications, reports and exports on three workers.

Its document promises responses 2000 times faster and at most 100 messages a minute. The scenario
keeps its settings, sends four times 100 messages beside a morning's other work, kills the
messaging worker at work, starts it again a second later, and lets an hour pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems import MOST_ROWS, Change, System, WrongModel
from sandbox.systems.students.scenarios import BULK, variants

if TYPE_CHECKING:
    from sandbox.service.ops import Op


def _acks_late(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(acks_late=True) for task in scenario.tasks))


def _one_process(scenario: Scenario) -> Scenario:
    return scenario.but(workers=tuple(pool.but(concurrency=1) for pool in scenario.workers))


def _messages_at_once(scenario: Scenario) -> Scenario:
    quick = {"kind": "deterministic", "value_s": 0.02}
    return scenario.but(
        tasks=tuple(t.but(service=quick) if t.name == BULK else t for t in scenario.tasks)
    )


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.students.claims import claims

    return claims()


def _ops() -> tuple[Op, ...]:
    from sandbox.systems.students.ops import OPS

    return OPS


SYSTEM = System(
    name="students",
    question="Are 100 messages sent 2000 times faster, and never more than 100 a minute?",
    document="Background Task Processing with Celery & Redis (student messaging)",
    make=variants,
    judge=_claims,
    operate=_ops,
    corrections=(
        "The document's tasks live in tasks/celery_tasks.py, so Celery calls them "
        "tasks.celery_tasks.*; its routes are for tasks.messaging.*, tasks.notifications.* and "
        "tasks.reports.*. As written no production worker consumes any task. Corrected here: "
        "each task has the name that its route is for.",
    ),
    assumptions=(
        "Stated: 1 s a message, 100 messages a bulk send, limits 600/900 s, retries 3 × 60 s, "
        "three workers with one queue each.",
        "Scaled: a message takes 0.02 s here (1:50). The claims on limits and retries run an app "
        "for which a second of the document is a millisecond.",
        "Implied: `def` endpoints of the synchronous front door run in FastAPI's 40 threads; "
        "`async def` endpoints that block are one web worker.",
        "Assumed: machines of two cores (--concurrency=2); a template message takes 0.2 s, "
        "notifications 0.3 s, a report 0.6 s, a CSV export 1.2 s; browsers poll every second.",
        "Assumed: results are in Redis; the document says 'stored in Redis or DB'.",
    ),
    changes=(
        Change(
            "task_routes",
            "globs that match none of the auto-named tasks",
            "each task is named as its route is; tasks.scheduled.* goes to reports",
            "else nothing is executed, and beat's cleanup waits in `celery` for ever",
        ),
        Change(
            "task_rate_limit",
            "{'…send_bulk_messages': '100/m'}",
            "task_annotations: '10/m' for tasks of 10 messages (here 500/m: 1:50)",
            "no such setting; and a rate limit counts tasks, not messages",
        ),
        Change(
            "send_bulk_messages",
            "one task of all messages",
            "the front door publishes one task for every ten phones",
            "a bulk of 700 never ends within its limit, and uses one process only",
        ),
        Change(
            "except Exception: self.retry(countdown=60)",
            "every exception, the soft time limit too, starts the batch again",
            "patterns.errors.RetryingTask: what the provider calls Retryable, with backoff; what "
            "fails for good is kept as a dead letter",
            "what is permanent, or late, must not send 600 messages again",
        ),
        Change(
            "messages",
            "sent again by every attempt",
            "a unique key for each task and phone",
            "acks_late and retries repeat a task",
        ),
        Change(
            "task_acks_late",
            "advice, not set",
            "True, with task_retry_on_worker_lost and prefetch 1",
            "a killed worker loses what it runs",
        ),
        Change(
            "task_soft_time_limit, task_time_limit",
            "600, 900",
            "60, 90",
            "a task of ten messages takes ten seconds",
        ),
        Change(
            "visibility_timeout",
            "3600 by default",
            "300",
            "what a killed worker held comes back after it; above the hard limit of 90",
        ),
        Change(
            "result_expires",
            "3600",
            "86400",
            "a client that asks after an hour is told that its task is queued",
        ),
        Change("task_track_started", "off", "True", "a running task says PENDING"),
        Change(
            "GET /api/students/export",
            "publishes an export, and gives no file",
            "POST /api/students/exports, and GET /api/students/exports/{task_id} for the file",
            "a GET may be repeated, prefetched and cached",
        ),
        Change(
            "async def endpoints",
            ".delay() and AsyncResult on the event loop",
            "plain functions that web workers run, bodies validated, unknown ids 404",
            "a Redis that does not answer freezes every request",
        ),
        Change("beat_schedule", "none shown", "cleanup daily", "beat has nothing to publish"),
    ),
    left_out={
        "Resources": "links only",
        "Performance Impact, Server resources": "the document names no machines",
        "Best Practices, Return useful data": "an opinion on what users like to see",
    },
    rows=MOST_ROWS,
    wrong={
        "acks_late on": WrongModel(_acks_late, ("done", "lost")),
        "one process a worker": WrongModel(_one_process, ("utilisation",)),
        "all messages at once": WrongModel(_messages_at_once, ("mean_service_s",)),
    },
)
