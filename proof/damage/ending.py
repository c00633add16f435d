"""Faults that end a worker or one of its processes."""

from __future__ import annotations

from proof.build import ACK_MODES, Fields, burst, fault, on, task
from proof.damage._case import (
    AGAIN,
    AGAIN_LATE,
    FAILED,
    HALF_DONE,
    LOST,
    ONCE,
    ONCE_BACK,
    ONCE_LATE,
    WAITS,
    Case,
    Fate,
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
from sandbox.faults import OnEvent

_KILLED = ("signal 9",)
_ENDED = ("exit 0",)
_BACK, _THERE = Fate("stuck", 0, "at once"), Fate("stuck", 0)
_FAILED_BACK = Fate("failed", 1, "at once")


def _dies(mode: str) -> Fields:
    """Return a worker that dies, comes back, and an hour passes."""
    return holding(mode, fault("kill_worker", started()), back_up(), an_hour_after(mode))


def _poisoned(mode: str) -> Fields:
    """Return tasks among which comes one that kills its process."""
    each = ACK_MODES[mode]
    return holding(
        mode,
        fault("poison", started(), task="bad"),
        tasks=[task("bad", 0.05, crash="child", **each), task(service_s=0.8, **each)],
    )


def _out_of_memory(mode: str) -> Fields:
    """Return two processes: a task that raises MemoryError beside one that runs on."""
    each = ACK_MODES[mode]
    return holding(
        mode,
        fault("memory_error", on("started"), task="bad"),
        tasks=[task("bad", 0.6, crash="memory", **each), task(service_s=1.2, **each)],
        workers=[{"concurrency": 2, "prefetch_multiplier": 2}],
        loads=[burst(1), burst(5, at_s=0.25)],
    )


CASES: tuple[Case, ...] = (
    case(
        "kill_child",
        late(
            harm(FAILED, ONCE, ONCE),
            harm(FAILED, ONCE, ONCE),
            harm(AGAIN, ONCE, ONCE),
        ),
        lambda mode: holding(mode, fault("kill_child", started())),
    ),
    case(
        "kill_worker",
        late(
            harm(LOST, ONCE_LATE, ONCE, exits=_KILLED),
            harm(AGAIN_LATE, ONCE_LATE, ONCE, exits=_KILLED),
        ),
        _dies,
        name="back, then an hour",
    ),
    case(
        "start_worker",
        late(
            harm(LOST, WAITS, ONCE, exits=_KILLED),
            harm(HALF_DONE, WAITS, ONCE, exits=_KILLED),
        ),
        lambda mode: holding(mode, fault("kill_worker", started()), back_up(), deadline_s=4.0),
        name="after a kill, without the hour",
        moment="kill_worker",
    ),
    case(
        "terminate_worker",
        every(harm(ONCE, ONCE_BACK, ONCE, exits=_ENDED)),
        lambda mode: holding(mode, fault("terminate_worker", started()), back_up()),
    ),
    case(
        "quit_worker",
        late(
            harm(LOST, ONCE_BACK, ONCE, exits=_ENDED),
            harm(AGAIN, ONCE_BACK, ONCE, exits=_ENDED),
        ),
        lambda mode: holding(mode, fault("quit_worker", started()), back_up()),
        name="cold",
    ),
    case(
        "quit_worker",
        every(harm(ONCE, ONCE_BACK, ONCE, exits=_ENDED)),
        lambda mode: holding(
            mode,
            fault("quit_worker", started()),
            back_up(),
            workers=[{"prefetch_multiplier": 2, "soft_shutdown_timeout_s": 1.0}],
        ),
        name="soft, long enough",
    ),
    case(
        "deploy",
        every(harm(ONCE, ONCE_BACK, ONCE, exits=_ENDED)),
        lambda mode: holding(mode, fault("deploy", started(), grace_s=5.0)),
        name="within the grace",
    ),
    case(
        "deploy",
        late(
            harm(LOST, ONCE_LATE, ONCE, exits=_KILLED),
            harm(AGAIN_LATE, ONCE_LATE, ONCE, exits=_KILLED),
        ),
        lambda mode: behind(
            mode, fault("deploy", started(), grace_s=0.4), an_hour_after(mode), long_s=1.6
        ),
        name="a task outlasts the grace, then an hour",
    ),
    case(
        "poison",
        late(
            harm(ONCE, ONCE, ONCE, FAILED),
            harm(ONCE, ONCE, ONCE, FAILED),
            harm(ONCE, ONCE, ONCE, Fate("stuck", 2, "at once")),
        ),
        _poisoned,
        moment="sent bad",
        until={"reject": OnEvent(event="started", task="bad", nth=2)},
    ),
    case(
        "memory_error",
        late(
            harm((FAILED, ONCE), _BACK, _THERE, exits=("exit 1",)),
            harm((_FAILED_BACK, ONCE), _BACK, _THERE, exits=("exit 1",)),
        ),
        _out_of_memory,
        name="the only worker",
        moment="failed",
        until=dict.fromkeys(ACK_MODES, OnEvent(event="worker_exited")),
    ),
)
