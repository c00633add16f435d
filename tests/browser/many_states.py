"""One run with a message in nearly every state, for the tests of looks; kept short on purpose."""

from __future__ import annotations

from typing import Any

from sandbox import lab
from sandbox.run import Run
from sandbox.scenario import Scenario


def _task(name: str, value_s: float, **settings: Any) -> dict[str, Any]:
    return {"name": name, "service": {"kind": "deterministic", "value_s": value_s}, **settings}


def _at(at_s: float, kind: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, "when": {"on": "time", "at_s": at_s}, **settings}


_N = {"app.flaky": 14, "app.rated": 5, "app.brief": 6, "app.soon": 4, "app.early": 4,
      "app.a_task_with_a_long_name": 1}  # fmt: skip
MANY = Scenario(
    name="many-states",
    seed=3,
    horizon_s=30.0,
    broker={"visibility_timeout_s": 12.0},
    tasks=[
        _task("app.flaky", 0.6, acks_late=True, p_failure=0.5,
              retries=[{"kind": "self", "max_retries": 1, "countdown_s": 2.0}]),
        _task("app.rated", 0.3, rate_limit="20/m"),
        _task("app.brief", 0.3, expires_s=4.0),
        _task("app.soon", 0.3, countdown_s=5.0),
        _task("app.early", 2.3),
        _task("app.a_task_with_a_long_name", 14.0, acks_late=True),
    ],
    loads=[{"kind": "burst", "task": name, "n": n} for name, n in _N.items()],
    workers=[{"n_workers": 2, "concurrency": 3}],
    faults=[
        _at(2.5, "kill_worker", worker="worker2"),
        _at(4.0, "start_worker", worker="worker2"),
        _at(14.0, "stop_broker"),
        _at(15.0, "start_broker"),
        _at(16.0, "pause_worker", worker="worker1"),
    ],
)  # fmt: skip
KILLED_S = 3.0
"""A moment at which a worker is dead, some messages are lost and others wait without an owner."""


def many() -> Run:
    """Return the run, in the model."""
    return lab.model(MANY)
