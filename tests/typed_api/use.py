"""What a user may write, and what a type checker must refuse: checked, and run, by a test.

Each ``ignore`` names the complaint that has to be there: mypy is told to report one that is not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, assert_type

import sandbox
from sandbox import (
    AutoRetry,
    BeatEntry,
    Broker,
    Burst,
    Closed,
    Deterministic,
    Empirical,
    Event,
    Exponential,
    Host,
    LogNormal,
    Poisson,
    Rates,
    Run,
    SandboxError,
    Scenario,
    SelfRetry,
    TaskType,
    Trace,
    Uniform,
    WorkerPool,
    audit,
    claims,
    compare,
    counterfactual,
    empirical,
    from_quantiles,
    load,
    measure,
    predict,
    run,
    start,
    what_if,
)
from sandbox.audit import Audit
from sandbox.capacity import Counterfactual, WhatIf
from sandbox.claims import ClaimVerdict
from sandbox.comparison import Comparison
from sandbox.definitions import Metrics
from sandbox.engines import Session
from sandbox.prediction import Prediction

# --- a scenario, from every part ------------------------------------------------------------------

resize = TaskType(
    name="resize",
    service=LogNormal(mean_s=0.02, cv=0.5),
    acks_late=True,
    retries=(AutoRetry(backoff_s=1), SelfRetry(countdown_s=1.0)),
)
others = (
    TaskType(name="other0", service=Deterministic(value_s=0.01)),
    TaskType(name="other1", service=Exponential(mean_s=0.01)),
    TaskType(name="other2", service=Uniform(low_s=0.0, high_s=0.01)),
    TaskType(name="other3", service=Empirical(values_s=(0.01, 0.02))),
)
photos = Scenario(
    name="photos",
    tasks=(resize, *others),
    workers=(WorkerPool(n_workers=2, concurrency=4, host="here"),),
    loads=(
        Burst(task="resize", n=10),
        Poisson(task="other0", rate_per_s=5.0),
        Rates(task="other1", steps=((0.0, 5.0),)),
        Trace(task="other2", at_s=(0.1, 0.2)),
        Closed(task="other3", n_clients=1, think=Deterministic(value_s=0.5)),
    ),
    beat=(BeatEntry(name="tick", task="resize", every_s=1.0),),
    broker=Broker(visibility_timeout_s=60.0),
    hosts=(Host(name="here", cores=2),),
    horizon_s=2.0,
)
assert_type(photos, Scenario)
assert_type(photos.but(seed=1), Scenario)
assert_type(photos.tasks, tuple[TaskType, ...])
assert_type(photos.worker_names, tuple[str, ...])
assert_type(load("leadlawk"), Scenario)
assert_type(from_quantiles(p50_s=0.1, p95_s=0.3), LogNormal)


def measured_times(path: str) -> Empirical:
    """Return service times from a file; called by nobody, checked all the same."""
    return assert_type(empirical(path, column="seconds"), Empirical)


# --- predict, run, judge --------------------------------------------------------------------------

prediction = assert_type(predict(photos, budget_s=0.1), Prediction)
modelled = assert_type(run(photos, engine="model"), Run)
with start(photos, engine="model") as session:
    assert_type(session, Session)
    assert_type(session.controls.submit("resize", 2), list[str])
    assert_type(session.wait(), str)
assert_type(session.close(), Run)
assert_type(modelled.events, tuple[Event, ...])
assert_type(modelled.events[0].detail, dict[str, Any] | None)
assert_type(measure(modelled), Metrics)
assert_type(measure(modelled).value("done"), float)
assert_type(audit(modelled), Audit)
assert_type(compare(modelled, prediction), Comparison)
assert_type(claims(modelled, prediction), list[ClaimVerdict])
early = run(
    photos.but(tasks=tuple(task.but(acks_late=False) for task in photos.tasks)), engine="model"
)
assert_type(counterfactual(modelled, early), Counterfactual)
wider = what_if(photos, {"workers.worker.concurrency": [4, 8]}, replications=3, n_processes=1)
assert_type(wider, WhatIf)
try:
    load("nothing")
except SandboxError as told:
    assert_type(str(told), str)

# --- what a type checker refuses ------------------------------------------------------------------

if TYPE_CHECKING:
    TaskType(nam="resize")  # type: ignore[call-arg]
    TaskType(name="resize", acks_late="yes")  # type: ignore[arg-type]
    TaskType(name="resize", work="sleep")  # type: ignore[arg-type]
    WorkerPool("worker")  # type: ignore[call-arg]
    Burst(task="resize")  # type: ignore[call-arg]
    Scenario(name="photos", tasks=(), workers=(), horizon_s="ten")  # type: ignore[arg-type]
    run(photos, engine="real")  # type: ignore[arg-type]
    run(photos, "model")  # type: ignore[call-arg]
    predict("photos")  # type: ignore[arg-type]
    predict(photos, budget=4.0)  # type: ignore[call-arg]
    what_if(photos, {"seed": 3})  # type: ignore[dict-item]
    counterfactual(modelled)  # type: ignore[call-arg]
    compare(prediction, modelled)  # type: ignore[arg-type]
    measure(modelled).valeu("done")  # type: ignore[attr-defined]
    session.controls.kill_worker()  # type: ignore[call-arg]
    sandbox.simulate(photos)  # type: ignore[attr-defined]

sys.stdout.write("typed\n")
