"""LeadLawk, an overnight lead scraper: 2 workers × 4 processes, acks_late, reject_on_worker_lost.

Its document promises recovery within 30 s of a worker's failure. The scenario keeps its
settings, puts an evening's load on it, kills one child and one worker, starts the worker
again a second later, and when all else is done lets an hour pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.claims import Claim
from sandbox.draws import Deterministic, Exponential, LogNormal
from sandbox.faults import At, Fault, OnEvent
from sandbox.faults.kill_child import KillChild
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.loads import Burst, Poisson
from sandbox.scenario import Scenario
from sandbox.systems import MOST_ROWS, System, WrongModel
from sandbox.systems._deriving import derived
from sandbox.systems.leadlawk.document import ASSUMPTIONS, CHANGES, LEFT_OUT

if TYPE_CHECKING:
    from sandbox.service.ops import Op

_APP = "sandbox.systems.leadlawk.app"
_QUEUES = "browser,pagespeed,database,default"
_WORKER = "celery -A celery_app worker --loglevel=info --concurrency=4 --max-tasks-per-child=100"
_BEAT = "celery -A celery_app beat"
_LOAD_STOPS_S = 20.0
_NIGHT = 400
"""Jobs that keep all processes busy for half a minute."""
_BROWSER = "celery_app.browser_automation_task"
_PAGESPEED = "celery_app.pagespeed_test_task"
_DATABASE = "celery_app.database_task"
_QUICK = {"service": Deterministic(value_s=0.05)}
_TASKS: dict[str, dict[str, Any]] = {
    _BROWSER: {
        "service": LogNormal(mean_s=0.7, cv=0.3),
        "priority": 5,  # as the document's example call has it
    },
    _PAGESPEED: {"service": LogNormal(mean_s=0.5, cv=0.3)},
    _DATABASE: {"service": Deterministic(value_s=0.1)},
    "celery_app.health_check_task": _QUICK,
    "celery_app.cleanup_stale_jobs": _QUICK,
    "celery_app.check_memory_usage": _QUICK,
}
_FIRST = _TASKS | {_BROWSER: {"service": LogNormal(mean_s=0.7, cv=0.3)}}
"""The same without the priority that makes browser tasks the last."""


def _loads(stop_s: float) -> tuple[Burst | Poisson, ...]:
    """Return an evening's start, and what comes until ``stop_s``."""
    return (
        Burst(task=_BROWSER, n=40),
        Poisson(task=_BROWSER, rate_per_s=3.0, stop_s=stop_s),
        Poisson(task=_PAGESPEED, rate_per_s=3.0, stop_s=stop_s),
        Poisson(task=_DATABASE, rate_per_s=2.0, stop_s=stop_s),
    )


_LOADS = _loads(_LOAD_STOPS_S)


def _faults(hour_at_s: float, nth: int = 60) -> tuple[Fault, ...]:
    """Return an evening's faults: a worker, the child that begins task ``nth``, at last an hour."""
    return (
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
            when=OnEvent(event="started", nth=nth, after_s=0.04, worker="worker1"),
        ),
        Skip(seconds=3600.0, when=At(at_s=hour_at_s)),
    )


def _scenario(app: str, command: str, n_workers: int = 2, **more: Any) -> Scenario:
    """Return LeadLawk with this app and so many workers that a command starts."""
    fields: dict[str, Any] = {
        "horizon_s": 31.0,
        "deadline_s": 60.0,
        "seed": 7,
        "tasks": _TASKS,
        "loads": _LOADS,
    } | more
    commands = [command] * n_workers + [_BEAT]
    return derived(f"{_APP}:{app}", "leadlawk", commands, **fields)


def _variants() -> dict[str, Scenario]:
    named = f"{_WORKER} -Q {_QUEUES}"
    bounded = f"{named} --max-memory-per-child=250000"
    return {
        "corrected": _scenario("celery_app", named, faults=_faults(28.0)),
        # Nothing of it is ever done: it ends at its deadline.
        "as-written": _scenario(
            "written", _WORKER, loads=_loads(3.0), horizon_s=4.0, deadline_s=5.0
        ),
        "mended": _scenario(
            "mended",
            bounded,
            tasks=_FIRST,
            loads=_loads(9.0),
            faults=_faults(15.0, 30),
            horizon_s=18.0,
        ),
        "x5": _scenario("celery_app", named, 5, loads=_loads(9.0), horizon_s=10.0),
        "benchmark": _scenario("celery_app", named, **_benchmark()),
        "operations": _scenario("celery_app", named, loads=(Burst(task=_BROWSER, n=_NIGHT),)),
        "before": _behind_a_door("sync", named),
        "after": _behind_a_door("async", named),
    }


def _benchmark() -> dict[str, Any]:
    """Return the document's 500 tasks a minute, of the longest mean that is within its latency."""
    tasks = {_DATABASE: {"service": Exponential(mean_s=0.69)}}
    loads = (Poisson(task=_DATABASE, rate_per_s=500 / 60),)
    return {"tasks": tasks, "loads": loads, "horizon_s": 12.0}


def _behind_a_door(mode: str, command: str) -> Scenario:
    """Return 500 jobs a minute at the front door, whose web workers are as many as processes."""
    door = {
        "requests": {"kind": "poisson", "task": _BROWSER, "rate_per_s": 500 / 60},
        "mode": mode,
        "n_web_workers": 8,
        "poll_every_s": 1.0,
        "app": "sandbox.systems.leadlawk.front:DOOR",
    }
    return _scenario(
        "mended", command, tasks={_BROWSER: _FIRST[_BROWSER]}, loads=(), horizon_s=6.0,
        front_door=door,
    )  # fmt: skip


def _early_ack(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(acks_late=False) for task in scenario.tasks))


def _half_the_processes(scenario: Scenario) -> Scenario:
    pools = tuple(pool.but(concurrency=max(1, pool.concurrency // 2)) for pool in scenario.workers)
    return scenario.but(workers=pools)


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.leadlawk.claims import claims

    return claims()


def _operations() -> tuple[Op, ...]:
    from sandbox.systems.leadlawk.ops import OPS

    return OPS


SYSTEM = System(
    name="leadlawk",
    question="Does the work of a failed worker come back within 30 seconds?",
    document="LeadLawk: Celery & Redis Architecture Documentation",
    make=_variants,
    judge=_claims,
    operate=_operations,
    corrections=(
        "The document's worker commands have no -Q: as written its routed tasks never run. "
        f"Corrected here: -Q {_QUEUES}.",
        "Its queue 'default' does not exist: unrouted tasks go to 'celery'. Corrected here: "
        "task_default_queue = 'default'.",
        "Its example call passes expires=3600. A message that comes back after an hour would then "
        "be dropped as expired; skip() does not age that, so the call here leaves it out.",
    ),
    assumptions=ASSUMPTIONS,
    changes=CHANGES,
    left_out=LEFT_OUT,
    rows=(*MOST_ROWS, "child_recovery_s"),
    wrong={
        "acks_late off": WrongModel(_early_ack, ("done", "lost", "redelivered")),
        "half the processes": WrongModel(
            _half_the_processes, ("mean_wait_s", "mean_latency_s", "utilisation")
        ),
    },
    may_be_unknown={
        "p50_latency_s": "half of the tasks are over in little more than their own time; a "
        "calibration with vague figures, as on the fake or a busy machine, leaves it open",
        "child_recovery_s": "whether a dead child is noticed at once or at the worker's next 5 s "
        "tick is a race that nobody can predict",
    },
)
