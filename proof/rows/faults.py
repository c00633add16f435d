"""Kills, shutdowns, restarts, the visibility timeout."""

from __future__ import annotations

from typing import Any

from proof.build import (
    ACK_MODES,
    HOUR_S,
    LATE,
    ONE,
    QUICK_SWEEPS,
    at,
    burst,
    fault,
    killed_and_back,
    on,
    task,
    terminated_and_back,
)
from proof.row import EXIT, NOTICE, Row, row

REJECT = ACK_MODES["reject"]
_AHEAD = {"concurrency": 1, "prefetch_multiplier": 3}


def _drawn(**more: Any) -> dict[str, Any]:
    return task(**more) | {"service": {"kind": "uniform", "low_s": 0.7, "high_s": 1.6}}


ROWS: tuple[Row, ...] = (
    # --- a child ---------------------------------------------------------------------
    row(
        "a child killed, early ack", ("child killed", "early ack"), "order", "lost_children",
        race=NOTICE, slow=True, tasks=[task(service_s=0.5)], loads=[burst(4)],
        faults=[fault("kill_child", on("started", 2))],
    ),
    row(
        "a child killed, late ack", ("child killed", "late ack"), "order", "lost_children",
        race=NOTICE, slow=True, tasks=[task(service_s=0.5, **LATE)], loads=[burst(4)],
        faults=[fault("kill_child", on("started", 2))],
    ),
    row(
        "a child killed, rejected to the back", ("reject on worker lost", "child killed"),
        "order", "put_back", race=NOTICE, slow=True,
        tasks=[task(service_s=0.5, **REJECT)], loads=[burst(4)],
        faults=[fault("kill_child", on("started", 2))],
    ),
    row(
        "a child killed behind what is prefetched", ("reject on worker lost", "prefetch"),
        "order", "put_back", race=NOTICE, slow=True,
        tasks=[task(service_s=0.5, **REJECT)], loads=[burst(5)], workers=[_AHEAD],
        faults=[fault("kill_child", on("started", 1))],
    ),
    row(
        "six children killed", ("child killed",), "notices", "fates_by_type",
        on_redis=False, race=NOTICE,
        tasks=[task(service_s=8.0)], loads=[burst(12)], deadline_s=40.0,
        workers=[{"concurrency": 12, "prefetch_multiplier": 1}],
        faults=[fault("kill_child", at(1.0 + i / 4)) for i in range(12)],
    ),
    # --- a worker killed -------------------------------------------------------------
    row(
        "a worker killed, early ack, then an hour",
        ("worker killed", "early ack", "restored to the front"), "order", "put_back",
        tasks=[task(service_s=0.8)], loads=[burst(4)],
        faults=killed_and_back(1, skip_after=on("started", 2, 0.1)),
    ),
    row(
        "a worker killed, late ack, then an hour",
        ("worker killed", "late ack", "restored to the front"), "order", "put_back",
        tasks=[task(service_s=1.0, **LATE)], loads=[burst(4)],
        # While the new one is busy, on a loaded machine too: an idle worker takes the newest before
        # the rest is restored.
        faults=killed_and_back(1, skip_after=on("succeeded", 1, 0.1)),
    ),
    row(
        "a worker killed, nobody left to reject", ("worker killed", "reject on worker lost"),
        "order", "put_back",
        tasks=[task(service_s=0.3, **REJECT)], loads=[burst(5)],
        faults=killed_and_back(2, skip_after=on("succeeded", 4, 0.3)),
    ),
    row(
        "without the hour", ("worker killed", "visibility timeout", "worker restarted"), "order",
        tasks=[task(service_s=0.8, **LATE)], loads=[burst(4)], workers=[_AHEAD],
        horizon_s=1.0, deadline_s=4.0, faults=killed_and_back(1, skip_after=at(9.0))[:2],
    ),
    row(
        "an idle worker killed", ("worker killed", "worker restarted"), "order",
        loads=[burst(3, at_s=1.0)],
        faults=[fault("kill_worker", at(0.3)), fault("start_worker", on("worker_exited"))],
    ),
    row(
        "half an hour is too short", ("visibility timeout", "worker killed"),
        tasks=[task(service_s=0.8, **LATE)], loads=[burst(3)], horizon_s=1.0, deadline_s=4.0,
        faults=[
            *killed_and_back(1, skip_after=at(9.0))[:2],
            fault("skip", on("succeeded", 2, 0.3), seconds=HOUR_S / 2),
        ],
    ),
    # --- the visibility timeout without a skip ---------------------------------------
    row(
        "the timeout of a dead worker's message", ("visibility timeout", "sweep"),
        "restored_after_s", slow=True, broker=QUICK_SWEEPS,
        tasks=[task(service_s=0.3, **LATE)], loads=[burst(3)], workers=[_AHEAD],
        faults=killed_and_back(1, skip_after=at(9.0))[:2],
    ),
    row(
        "the timeout counts from the delivery", ("visibility timeout", "sweep"),
        "restored_after_s", slow=True, broker=QUICK_SWEEPS,
        tasks=[task("first", 1.2, **LATE), task("job", 0.6, **LATE)],
        loads=[burst(1, "first"), burst(1)],
        faults=killed_and_back(2, skip_after=at(9.0))[:2],
    ),
    row(
        "a task longer than the timeout", ("visibility timeout", "redelivery"),
        "restored_after_s", race="its end is the deadline", broker=QUICK_SWEEPS, deadline_s=4.5,
        tasks=[task(service_s=2.6, **LATE)], loads=[burst(1)],
    ),
    row(
        "a sweep each 3 s", ("sweep", "worker restarted"), "restored_after_s",
        slow=True, broker=QUICK_SWEEPS | {"unacked_restore_interval_s": 3.0},
        tasks=[task(service_s=0.3, **LATE)], loads=[burst(3)], workers=[_AHEAD],
        faults=killed_and_back(1, skip_after=at(9.0))[:2],
    ),
    # --- an hour is skipped while tasks run ------------------------------------------
    row(
        "an hour passes while late tasks run", ("redelivery", "late ack"), "put_back", "bodies_s",
        tasks=[_drawn(**LATE)], loads=[burst(3)],
        workers=[{"concurrency": 3, "prefetch_multiplier": 1}],
        faults=[fault("skip", on("started", 3), seconds=HOUR_S)],
    ),
    row(
        "an hour passes while early tasks run", ("redelivery", "early ack"), "put_back",
        workers=[_AHEAD], tasks=[task(service_s=0.6), task("end", 0.05)],
        loads=[burst(3), burst(1, "end", 3.2)], horizon_s=4.0,
        faults=[fault("skip", on("started", 1), seconds=HOUR_S)],
    ),
    row(
        "a redelivered task takes its own time again", ("redelivery", "draws"), "bodies_s",
        tasks=[_drawn(**LATE)], loads=[burst(2)],
        faults=killed_and_back(1, skip_after=on("succeeded", 1, 0.2)),
    ),
    row(
        "an old owner's ack takes the new owner's entry", ("stale ack", "redelivery"), "put_back",
        slow=True, tasks=[task(service_s=2.5, **LATE)],
        loads=[burst(1, at_s=0.4)], workers=[ONE | {"n_workers": 2}],
        faults=[
            fault("kill_worker", at(0.1), worker="worker2"),
            fault("start_worker", on("started", 1, 0.1), worker="worker2"),
            fault("skip", on("started", 1, 1.0), seconds=HOUR_S),
            fault("kill_worker", on("succeeded", 1, 0.2), worker="worker2"),
            fault("skip", on("succeeded", 1, 0.5), seconds=HOUR_S),
        ],
    ),
    row(
        "an old owner's ack frees what is queued again", ("stale ack", "redelivery"), "put_back",
        tasks=[task(service_s=1.0, **LATE)], loads=[burst(2)],
        faults=[fault("skip", on("started", 1), seconds=HOUR_S)],
    ),
    # --- a warm shutdown -------------------------------------------------------------
    row(
        "a warm shutdown, early ack", ("warm shutdown", "early ack", "restored to the front"),
        "order", "put_back", race=EXIT,
        tasks=[task(service_s=0.3)], loads=[burst(7)], workers=[_AHEAD],
        faults=terminated_and_back(2),
    ),
    row(
        "a warm shutdown, late ack", ("warm shutdown", "late ack", "worker restarted"),
        "order", "put_back", race=EXIT,
        tasks=[task(service_s=0.3, **LATE)], loads=[burst(7)], workers=[_AHEAD],
        faults=terminated_and_back(2),
    ),
    row(
        "a warm shutdown leaves its work to another", ("warm shutdown",), "fates_by_type",
        "n_put_back",
        tasks=[task(service_s=0.4)], loads=[burst(12)], workers=[ONE | {"n_workers": 2}],
        faults=[fault("terminate_worker", on("started", 1, worker="worker1"))],
    ),
    row(
        "a worker killed beside another", ("worker killed",), "fates_by_type", "n_put_back",
        tasks=[task(service_s=0.4, **LATE)], loads=[burst(6)], workers=[ONE | {"n_workers": 2}],
        faults=[
            fault("kill_worker", on("started", 1, worker="worker1")),
            fault("skip", on("succeeded", 5, 0.2), seconds=HOUR_S),
        ],
    ),
)  # fmt: skip
