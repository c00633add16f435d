"""Celery Sandbox: predict a Celery system, run it on real workers, crash it, compare.

>>> import sandbox
>>> scenario = sandbox.load("leadlawk")
>>> sandbox.run(scenario, engine="model").ended
'drained'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sandbox.audit import audit
from sandbox.draws import (
    Deterministic,
    Empirical,
    Exponential,
    LogNormal,
    Uniform,
    empirical,
    from_quantiles,
)
from sandbox.errors import SandboxError
from sandbox.loads import BeatEntry, Burst, Closed, Poisson, Rates, Trace
from sandbox.metrics import measure
from sandbox.run import Event, Run
from sandbox.scenario import AutoRetry, Broker, Host, Scenario, SelfRetry, TaskType, WorkerPool
from sandbox.systems import load
from sandbox.workbench import claims, compare, predict, run, start

if TYPE_CHECKING:
    from sandbox.capacity import counterfactual, what_if
else:

    def __getattr__(name: str) -> Any:
        # They alone need numpy, a third of the time that importing all this would take.
        if name in {"counterfactual", "what_if"}:
            return getattr(import_module("sandbox.capacity"), name)
        raise AttributeError(f"module 'sandbox' has no attribute {name!r}")


__all__ = [
    "AutoRetry",
    "BeatEntry",
    "Broker",
    "Burst",
    "Closed",
    "Deterministic",
    "Empirical",
    "Event",
    "Exponential",
    "Host",
    "LogNormal",
    "Poisson",
    "Rates",
    "Run",
    "SandboxError",
    "Scenario",
    "SelfRetry",
    "TaskType",
    "Trace",
    "Uniform",
    "WorkerPool",
    "audit",
    "claims",
    "compare",
    "counterfactual",
    "empirical",
    "from_quantiles",
    "load",
    "measure",
    "predict",
    "run",
    "start",
    "what_if",
]
