"""LeadLawk, an overnight lead scraper: 2 workers × 4 processes, acks_late, reject_on_worker_lost.

Its document promises recovery within 30 s of a worker's failure. The scenario keeps its
settings, puts an evening's load on it, kills one child and one worker, starts the worker
again a second later, and when all else is done lets an hour pass.
"""

from __future__ import annotations

from typing import Any

from sandbox.claims import Claim
from sandbox.draws import Deterministic, LogNormal
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_child import KillChild
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.loads import Burst, Poisson
from sandbox.scenario import Scenario
from sandbox.systems import System, WrongModel
from sandbox.systems._deriving import derived

_APP = "sandbox.systems.leadlawk.app"
_QUEUES = "browser,pagespeed,database,default"
_WORKER = "celery -A celery_app worker --loglevel=info --concurrency=4 --max-tasks-per-child=100"
_BEAT = "celery -A celery_app beat"
_LOAD_STOPS_S = 20.0
_QUICK = {"service": Deterministic(value_s=0.05)}
_TASKS: dict[str, dict[str, Any]] = {
    "celery_app.browser_automation_task": {
        "service": LogNormal(mean_s=0.7, cv=0.3),
        "priority": 5,  # as the document's example call has it
    },
    "celery_app.pagespeed_test_task": {"service": LogNormal(mean_s=0.5, cv=0.3)},
    "celery_app.database_task": {"service": Deterministic(value_s=0.1)},
    "celery_app.health_check_task": _QUICK,
    "celery_app.cleanup_stale_jobs": _QUICK,
    "celery_app.check_memory_usage": _QUICK,
}
_LOADS = (
    Burst(task="celery_app.browser_automation_task", n=40),
    Poisson(task="celery_app.browser_automation_task", rate_per_s=3.0, stop_s=_LOAD_STOPS_S),
    Poisson(task="celery_app.pagespeed_test_task", rate_per_s=3.0, stop_s=_LOAD_STOPS_S),
    Poisson(task="celery_app.database_task", rate_per_s=2.0, stop_s=_LOAD_STOPS_S),
)
_FAULTS = (
    # All four of its processes have just begun: later, how many of them are between two tasks
    # when the signal comes is a race, and with it how many messages come back.
    KillWorker(
        worker="worker2",
        when=OnEvent(event="started", nth=4, after_s=0.1, worker="worker2"),
    ),
    StartWorker(
        worker="worker2", when=OnEvent(event="worker_exited", after_s=1.0, worker="worker2")
    ),
    KillChild(
        worker="worker1",
        when=OnEvent(event="started", nth=60, after_s=0.04, worker="worker1"),
    ),
    Skip(seconds=3600.0, when=At(at_s=28.0)),
)


def _scenario(app: str, command: str, n_workers: int = 2, **more: Any) -> Scenario:
    """Return LeadLawk with this app and so many workers that a command starts."""
    fields: dict[str, Any] = {
        "horizon_s": 31.0,
        "deadline_s": 60.0,
        "seed": 7,
        "loads": _LOADS,
    } | more
    commands = [command] * n_workers + [_BEAT]
    return derived(f"{_APP}:{app}", "leadlawk", commands, tasks=_TASKS, **fields)


def _variants() -> dict[str, Scenario]:
    named = f"{_WORKER} -Q {_QUEUES}"
    return {
        "corrected": _scenario("celery_app", named, faults=_FAULTS),
        "as-written": _scenario("written", _WORKER, faults=_FAULTS[-1:]),
        "mended": _scenario("mended", named, faults=_FAULTS),
        "x5": _scenario("celery_app", named, 5),
    }


def _early_ack(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(acks_late=False) for task in scenario.tasks))


def _half_the_processes(scenario: Scenario) -> Scenario:
    pools = tuple(pool.but(concurrency=max(1, pool.concurrency // 2)) for pool in scenario.workers)
    return scenario.but(workers=pools)


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.leadlawk.claims import claims

    return claims()


SYSTEM = System(
    name="leadlawk",
    question="Does the work of a failed worker come back within 30 seconds?",
    document="LeadLawk: Celery & Redis Architecture Documentation",
    make=_variants,
    judge=_claims,
    corrections=(
        "The document's worker commands have no -Q: as written its routed tasks never run. "
        f"Corrected here: -Q {_QUEUES}.",
        "Its queue 'default' does not exist: unrouted tasks go to 'celery'. Corrected here: "
        "task_default_queue = 'default'.",
        "Its example call passes expires=3600. A message that comes back after an hour would then "
        "be dropped as expired; skip() does not age that, so the call here leaves it out.",
    ),
    assumptions=(
        "Stated: 2 workers × 4 processes, prefetch 1, limits 3300/3600 s, beat every 30 s, "
        "5 min, 15 min.",
        "Implied: 500 tasks a minute on 8 processes need a mean under 0.96 s.",
        "Assumed: browser 0.7 s, pagespeed 0.5 s, database 0.1 s, beat's tasks 0.05 s.",
    ),
    rows=(
        "published",
        "done",
        "failed",
        "revoked",
        "lost",
        "stuck",
        "executions",
        "redelivered",
        "ran_twice",
        "duplicated",
        "retried",
        "throughput_per_s",
        "makespan_s",
        "mean_wait_s",
        "mean_latency_s",
        "p50_latency_s",
        "p95_latency_s",
        "mean_service_s",
        "utilisation",
        "worker_recovery_s",
        "child_recovery_s",
    ),
    wrong={
        "acks_late off": WrongModel(_early_ack, ("done", "lost", "redelivered")),
        "half the processes": WrongModel(
            _half_the_processes, ("mean_wait_s", "mean_latency_s", "utilisation")
        ),
    },
    may_be_unknown={
        "child_recovery_s": "whether a dead child is noticed at once or at the worker's next 5 s "
        "tick is a race that nobody can predict",
    },
)
