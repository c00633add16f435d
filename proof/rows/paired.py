"""Every two values of ack mode, prefetch and fault, once: the cases nobody thought of."""

from __future__ import annotations

from typing import Any

from proof.build import ACK_MODES, HOUR_S, Fields, burst, fault, on, task, terminated_and_back, warm
from proof.pairs import all_pairs
from proof.row import Row, row

PREFETCH = {"1": 1, "2": 2, "4": 4, "without a limit": 0}
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
        0.6, "how long a start takes",
    ),
    "warm shutdown": (terminated_and_back(2), 0.3, "how long a start takes"),
    "hour skipped": (
        [fault("skip", on("started", 2), seconds=HOUR_S)], 0.7, "when the skip's sweep comes"
    ),
}  # fmt: skip
COLUMNS = {"ack": tuple(ACK_MODES), "prefetch": tuple(PREFETCH), "fault": tuple(FAULTS)}
_SHOWS = {
    "no fault": "prefetch", "child killed": "child killed", "worker killed": "worker killed",
    "warm shutdown": "warm shutdown", "hour skipped": "redelivery",
    "early": "early ack", "late": "late ack", "reject": "reject on worker lost",
}  # fmt: skip


def _load(fault: str) -> Fields:
    if fault == "no fault":
        return warm(4, 12)
    if fault == "hour skipped":
        return {"loads": [burst(4), burst(1, "end", 3.2)], "horizon_s": 4.0}
    return {"loads": [burst(8 if fault == "worker killed" else 12)]}


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
        slow=fault in {"child killed", "worker killed"},
        tasks=[task(service_s=service_s, **ACK_MODES[ack]), task("end", 0.05)],
        # The last one keeps the run from ending before what is delivered twice has run twice.
        **_load(fault),
        workers=[{"concurrency": 2, "prefetch_multiplier": PREFETCH[prefetch]}],
        faults=faults,
    )


ROWS: tuple[Row, ...] = tuple(paired(**combination) for combination in all_pairs(COLUMNS))
