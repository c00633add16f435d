"""How long until the workers are ready and a first task is done: with and without the zygote."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from benchmarks.table import Row
from sandbox.engines.live import start
from sandbox.faults import OnEvent
from sandbox.scenario import Scenario, TaskType, WorkerPool

_ROUNDS = 5
_HELLO = Scenario(
    name="hello",
    tasks=(TaskType(name="hi"),),
    workers=(WorkerPool(n_workers=2, concurrency=4),),
    loads=({"kind": "burst", "task": "hi", "n": 1},),
    horizon_s=1.0,
)
_COLD = "from benchmarks.startup import once; once()"


def once() -> float:
    """Return the seconds from nothing to the first finished task of 2 workers × 4."""
    with tempfile.TemporaryDirectory() as runs:
        began = time.perf_counter()
        with start(_HELLO, broker="auto", runs=runs) as session:
            session.wait_for(OnEvent(event="succeeded"))
            return time.perf_counter() - began


def _cold() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", _COLD], check=True)
    return time.perf_counter() - began


def measure() -> list[Row]:
    """Return warm against cold starts; cold includes Python's own start and all imports."""
    once()
    pairs = [(once(), _cold()) for _ in range(_ROUNDS)]
    warm, cold = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    what = "2 workers × 4 ready and a first task done: warm / cold with all imports"
    return [Row(what, warm, cold, "s", "≤ 0.9 s / ≤ 2.0 s")]
