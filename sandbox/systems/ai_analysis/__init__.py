"""AI analysis, a Flask app whose calls of an AI provider are put behind a queue.

Its document promises that whatever users submit, five analyses a minute are executed, so that the
provider throttles nobody. A minute of the document takes two seconds here.
"""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems import System, WrongModel
from sandbox.systems.ai_analysis import scenarios


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.ai_analysis.claims import claims

    return claims()


def _unlimited(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(rate_limit=None) for task in scenario.tasks))


def _two_workers(scenario: Scenario) -> Scenario:
    return scenario.but(workers=tuple(pool.but(n_workers=2) for pool in scenario.workers))


def _chat_apart(scenario: Scenario) -> Scenario:
    (pool,) = scenario.workers
    apart = [("analysis", ("analysis", "test")), ("chat", ("chat",))]
    return scenario.but(workers=[pool.but(name=name, queues=queues) for name, queues in apart])


SYSTEM = System(
    name="ai-analysis",
    question="Do five analyses a minute stay five, and who waits for them?",
    document="Celery Task Queue Setup - Professional Async Processing",
    make=scenarios.variants,
    judge=_claims,
    corrections=(
        "The document's worker commands have no -Q and it declares no task_queues: as written the "
        "routed tasks never run. Corrected here: -Q analysis,chat,test.",
    ),
    rows=(
        "published", "done", "failed", "lost", "stuck", "executions", "redelivered", "retried",
        "throughput_per_s", "makespan_s", "mean_wait_s", "mean_latency_s", "p50_latency_s",
        "p95_latency_s", "mean_service_s", "utilisation",
    ),  # fmt: skip
    wrong={
        "no rate limits": WrongModel(_unlimited, ("makespan_s", "mean_wait_s")),
        "two workers": WrongModel(_two_workers, ("makespan_s", "mean_wait_s", "utilisation")),
        "chats on a worker of their own": WrongModel(_chat_apart, ("mean_wait_s",)),
    },
)
