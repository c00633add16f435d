"""A run of more than 100,000 events that pictures show: a burst, a worker's kill, its return."""

from __future__ import annotations

from functools import cache

from sandbox import workbench
from sandbox.run import Run
from sandbox.scenario import Scenario


@cache
def large_run() -> Run:
    """Return the model's run of about 18,000 tasks; up to 3,000 of them wait at once."""
    at_40 = {"on": "time", "at_s": 40.0}
    return workbench.run(
        Scenario(
            name="large",
            tasks=[
                {
                    "name": "app.resize",
                    "acks_late": True,
                    "service": {"kind": "exponential", "mean_s": 0.5},
                }
            ],
            workers=[{"n_workers": 6, "concurrency": 8}],
            broker={"visibility_timeout_s": 60.0},
            loads=[
                {"kind": "poisson", "task": "app.resize", "rate_per_s": 90.0},
                {"kind": "burst", "task": "app.resize", "n": 3000, "at_s": 30.0},
            ],
            faults=[
                {"kind": "kill_worker", "worker": "worker1", "when": at_40, "back_after_s": 20.0}
            ],
            horizon_s=170.0,
            deadline_s=600.0,
        ),
        engine="model",
    )
