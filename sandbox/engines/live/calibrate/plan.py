"""What a calibration runs: no-op tasks on idle workers, on busy ones, and held ones."""

from __future__ import annotations

from sandbox.draws import Deterministic
from sandbox.loads import Burst, Trace
from sandbox.scenario import Scenario, TaskType, WorkerPool

BUSY = WorkerPool(n_workers=2, concurrency=2, prefetch_multiplier=1)
VICTIMS = WorkerPool(
    name="victim", n_workers=2, concurrency=1, prefetch_multiplier=1, queues=("held",)
)
"""The workers that are broken: each holds a message that its rate limit keeps from running."""

N_BURST, N_WARM_UP = 120, 4
_N_PACED, _N_IGNORED = 30, 12
_GAP_S = 0.04
_WARM_UP_S = 0.3
_N_HELD = 24
_LAST_S = 0.25


def no_ops() -> Scenario:
    """Return no-op tasks, first one at a time on idle workers, then all at once."""
    pace = tuple(_WARM_UP_S + _GAP_S * i for i in range(_N_PACED))
    after = tuple(pace[-1] + 2 * _GAP_S + _GAP_S * i for i in range(_N_IGNORED))
    names = {"idle": "celery", "busy": "celery", "threads": "threads"}
    held = TaskType(name="held", queue="held", acks_late=True, rate_limit="1/h")
    threads = WorkerPool(name="threads", pool="threads", concurrency=2, queues=("threads",))
    return Scenario(
        name="calibration",
        queues=("celery", "threads", "held"),
        tasks=(
            *(TaskType(name=name, queue=queue, acks_late=True) for name, queue in names.items()),
            TaskType(name="ignored", acks_late=True, ignore_result=True),
            held,
            # Not a no-op: a worker is told to shut down while these run.
            TaskType(name="last", service=Deterministic(value_s=_LAST_S), acks_late=True),
        ),
        workers=(BUSY, threads, VICTIMS),
        # The first tasks pay for each child's lazy imports and connections; they are not used.
        loads=(
            Burst(task="busy", n=12),
            Burst(task="threads", n=N_WARM_UP),
            Burst(task="held", n=_N_HELD),
            Trace(task="idle", at_s=pace),
            # Between two of the others, so that each finds the machine idle.
            Trace(task="threads", at_s=tuple(at + _GAP_S / 2 for at in pace)),
            Trace(task="ignored", at_s=after),
            Burst(task="busy", n=N_BURST, at_s=after[-1] + 0.15),
        ),
        horizon_s=after[-1] + 1.0,
        deadline_s=30.0,
    )
