"""AI analysis, a Flask app whose calls of an AI provider are put behind a queue.

Its document promises that whatever users submit, five analyses a minute are executed, so that the
provider throttles nobody. A minute of the document takes two seconds here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems import Change, System, WrongModel
from sandbox.systems.ai_analysis import scenarios

if TYPE_CHECKING:
    from sandbox.service.ops import Op


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.ai_analysis.claims import claims

    return claims()


def _ops() -> tuple[Op, ...]:
    from sandbox.systems.ai_analysis.ops import OPS

    return OPS


def _unlimited(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(rate_limit=None) for task in scenario.tasks))


def _two_workers(scenario: Scenario) -> Scenario:
    return scenario.but(workers=tuple(pool.but(n_workers=2) for pool in scenario.workers))


def _chat_apart(scenario: Scenario) -> Scenario:
    (pool,) = scenario.workers
    apart = [("analysis", ("analysis", "test")), ("chat", ("chat",))]
    return scenario.but(workers=[pool.but(name=name, queues=queues) for name, queues in apart])


_CHANGES = (
    Change("worker command", "no -Q", "-Q analysis; -Q chat,test", "routed tasks never ran"),
    Change("analysis workers", "one for all queues, 1 to 10 of them", "one, for analysis alone",
           "the rate limit is each worker's own, and what it holds fills the prefetch window"),
    Change("rate limit", "5/m in each worker", "5/m, and a bucket in Redis for all workers",
           "a deployment has two generations of workers for a while"),
    Change("worker_prefetch_multiplier", "4", "1", "a second worker finds something left to do"),
    Change("max_retries, retry_backoff", "3, True", "9, 2",
           "7 s of waits do not outlast a limit by the minute"),
    Change("autoretry_for", "(Exception,)", "(Retryable,)",
           "a bad request fails at each attempt, and each attempt takes a token"),
    Change("task_acks_late, task_reject_on_worker_lost", "False", "True, at most 3 starts",
           "a worker that is killed has acknowledged what it never finished"),
    Change("feedback", "stored at each execution", "stored once for a task (idempotency key)",
           "late acknowledgement runs a task twice now and then"),
    Change("what fails for good", "a FAILURE that expires in a day", "dead letters in Redis",
           "somebody has to see it"),
    Change("task_time_limit, task_soft_time_limit", "none", "60, 45", "a call that hangs"),
    Change("broker_transport_options", "none", "visibility_timeout 900, socket_timeout 5",
           "an hour until a killed worker's task runs again; a request that waits for ever"),
    Change("task_track_started", "False", "True", "PENDING was said of tasks that run"),
    Change("/task_status", "calls itself; PENDING for any id", "final or not; 404 for unknown ids",
           "the frontend polled for ever"),
    Change("/queue_stats", "inspect", "the broker's lists", "inspect sees the prefetch window"),
    Change("/cancel_task", "{'cancelled': True}", "what was asked, who answered, what is not sure",
           "a broadcast confirms nothing"),
    Change("fallback", "after 19 s, or never", "after 2 s, and only if it was not published",
           "publishing first waits for the result backend, and has no timeout"),
    Change("migration", "phase 2 before phase 3", "phase 3 before phase 2",
           "the old frontend shows a task id as the feedback"),
)  # fmt: skip

_LEFT_OUT = {
    "Installation, AWS App Runner Setup": "a cloud's own; what it amounts to, a Redis without "
    "stated persistence, is among the claims",
    "Installation, Options 2 and 3 (container, Redis Labs, Upstash)": "other people's servers; "
    "sandbox run takes any redis:// URL",
    "Frontend Changes": "a browser's JavaScript; its requests and polls are the visitors of "
    "'before' and 'after', and its missing final states are a claim",
    "Monitoring, Celery Flower": "not in the default environment; what it can and cannot see is a "
    "claim and an operation",
    "Deployment Options, what App Runner, ECS and EKS do by themselves": "clouds; the workers that "
    "they start are the variants option-1 to option-3",
    "Cost Comparison": "prices",
    "Implementation Checklist, AWS steps": "as above; its other steps are the migration's phases",
}

SYSTEM = System(
    name="ai-analysis",
    question="Do five analyses a minute stay five, and who waits for them?",
    document="Celery Task Queue Setup - Professional Async Processing",
    make=scenarios.variants,
    judge=_claims,
    operate=_ops,
    corrections=(
        "The document's worker commands have no -Q and it declares no task_queues: as written the "
        "routed tasks never run. Corrected here: -Q analysis,chat,test.",
        "It shows no body of a task. Here one reports PROGRESS, asks a stand-in for the AI "
        "provider and stores the feedback.",
    ),
    assumptions=(
        "A minute of the document takes 2 s: its rate limits are 30 times as high, and its times "
        "a thirtieth. Celery's backoff, in whole seconds, is as it is.",
        "Stated: 5 and 10 tasks a minute, 5 to 10 s a call, 2 or 4 processes, 50 tasks a child, "
        "10 users at once, a poll every 2 s, 5 workers in option 3.",
        "Implied: Flask serves ten users at once, since ten calls at once are its problem.",
        "Assumed: a chat's answer 2 to 4 s, a test 0.6 s, one analysis in ten fails at first, "
        "20 analyses and about 12 chats in a day.",
    ),
    changes=_CHANGES,
    left_out=_LEFT_OUT,
    rows=(
        "published", "done", "failed", "lost", "stuck", "executions", "redelivered", "retried",
        "throughput_per_s", "makespan_s", "mean_wait_s", "mean_latency_s", "p50_latency_s",
        "p95_latency_s", "mean_service_s", "utilisation",
    ),
    may_be_unknown={
        "mean_service_s": "on the fake, a task's own overheads are too large a part of 0.2 s",
    },
    wrong={
        "no rate limits": WrongModel(_unlimited, ("makespan_s", "mean_wait_s")),
        "two workers": WrongModel(_two_workers, ("makespan_s", "mean_wait_s", "utilisation")),
        "chats on a worker of their own": WrongModel(_chat_apart, ("mean_wait_s",)),
    },
)  # fmt: skip
