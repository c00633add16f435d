"""The model at scale: three queues, tasks a second of processor time, bytes an event."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Collection

from benchmarks.model_scenarios import three_queues
from benchmarks.table import Row
from sandbox.engines.model import start
from sandbox.run import Run
from sandbox.scenario import Scenario

ATTEMPTS = ("started", "succeeded", "failed", "retried", "child_lost", "revoked")
"""The kinds of events that tell when each attempt began and how it ended."""

_ROUNDS, _LONG_ROUNDS = 9, 3
_FEW, _SOME, _MANY = 10_000, 30_000, 1_000_000


def _run(scenario: Scenario, kinds: Collection[str] | None = None) -> Run:
    with start(scenario, kinds=kinds) as session:
        session.wait()
    return session.close()


def _tasks_per_s(n_tasks: int, seed: int, kinds: Collection[str] | None = None) -> float:
    scenario = three_queues(n_tasks, seed)
    gc.collect()  # What the run before has left is not this one's.
    began = time.process_time()
    _run(scenario, kinds)
    return n_tasks / (time.process_time() - began)


def _bytes_an_event(seed: int) -> tuple[float, float]:
    """Return what a run holds when it ends, and after its events have been read."""
    scenario = three_queues(_FEW, seed)
    gc.collect()
    tracemalloc.start()
    try:
        run = _run(scenario)
        gc.collect()
        ended, _ = tracemalloc.get_traced_memory()
        n_events = len(run.events)
        gc.collect()
        read, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return ended / n_events, read / n_events


def measure() -> list[Row]:
    """Return the speed with the whole record and with attempts only, at two sizes; the memory."""
    said = "three queues with retries and a rate limit: every event recorded"
    full = [_tasks_per_s(_SOME, seed) for seed in range(_ROUNDS)]
    attempts = [_tasks_per_s(_SOME, seed, ATTEMPTS) for seed in range(_ROUNDS)]
    many, few = [], []
    for seed in range(_LONG_ROUNDS):
        many.append(_tasks_per_s(_MANY, seed))
        few.append(_tasks_per_s(_FEW, seed))
    ended, read = zip(*(_bytes_an_event(seed) for seed in range(_LONG_ROUNDS)), strict=True)
    return [
        Row(f"{said} / attempts only", full, attempts, "tasks/s", "≥ 30,000 / ≥ 45,000"),
        Row(f"{said}, 1 M tasks / 10,000 tasks", many, few, "tasks/s", "≥ 0.8"),
        Row(f"{said}, memory at the end / once read", ended, read, "B an event", "≤ 200"),
    ]
