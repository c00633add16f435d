"""The fake against a real Redis: round trips of one client, no-op tasks of real workers."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import redis

from benchmarks.table import Row
from sandbox.engines.live import start
from sandbox.scenario import Scenario, TaskType, WorkerPool

_ROUNDS = 7
_N_TASKS = 400
_N_TRIPS = 500
_MESSAGE = "m" * 900  # bytes of a small Celery message
_RESULT = "r" * 200


def _scenario() -> Scenario:
    return Scenario(
        name="no-op",
        tasks=(TaskType(name="nothing"),),
        workers=(WorkerPool(concurrency=2),),
        loads=({"kind": "burst", "task": "nothing", "n": _N_TASKS},),
        horizon_s=1.0,
    )


def _trips(client: redis.Redis) -> dict[str, Callable[[], object]]:
    """Return what kombu and Celery do for one task, by name, in an order that works."""

    def hold() -> None:
        with client.pipeline(transaction=True) as pipe:
            pipe.zadd("bench-index", {"tag": 1.5}).hset("bench-unacked", "tag", _MESSAGE).execute()

    def store() -> None:
        with client.pipeline(transaction=True) as pipe:
            pipe.execute_command("SETEX", "bench-result", 100, _RESULT)
            pipe.publish("bench-channel", _RESULT).execute()

    return {
        "GET": lambda: client.get("nothing"),
        "LPUSH": lambda: client.lpush("bench-queue", _MESSAGE),
        "BRPOP, hit": lambda: client.brpop(["bench-queue", "bench-queue3"], 1),
        "MULTI ZADD HSET EXEC": hold,
        "MULTI SETEX PUBLISH EXEC": store,
    }


def _median_us(trip: Callable[[], object]) -> float:
    times = []
    for _ in range(_N_TRIPS):
        began = time.perf_counter()
        trip()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def _round_trips() -> dict[str, list[list[float]]]:
    """Return the round trips in µs by name, of fake and redis in turns, both kept running."""
    with (
        tempfile.TemporaryDirectory() as runs,
        start(_scenario(), broker="fake", runs=runs) as fake,
        start(_scenario(), broker="auto", runs=runs) as real,
        redis.Redis.from_url(fake.broker.url) as fake_client,
        redis.Redis.from_url(real.broker.url) as real_client,
    ):
        fake.wait()
        real.wait()
        both = _trips(fake_client), _trips(real_client)
        return {
            name: [
                list(pair)
                for pair in zip(
                    *([_median_us(trips[name]) for trips in both] for _ in range(_ROUNDS)),
                    strict=True,
                )
            ]
            for name in both[0]
        }


def _tasks_per_s(broker: str) -> float:
    with (
        tempfile.TemporaryDirectory() as runs,
        start(_scenario(), broker=broker, runs=runs) as session,
    ):
        session.wait()
        run = session.close()
    ends = [event.t_s for event in run.of_kind("succeeded")]
    return len(ends) / (max(ends) - min(ends))


def measure() -> list[Row]:
    """Return fake against redis, one after the other in each round."""
    pairs = [(_tasks_per_s("fake"), _tasks_per_s("auto")) for _ in range(_ROUNDS)]
    fake, real = zip(*pairs, strict=True)
    return [
        *(
            Row(f"round trip ({name}): fake / redis", *both, "µs", "≤ 2")
            for name, both in _round_trips().items()
        ),
        Row("no-op tasks with results: fake / redis", fake, real, "tasks/s", "≥ 0.7"),
    ]
