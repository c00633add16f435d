"""Faults of a link: cut, refused, half open."""

from __future__ import annotations

from proof.build import HOUR_S, Fields, fault, on
from proof.damage._case import (
    FAILED,
    ONCE,
    ONCE_BACK,
    ONCE_LATE,
    TWICE,
    TWICE_LATE,
    Case,
    an_hour_after,
    back_up,
    behind,
    case,
    every,
    harm,
    holding,
    late,
    started,
)


def _half_open(mode: str) -> Fields:
    """Return a worker whose link is half open, until it is killed, and an hour passes."""
    hangs = on("succeeded", 2 if mode == "early" else 1, 0.5)
    return holding(
        mode,
        fault("half_open", started(), worker="worker1"),
        fault("kill_worker", hangs),
        fault("skip", on("worker_exited"), seconds=HOUR_S),
        back_up(0.4),
        kind={"ignore_result": True},
    )


CASES: tuple[Case, ...] = (
    case(
        "drop_connections",
        late(harm(ONCE, ONCE_BACK, ONCE), harm(TWICE, ONCE_BACK, ONCE)),
        lambda mode: behind(mode, fault("drop_connections", started()), long_s=1.4),
    ),
    case(
        "drop_connections",
        late(harm(ONCE, TWICE, ONCE), harm(TWICE, TWICE, ONCE)),
        lambda mode: behind(
            mode,
            fault("drop_connections", started()),
            long_s=1.4,
            workers=[{"pool": "threads", "concurrency": 1, "prefetch_multiplier": 2}],
        ),
        name="a pool of threads",
    ),
    case(
        "cut_off",
        every(harm(ONCE, ONCE_LATE, ONCE)),
        lambda mode: behind(
            mode,
            fault("cut_off", started(), worker="worker1", for_s=0.5),
            an_hour_after(mode, n_before=1),
            long_s=2.7,
        ),
        name="back while its task runs, then an hour",
    ),
    case(
        "cut_off",
        every(harm(FAILED, ONCE_LATE, ONCE)),
        lambda mode: holding(
            mode,
            fault("cut_off", started(), worker="worker1", for_s=0.8),
            an_hour_after(mode),
        ),
        name="its task ends meanwhile, then an hour",
        why="The result of the task that ran has no place, so the task fails; its "
        "acknowledgement is made when the worker is back.",
    ),
    case(
        "half_open",
        late(
            harm(ONCE, (TWICE_LATE, ONCE_LATE), ONCE, exits=("signal 9",)),
            harm(TWICE_LATE, ONCE_LATE, ONCE, exits=("signal 9",)),
        ),
        _half_open,
        name="killed at last, then an hour",
    ),
)
