"""Live Validation Dashboard: events of mobile apps, stored behind a queue; 4 + 2 processes.

Its document promises that a queue turns an API that fails at 100 requests a minute into one that
takes 500, ten times faster, and that tasks survive a worker's crash. The scenario keeps its
workers and settings, lets a surge of events come on top of 500 a minute, and kills the batch
worker while it aggregates; when all else is done it lets an hour pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems import MOST_ROWS, Change, System, WrongModel

if TYPE_CHECKING:
    from sandbox.service.ops import Op


def _variants() -> Mapping[str, Scenario]:
    from sandbox.systems.dashboard.scenarios import variants

    return variants()


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.dashboard.claims import claims

    return claims()


def _operations() -> tuple[Op, ...]:
    from sandbox.systems.dashboard.ops import OPS

    return OPS


def _late_ack(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(acks_late=True) for task in scenario.tasks))


def _half_the_processes(scenario: Scenario) -> Scenario:
    pools = tuple(pool.but(concurrency=max(1, pool.concurrency // 2)) for pool in scenario.workers)
    return scenario.but(workers=pools)


_CORRECTIONS = (
    "celery_config.py shows names such as CELERY_BROKER_URL and no namespace: Celery would look "
    "for AMQP on this machine. Corrected here: namespace='CELERY'.",
    "The queues default, emails and batch_processing are described, their routes are not shown: "
    "as written every task goes to 'celery', which no worker takes. Corrected here: task_routes.",
    "The soft limit of 5 minutes stands only in the text. Corrected here: task_soft_time_limit.",
)
_ASSUMPTIONS = (
    "Stated: 500 events a minute, about 100 ms an event in the background, 50 to 100 ms in a "
    "synchronous request (75 ms here), 4 web workers, 4 + 2 processes or 8, 2 and 1; limits "
    "300/600 s.",
    "Implied: emails are of medium volume, one a second here; aggregation is heavy, 2 s here.",
    "Assumed: a mail takes 0.3 s; a surge of 80 events at once; a visitor who wants to know asks "
    "once a second.",
    "Scaled: limits of minutes are shown by ones of a second; an hour is skipped, not waited for.",
    "Flask's part is played by FastAPI, PostgreSQL's by SQLite, unless a postgresql:// URL is "
    "given, and SMTP's by a stand-in that counts its mails in the database.",
)
_CHANGES = (
    Change(
        "config_from_object",
        "no namespace",
        "namespace='CELERY'",
        "without it broker, limits and routes are not read, in silence",
    ),
    Change(
        "task_routes",
        "described",
        "each task to its queue, the rest to 'default'",
        "what is not routed goes to 'celery', which no worker takes",
    ),
    Change(
        "task_acks_late",
        "False",
        "True",
        "a worker that dies with an event in hand would lose it",
    ),
    Change(
        "process_event_async, send_email_async, batch_process_events",
        "an effect an execution",
        "an effect a task, by an idempotency key",
        "late acknowledgement runs a task again, which must not store or send again",
    ),
    Change(
        "task_retry_on_worker_lost",
        "False",
        "True, after 1 s, 5 times at most",
        "an event that kills its process must not go round for ever",
    ),
    Change(
        "retries",
        "CELERY_TASK_MAX_RETRIES = 3",
        "autoretry_for=(Retryable,), max_retries=5, backoff 1 to 60 s, jitter",
        "there is no such setting; nothing is retried unless the task says so",
    ),
    Change(
        "what fails for good",
        "a FAILURE that nobody reads",
        "kept as a dead letter, to be listed and replayed",
        "an event that was accepted must not end in a result that expires after a day",
    ),
    Change(
        "task_time_limit, task_soft_time_limit",
        "600, 300 s",
        "30, 20 s",
        "a write takes 0.1 s; a hung one would hold its process for 10 minutes",
    ),
    Change(
        "visibility_timeout",
        "3600 s",
        "120 s",
        "what a dead worker held comes back in minutes; it must be above the hard limit",
    ),
    Change(
        "worker_prefetch_multiplier",
        "4",
        "1",
        "what a dead worker held waits for the timeout: the less, the better",
    ),
    Change(
        "worker commands",
        "no -n",
        "-n events1@%h, -n batch1@%h",
        "two workers of one name are seen as one",
    ),
    Change(
        "worker commands",
        "--max-tasks-per-child only when memory is short",
        "--max-tasks-per-child=500",
        "a child that leaks is replaced before it hurts",
    ),
)
_LEFT_OUT = {
    "1. Start Dependencies": "brew services and nginx: the sandbox starts its own Redis and door",
    "Check Task Queue Status (Flower)": "an optional extra, never in the default environment",
    "Multi-Server: Load Balancer (Nginx)": "one machine; its workers run here as multi-server",
    "Next Steps: Multi-region": "one machine and one Redis have no regions",
    "References": "links",
}

SYSTEM = System(
    name="dashboard",
    question="Does a queue carry 500 events a minute, and does it keep them in a crash?",
    document="Async Event Processing with Celery & Redis (Live Validation Dashboard)",
    make=_variants,
    judge=_claims,
    operate=_operations,
    corrections=_CORRECTIONS,
    assumptions=_ASSUMPTIONS,
    changes=_CHANGES,
    left_out=_LEFT_OUT,
    # None of its tasks expires.
    rows=tuple(row for row in MOST_ROWS if row != "revoked"),
    wrong={
        "acks_late on": WrongModel(_late_ack, ("done", "lost", "redelivered")),
        "half the processes": WrongModel(
            _half_the_processes, ("mean_wait_s", "mean_latency_s", "utilisation")
        ),
    },
    may_be_unknown={
        "p50_latency_s": "half of the events are over in little more than their own 0.1 s, beside "
        "which what a calibration leaves open of a task's overheads is large",
        "mean_service_s": "most tasks take 0.1 s, beside which what a calibration leaves open of "
        "their overheads is large",
    },
)
