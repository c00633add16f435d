"""What the ledger costs: the same no-op bursts on recorded workers with and without it, in turns.

Both workers are those of a live session, recorder included; one keeps no ledger.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import recorder
from benchmarks.table import Row
from sandbox.engines.live import app as apps
from sandbox.engines.live import ledger
from sandbox.engines.live import worker as workers
from sandbox.engines.live.recorder import record_worker
from sandbox.engines.live.writer import Writer

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


def measure() -> list[Row]:
    """Return workers with a ledger against workers without."""
    what = "no-op tasks: worker with ledger / without"
    return recorder.in_pairs(
        what, _KINDS, "benchmarks.ledger", rate="≥ 0.97", cost="≤ 1.03 (upper bound)"
    )
