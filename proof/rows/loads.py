"""Loads, pools and times: systems in which the same tasks take the same time."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, ONE, burst, poisson, task
from proof.row import CROWD, NOTICE, Row, row

FOUR = {"concurrency": 4, "prefetch_multiplier": 1}


def _drawn(cv: float = 0.5, mean_s: float = 0.1, **more: Any) -> dict[str, Any]:
    service = {"kind": "lognormal", "mean_s": mean_s, "cv": cv}
    return task(**more) | {"service": service}


def _closed(n_clients: int) -> dict[str, Any]:
    think = {"kind": "deterministic", "value_s": 1.0}
    return {"kind": "closed", "task": "job", "n_clients": n_clients, "think": think}


def _busy(utilisation: float, **more: Any) -> dict[str, Any]:
    """Return four processes at a utilisation, with drawn services, for 3 s."""
    load = poisson(utilisation * 4 / 0.1)
    return {"tasks": [_drawn(**more)], "loads": [load], "workers": [FOUR], "seed": 11}


ROWS: tuple[Row, ...] = (
    row("half of four processes busy", ("open load", "draws"), **_busy(0.5)),
    row("half of four processes busy, late ack", ("open load", "late ack"), **_busy(0.5, **LATE)),
    row("four fifths of four processes busy", ("open load", "draws"), **_busy(0.8, **LATE)),
    row("four fifths busy, early ack", ("open load", "early ack"), **_busy(0.8)),
    row(
        "arrivals at recorded times", ("open load",), "sent_s", "order",
        loads=[{"kind": "trace", "task": "job", "at_s": [0.1, 0.6, 0.7, 1.2, 1.8]}],
    ),
    row(
        "one client that waits", ("closed load", "open load"), "most_in_system", "order",
        loads=[_closed(1)], tasks=[task(service_s=0.3)], horizon_s=3.2,
    ),
    row(
        "three clients that wait", ("closed load",), "most_in_system",
        loads=[_closed(3)], tasks=[task(service_s=0.3)], horizon_s=3.2, workers=[FOUR],
    ),
    row(
        "a periodic task", ("beat",), "sent_s",
        loads=[], beat=[{"name": "tick", "task": "job", "every_s": 0.5}], horizon_s=2.2,
    ),
    row(
        "two periodic tasks", ("beat", "first come"), "sent_s",
        tasks=[task("a"), task("b")], loads=[], horizon_s=2.3,
        beat=[
            {"name": "often", "task": "a", "every_s": 0.7},
            {"name": "seldom", "task": "b", "every_s": 1.1},
        ],
    ),
    row(
        "threads", ("threads",), "held", "ahead", loads=[burst(8)],
        workers=[{"pool": "threads", "concurrency": 2, "prefetch_multiplier": 1}],
    ),
    row(
        "solo", ("solo", "first come"), "order", "ahead",
        workers=[{"pool": "solo", "concurrency": 1, "prefetch_multiplier": 2}],
    ),
    row(
        "solo, late ack", ("solo", "late ack"), "order", "ahead", tasks=[task(**LATE)],
        workers=[{"pool": "solo", "concurrency": 1, "prefetch_multiplier": 2}],
    ),
    row(
        "a new child after two tasks", ("recycled child",), "order", "pauses",
        race=NOTICE, slow=True,
        workers=[ONE | {"max_tasks_per_child": 2}], tasks=[task(service_s=0.15)],
    ),
    row(
        "a new child after each task", ("recycled child", "late ack"), "order", "pauses",
        race=NOTICE, slow=True,
        workers=[ONE | {"max_tasks_per_child": 1}], tasks=[task(service_s=0.15, **LATE)],
        loads=[burst(3)],
    ),
    row(
        "processor work on one process", ("processor work",), "order",
        race=CROWD,
        tasks=[task(service_s=0.15, work="cpu")],
    ),
    row(
        "processor work on four processes", ("processor work",), loads=[burst(8)],
        race=CROWD, workers=[FOUR], tasks=[task(service_s=0.15, work="cpu")],
    ),
    row(
        "each task takes its own time", ("draws",), "bodies_s", "order",
        tasks=[_drawn(cv=1.0, mean_s=0.25)], loads=[burst(8)],
    ),
)  # fmt: skip
