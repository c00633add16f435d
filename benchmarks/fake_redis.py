"""The fake against a real Redis: round trip of one client, no-op tasks of real workers."""

from __future__ import annotations

import statistics
import tempfile
import time

import redis

from benchmarks.table import Row
from sandbox.engines.live import start
from sandbox.scenario import Scenario, TaskType, WorkerPool

_ROUNDS = 5
_N_TASKS = 400
_N_PINGS = 500


def _scenario() -> Scenario:
    return Scenario(
        name="no-op",
        tasks=(TaskType(name="nothing"),),
        workers=(WorkerPool(concurrency=2),),
        loads=({"kind": "burst", "task": "nothing", "n": _N_TASKS},),
        horizon_s=1.0,
    )


def _once(broker: str) -> tuple[float, float]:
    """Return (round trip in µs, tasks a second)."""
    with (
        tempfile.TemporaryDirectory() as runs,
        start(_scenario(), broker=broker, runs=runs) as session,
    ):
        session.wait()
        client = redis.Redis.from_url(session.broker.url)
        times = []
        for _ in range(_N_PINGS):
            began = time.perf_counter()
            client.get("nothing")
            times.append(time.perf_counter() - began)
        client.close()
        run = session.close()
    ends = [event.t_s for event in run.of_kind("succeeded")]
    return statistics.median(times) * 1e6, len(ends) / (max(ends) - min(ends))


def measure() -> list[Row]:
    """Return fake against redis, one after the other in each round."""
    pairs = [(_once("fake"), _once("auto")) for _ in range(_ROUNDS)]
    trips = [[pair[i][0] for pair in pairs] for i in (0, 1)]
    rates = [[pair[i][1] for pair in pairs] for i in (0, 1)]
    return [
        Row("round trip (GET): fake / redis", trips[0], trips[1], "µs", "≤ 2"),
        Row("no-op tasks with results: fake / redis", rates[0], rates[1], "tasks/s", "≥ 0.7"),
    ]
