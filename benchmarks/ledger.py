"""What the ledger costs: the same no-op bursts on recorded workers with and without it, in turns.

Both workers are those of a live session, recorder included; one keeps no ledger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import recorder
from benchmarks.table import Row
from sandbox.engines.live import app as apps
from sandbox.engines.live import ledger
from sandbox.engines.live import worker as workers
from sandbox.engines.live.recorder import record_worker
from sandbox.engines.live.writer import Writer

_BLOCKS, _PAIRS = 4, 20
_KINDS = ("kept", "unkept")
"""A kind is also a queue and the task that is sent to it: each worker serves its own."""


def serve(kind: str, url: str, folder: str) -> None:
    """Be one recorded worker, with a ledger or without one, until it is killed."""
    scenario = recorder.scenario_of(kind)
    app = apps.build(scenario, apps.Link(url))
    app.set_current()
    app.set_default()
    if kind == "kept":
        ledger.keep(Path(folder), kind)
    record_worker(Writer(Path(folder) / f"{kind}.jsonl", worker=kind))
    app.Worker(**workers._options(scenario.workers[0], kind)).start()  # noqa: SLF001 - the same worker


def _block() -> Iterator[dict[str, tuple[float, float]]]:
    """Yield pairs of bursts on a fresh Redis and fresh workers; the order takes turns."""
    with (
        tempfile.TemporaryDirectory() as folder,
        recorder.own_redis(folder) as url,
        recorder.worker("kept", url, folder, module="benchmarks.ledger") as kept,
        recorder.worker("unkept", url, folder, module="benchmarks.ledger") as unkept,
    ):
        bench = recorder.Bench(url, {"kept": kept, "unkept": unkept})
        for kind in _KINDS:
            bench.burst(kind)  # the first one waits for the worker, and warms it up
        for i in range(_PAIRS):
            yield {kind: bench.burst(kind) for kind in _KINDS[:: 1 if i % 2 else -1]}


def measure() -> list[Row]:
    """Return workers with a ledger against workers without, in pairs of short bursts."""
    pairs = [pair for _ in range(_BLOCKS) for pair in _block()]
    rates, costs = ([[pair[kind][i] for pair in pairs] for kind in _KINDS] for i in (0, 1))
    what = "no-op tasks: worker with ledger / without"
    return [
        Row(what, rates[0], rates[1], "tasks/s", "≥ 0.97"),
        Row(f"{what}, processor time", costs[0], costs[1], "ms a task", "≤ 1.03 (upper bound)"),
    ]
