"""Faults of `unacked`: its ages, its sweeps, its mutex."""

from __future__ import annotations

from proof.build import HOUR_S, QUICK_SWEEPS, Fields, fault
from proof.damage._case import (
    AGAIN_LATE,
    HALF_DONE,
    LOST,
    ONCE,
    ONCE_LATE,
    TWICE,
    TWICE_LATE,
    WAITS,
    Case,
    back_up,
    behind,
    case,
    harm,
    late,
    started,
)


def _planted(mode: str, expires_s: float, **more: object) -> Fields:
    """Return a worker that dies and comes back while somebody else's mutex stops all sweeps."""
    return behind(
        mode,
        fault("plant_mutex", started(0.02), expires_s=expires_s),
        fault("kill_worker", started()),
        back_up(),
        long_s=0.8,
        broker=QUICK_SWEEPS,
        **more,
    )


def _ahead(mode: str) -> Fields:
    """Return worker h1 with all tasks, and o1 that only sweeps, by a clock an hour ahead."""
    return behind(
        mode,
        fault("skew", started(0.2), worker="o1", offset_s=HOUR_S, for_s=0.8),
        long_s=1.6,
        queues=["celery", "other"],
        workers=[{"name": "h", "prefetch_multiplier": 2}, {"name": "o", "queues": ["other"]}],
        broker=QUICK_SWEEPS | {"visibility_timeout_s": 60.0},
    )


_KILLED = ("signal 9",)

CASES: tuple[Case, ...] = (
    case(
        "skip",
        late(harm(ONCE, TWICE_LATE, ONCE), harm(TWICE_LATE, TWICE_LATE, ONCE)),
        lambda mode: behind(mode, fault("skip", started(), seconds=HOUR_S), long_s=1.5),
        name="while tasks run",
    ),
    case(
        "sweep",
        late(harm(ONCE, TWICE, ONCE), harm(TWICE, TWICE, ONCE)),
        lambda mode: behind(
            mode, fault("sweep", started(0.5), visibility_timeout_s=0.3), long_s=1.6
        ),
    ),
    case(
        "skew",
        late(harm(ONCE, TWICE, ONCE), harm(TWICE, TWICE, ONCE)),
        _ahead,
        name="a sweeper an hour ahead",
        worker="h1",
    ),
    case(
        "plant_mutex",
        late(harm(LOST, WAITS, ONCE, exits=_KILLED), harm(HALF_DONE, WAITS, ONCE, exits=_KILLED)),
        lambda mode: _planted(mode, 300.0, deadline_s=4.5),
        name="for the rest of the run",
        moment="kill_worker",
    ),
    case(
        "plant_mutex",
        late(
            harm(LOST, ONCE_LATE, ONCE, exits=_KILLED),
            harm(AGAIN_LATE, ONCE_LATE, ONCE, exits=_KILLED),
        ),
        lambda mode: _planted(mode, 3.0),
        name="until it expires",
        moment="kill_worker",
    ),
)
