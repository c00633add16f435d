"""Faults that make somebody wait: a worker, a broker, a link, a dependency."""

from __future__ import annotations

from typing import Any

from proof.build import ACK_MODES, HOUR_S, QUICK_SWEEPS, Fields, burst, fault, on, task
from proof.damage._case import (
    FAILED,
    ONCE,
    TWICE_LATE,
    Case,
    case,
    every,
    harm,
    holding,
    late,
    started,
)

ALL_ONCE = harm(ONCE, ONCE, ONCE)
API: Fields = {"name": "api", "capacity": 4}
SERVICE: Fields = {"dependency": "api", "service": {"kind": "deterministic", "value_s": 0.05}}


def _past_the_timeout(mode: str) -> Fields:
    """Return two workers, one of them stopped until the other has done all that it can."""
    n_elsewhere = 6 if mode == "early" else 7
    return holding(
        mode,
        fault("pause_worker", on("started", 1, 0.25, worker="worker1")),
        fault("resume_worker", on("succeeded", n_elsewhere, 0.1, worker="worker2")),
        n=7,
        service_s=0.5,
        workers=[{"n_workers": 2, "prefetch_multiplier": 2}],
        broker=QUICK_SWEEPS,
    )


def _an_hour_of_pause(mode: str) -> Fields:
    """Return a worker that stands still while an hour passes, and then goes on."""
    return holding(
        mode,
        fault("pause_worker", started()),
        fault("skip", started(0.6), seconds=HOUR_S),
        fault("resume_worker", started(1.5)),
    )


def _calls(mode: str, *faults: Fields, **more: Any) -> Fields:
    """Return tasks that call a dependency after their own work."""
    calling = task(service_s=0.8, calls=SERVICE, **ACK_MODES[mode])
    return holding(mode, *faults, tasks=[calling], dependencies=[API]) | more


def _slow(mode: str) -> Fields:
    """Return a call that outlasts the visibility timeout, and tasks behind it that call nobody."""
    each = ACK_MODES[mode]
    return _calls(
        mode,
        fault("slow_dependency", started(), dependency="api", factor=50.0),
        fault("slow_dependency", on("succeeded"), dependency="api", factor=1.0),
        tasks=[task("long", 0.8, calls=SERVICE, **each), task(service_s=0.1, **each)],
        loads=[burst(1, "long"), burst(3, at_s=0.02)],
        broker=QUICK_SWEEPS,
    )


CASES: tuple[Case, ...] = (
    case(
        "pause_worker",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("pause_worker", started(), for_s=0.8)),
        name="within the visibility timeout",
    ),
    case(
        "pause_worker",
        late(harm(ONCE, TWICE_LATE, ONCE), harm(TWICE_LATE, TWICE_LATE, ONCE)),
        _past_the_timeout,
        name="past the visibility timeout, beside another worker",
    ),
    case(
        "resume_worker",
        late(harm(ONCE, TWICE_LATE, ONCE), harm(TWICE_LATE, TWICE_LATE, ONCE)),
        _an_hour_of_pause,
        name="an hour later",
        moment="pause_worker",
    ),
    case(
        "pause_broker",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("pause_broker", started(), for_s=0.8)),
        refused_by=("url",),
    ),
    case(
        "latency",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("latency", started(), delay_s=0.1)),
    ),
    case(
        "bandwidth",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("bandwidth", started(), bytes_per_s=20_000.0)),
        refused_by=("model", "url"),
    ),
    case(
        "fail_dependency",
        every(harm(FAILED, ONCE, ONCE)),
        lambda mode: _calls(mode, fault("fail_dependency", started(), dependency="api", for_s=0.8)),
    ),
    case(
        "slow_dependency",
        every(ALL_ONCE),
        lambda mode: _calls(
            mode, fault("slow_dependency", started(0.2), dependency="api", factor=8.0)
        ),
        name="within the visibility timeout",
    ),
    case(
        "slow_dependency",
        late(harm(ONCE, TWICE_LATE, ONCE), harm(TWICE_LATE, TWICE_LATE, ONCE)),
        _slow,
        name="past the visibility timeout",
    ),
    case(
        "rate_limit",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("rate_limit", started(), task="job", rate="2/s")),
    ),
    case(
        "noop",
        every(ALL_ONCE),
        lambda mode: holding(mode, fault("noop", started())),
        moment="succeeded",
    ),
    case(
        "start_beat",
        every(harm(ONCE, ONCE, ONCE, ONCE)),
        lambda mode: holding(
            mode,
            fault("start_beat", started()),
            beat=[{"name": "tick", "task": "job", "every_s": 0.9}],
            horizon_s=2.0,
        ),
    ),
)
