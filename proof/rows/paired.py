"""Every two values of ack mode, prefetch and fault, once: the cases nobody thought of."""

from __future__ import annotations

from typing import Any

from proof.build import (
    ACK_MODES,
    HOUR_S,
    QUICK_SWEEPS,
    Fields,
    burst,
    fault,
    on,
    task,
    terminated_and_back,
    warm,
)
from proof.pairs import all_pairs
from proof.row import EXIT, Row, row
from proof.rows.broker import stopped
from proof.rows.stopping import paused_for_an_hour, quit_and_back

PREFETCH = {"1": 1, "2": 2, "4": 4, "without a limit": 0}
_REVIVED = fault("start_worker", on("worker_exited"))
# By fault: the faults, seconds of work of a task, why times say nothing.
FAULTS: dict[str, tuple[list[dict[str, Any]], float, str | None]] = {
    "no fault": ([], 0.2, None),
    "child killed": (
        [fault("kill_child", on("started", 2))], 0.3, "when a dead child is noticed"
    ),
    "worker killed": (
        [
            # Late enough that the worker has fetched all it may: BRPOP and `unacked` are two steps.
            fault("kill_worker", on("started", 2, 0.4)),
            fault("start_worker", on("worker_exited")),
            # By then the new worker has done all that was left in the queue.
            fault("skip", on("worker_exited", 1, 3.2), seconds=HOUR_S),
        ],
        0.6, None,
    ),
    "warm shutdown": (terminated_and_back(2), 0.3, EXIT),
    "hour skipped": (
        [fault("skip", on("started", 2), seconds=HOUR_S)], 0.7, None
    ),
    "paused for an hour": (paused_for_an_hour(2), 0.6, "when the pause is over"),
    "quit": (quit_and_back(2), 0.4, EXIT),
    "connections lost": (
        [fault("drop_connections", on("started", 2, 0.3))], 0.5, None
    ),
    # A worker that waits for more with something in hand does not survive a stop.
    "broker lost": ([stopped(2), _REVIVED], 2.5, None),
    "broker kept": ([stopped(2), _REVIVED], 2.5, None),
}  # fmt: skip
COLUMNS = {"ack": tuple(ACK_MODES), "prefetch": tuple(PREFETCH), "fault": tuple(FAULTS)}
_SHOWS = {
    "no fault": "prefetch", "child killed": "child killed", "worker killed": "worker killed",
    "warm shutdown": "warm shutdown", "hour skipped": "redelivery",
    "paused for an hour": "pause", "quit": "cold shutdown", "connections lost": "lost connection",
    "broker lost": "lost broker", "broker kept": "kept broker",
    "early": "early ack", "late": "late ack", "reject": "reject on worker lost",
}  # fmt: skip


_KEPT = QUICK_SWEEPS | {"visibility_timeout_s": 5.0, "persistence": "aof"}
# The last one keeps the run from ending before what is delivered twice has run twice.
_LOADS: dict[str, Fields] = {
    "no fault": warm(4, 12),
    "worker killed": {"loads": [burst(8)]},
    "hour skipped": {"loads": [burst(4), burst(1, "end", 3.2)], "horizon_s": 4.0},
    "paused for an hour": {"loads": [burst(4), burst(1, "end", 3.6)], "horizon_s": 4.0},
    "quit": {"loads": [burst(8)]},
    "connections lost": {"loads": [burst(8)]},
    "broker lost": {"loads": [burst(12), burst(1, "end", 4.2)], "horizon_s": 4.5},
    "broker kept": {"loads": [burst(2), burst(10, "end", 0.05)], "broker": _KEPT},
}
_SLOW = {"child killed", "worker killed", "broker kept"}


def paired(ack: str, prefetch: str, fault: str) -> Row:
    """Return the row of one combination: a worker with two processes and a burst."""
    faults, service_s, race = FAULTS[fault]
    # Of two children that begin within a millisecond, either may be the one that is killed.
    fixed = ("fates_by_type", "n_put_back") if fault == "child killed" else ("put_back",)
    return row(
        f"{ack} ack, prefetch {prefetch}, {fault}",
        (_SHOWS[ack], _SHOWS[fault]),
        *fixed,
        race=race,
        slow=fault in _SLOW,
        tasks=[task(name, s, **ACK_MODES[ack]) for name, s in (("job", service_s), ("end", 0.05))],
        **_LOADS.get(fault, {"loads": [burst(12)]}),
        workers=[{"concurrency": 2, "prefetch_multiplier": PREFETCH[prefetch]}],
        faults=faults,
    )


ROWS: tuple[Row, ...] = tuple(paired(**combination) for combination in all_pairs(COLUMNS))
