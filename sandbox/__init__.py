"""Celery Sandbox: predict a Celery system, run it on real workers, crash it, compare.

>>> import sandbox
>>> scenario = sandbox.load("leadlawk")
>>> sandbox.run(scenario, engine="model").ended
'drained'
"""

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
    "empirical",
    "from_quantiles",
    "load",
    "measure",
    "predict",
    "run",
    "start",
]
