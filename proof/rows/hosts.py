"""Cores that processes share, and what a result costs."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, burst, task
from proof.row import CROWD, CROWDED, Row, row


def _shared(concurrency: int, n_workers: int = 1, cores: int = 1, **pool: Any) -> dict[str, Any]:
    """Return two computations and a sleep of 0.45 s that outlasts the short one if it is alone."""
    worker = {"concurrency": concurrency, "n_workers": n_workers, "prefetch_multiplier": 1}
    return {
        "tasks": [task("long", 0.9, work="cpu"), task("short", 0.3, work="cpu"), task("nap", 0.45)],
        "loads": [burst(1, name) for name in ("long", "short", "nap")],
        "workers": [worker | {"host": "small"} | pool],
        "hosts": [{"name": "small", "cores": cores}],
        "race": CROWD,
    }


def _beside() -> dict[str, Any]:
    """Return two computations in threads; the sleep is in another process.

    In a thread beside them it would get the interpreter back late: a known difference.
    """
    shared = _shared(2, cores=2, pool="threads")
    other = {"name": "other", "queues": ["nap"], "host": "small"}
    return shared | {
        "tasks": [*shared["tasks"][:2], task("nap", 0.45, queue="nap")],
        "queues": ["celery", "nap"],
        "workers": [*shared["workers"], other],
    }


ROWS: tuple[Row, ...] = (
    row("one core for three processes", ("host", "processor work"), "finished", **_shared(3)),
    row("one core for three workers", ("host", "processor work"), "finished", **_shared(1, 3)),
    row(
        "threads compute one at a time", ("threads", "processor work"), "finished",
        **_beside(),
    ),
    row(
        "fifty results", ("ignored result", "open load"), "order", race=CROWDED, loads=[burst(50)],
        tasks=[task(service_s=0.0)],
    ),
    row(
        "fifty tasks without results", ("ignored result", "late ack"), "order",
        race=CROWDED,
        loads=[burst(50)], tasks=[task(service_s=0.0, ignore_result=True, **LATE)],
    ),
)  # fmt: skip
