"""The system that the last lab reviews: a ferry line's background tasks on a bad morning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.dependencies import Call, Dependency
from sandbox.draws import Deterministic
from sandbox.faults import At
from sandbox.faults.fail_dependency import FailDependency
from sandbox.faults.kill_worker import KillWorker
from sandbox.labs.kernel import unless_open
from sandbox.loads import Burst
from sandbox.metrics import measure
from sandbox.run import Run
from sandbox.scenario import AutoRetry, Broker, Scenario, TaskType, WorkerPool

SENT = {"charge": 6, "refund": 3, "manifest": 2, "seat": 3, "daily": 8, "cancelled": 1}
"""How many tasks of each type a morning has."""
WORK_S = {
    "charge": 1.0, "refund": 0.2, "manifest": 2.6, "seat": 0.0, "daily": 0.4, "cancelled": 0.1,
}  # fmt: skip
"""How long each takes, in seconds."""
_AT_S = {"seat": 0.5, "cancelled": 0.6}
_HARBOUR = "harbour"


def ferries(
    visibility_timeout_s: float = 1.6,
    charge_late: bool = False,
    office: Sequence[str] = ("documents",),
    seat_retries: int = 1,
    priorities: Sequence[int] = (9, 0),
) -> Scenario:
    """Return the morning, as built unless something is changed.

    ``charge_late``: acks_late of the charges. ``office``: the queues of the worker of that name.
    ``priorities``: of the notice of a cancelled ferry, and of the daily ones.

    >>> ferries(seat_retries=2).task("seat").retries[0].max_retries
    2
    """
    of_cancelled, of_daily = priorities
    retry = AutoRetry(backoff_s=1, max_retries=seat_retries, jitter=False)
    more: dict[str, dict[str, Any]] = {
        "charge": {"queue": "payments", "acks_late": charge_late},
        "refund": {"queue": "refunds"},
        "manifest": {"queue": "documents", "acks_late": True},
        "seat": {"queue": "documents", "calls": Call(dependency=_HARBOUR), "retries": (retry,)},
        "daily": {"queue": "notices", "priority": of_daily},
        "cancelled": {"queue": "notices", "priority": of_cancelled},
    }
    return Scenario(
        name="ferries",
        queues=("payments", "refunds", "documents", "notices"),
        tasks=tuple(
            TaskType(name=name, service=Deterministic(value_s=WORK_S[name]), **fields)
            for name, fields in more.items()
        ),
        workers=(
            WorkerPool(name="till", queues=("payments",), concurrency=2),
            WorkerPool(name="office", queues=office, concurrency=5),  # type: ignore[arg-type]
            WorkerPool(name="desk", queues=("notices",), prefetch_multiplier=1),
        ),
        loads=tuple(Burst(task=one, n=n, at_s=_AT_S.get(one, 0.0)) for one, n in SENT.items()),
        dependencies=(Dependency(name=_HARBOUR, capacity=4),),
        faults=(
            FailDependency(dependency=_HARBOUR, for_s=2.5, when=At(at_s=0.0)),
            KillWorker(worker="till1", when=At(at_s=1.5), back_after_s=0.5),
        ),
        broker=Broker(
            visibility_timeout_s=visibility_timeout_s,
            unacked_restore_interval_s=0.1,
            unacked_restore_throttle=1,
        ),
        horizon_s=8.0,
        deadline_s=8.0,
    )


def evidence(run: Run) -> Any:
    """Return five numbers of a run: tasks lost, left undone, begun twice, failed, and overtaken.

    The last is how many daily notices were begun before the one of the cancelled ferry. A stub's
    run has none yet.
    """
    return unless_open(_evidence, run)


def _evidence(run: Run) -> list[int]:
    found = measure(run)
    begun = list(dict.fromkeys(str(event.task) for event in run.of_kind("started")))
    urgent = begun.index("cancelled/0") if "cancelled/0" in begun else len(begun)
    before = sum(one.startswith("daily/") for one in begun[:urgent])
    return [*(int(found.value(n)) for n in ("lost", "stuck", "ran_twice", "failed")), before]
