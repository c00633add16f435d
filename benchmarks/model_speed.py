"""The model against textbook SimPy on one M/M/8 queue, utilisation 0.9."""

from __future__ import annotations

import time

import numpy as np
import simpy

from benchmarks.table import Row
from sandbox.engines.model import start
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

_ROUNDS = 5
_SERVERS, _RATE = 8, 7.2
_HORIZON_S = 3000.0
_NONE = Overheads().scaled(0.0)


def _ours() -> float:
    """Return tasks a second of wall time, every event of Celery's semantics recorded."""
    queue = Scenario(
        name="mm8",
        tasks=(
            {"name": "job", "service": {"kind": "exponential", "mean_s": 1.0}, "acks_late": True},
        ),
        workers=({"concurrency": _SERVERS, "prefetch_multiplier": 1},),
        loads=({"kind": "poisson", "task": "job", "rate_per_s": _RATE},),
        horizon_s=_HORIZON_S,
        deadline_s=_HORIZON_S * 2,
    )
    began = time.perf_counter()
    with start(queue, overheads=_NONE) as session:
        session.wait()
    run = session.close()
    return sum(e.kind == "succeeded" for e in run.events) / (time.perf_counter() - began)


def _textbook() -> float:
    """Return customers a second of wall time: Resource, a process each, waits collected."""
    began = time.perf_counter()
    env = simpy.Environment()
    servers, random, waits = simpy.Resource(env, _SERVERS), np.random.default_rng(1), []

    def customer():  # type: ignore[no-untyped-def] # noqa: ANN202 - as the textbook writes it
        arrived = env.now
        with servers.request() as request:
            yield request
            waits.append(env.now - arrived)
            yield env.timeout(random.exponential(1.0))

    def source():  # type: ignore[no-untyped-def] # noqa: ANN202
        while env.now < _HORIZON_S:
            yield env.timeout(random.exponential(1 / _RATE))
            env.process(customer())

    env.process(source())
    env.run()
    return len(waits) / (time.perf_counter() - began)


def measure() -> list[Row]:
    """Return the model, fully recorded, against the textbook's bare waits."""
    pairs = [(_ours(), _textbook()) for _ in range(_ROUNDS)]
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    what = "M/M/8: model with its full record / textbook SimPy's waits"
    return [Row(what, ours, theirs, "tasks/s", "≥ 1.5")]
