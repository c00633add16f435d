"""Faults of the broker: stopped, emptied, full."""

from __future__ import annotations

from typing import Any

from proof.build import Fields, burst, fault, on
from proof.damage._case import (
    FAILED,
    GONE,
    LOST,
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

AOF: Fields = {"broker": {"persistence": "aof"}}
_MORE = (burst(1, "long"), burst(3, at_s=0.02), burst(1, at_s=3.4))


def _stopped(mode: str, *more_faults: Fields, **more: Any) -> Fields:
    """Return a full worker whose broker is gone while its task runs, and back before it ends."""
    stop = fault("stop_broker", started(), down_s=0.5)
    return behind(mode, stop, *more_faults, long_s=2.8, **more)


def _waiting(mode: str, n_behind: int) -> Fields:
    """Return a worker with room for more, whose AOF broker is stopped and comes back."""
    loads = [burst(1, "long"), *([burst(1, at_s=0.02)] if n_behind else []), burst(1, at_s=3.6)]
    return behind(
        mode,
        fault("stop_broker", started(), down_s=0.4),
        back_up(),
        fault("skip", on("succeeded", 2, 0.4), seconds=3600.0),
        long_s=0.9,
        kind={"ignore_result": True},
        loads=loads,
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
        horizon_s=4.0,
        **AOF,
    )


def _full(mode: str) -> Fields:
    """Return a broker that refuses writes until its worker has given up."""
    return holding(
        mode,
        fault("maxmemory", started(0.15), for_s=0.7),
        back_up(),
        service_s=0.5,
        kind={"ignore_result": True},
    )


_EMPTIED = harm(ONCE, ONCE, GONE, ONCE)

CASES: tuple[Case, ...] = (
    case(
        "stop_broker",
        every(harm(ONCE, GONE, GONE, ONCE)),
        lambda mode: _stopped(mode, loads=list(_MORE), horizon_s=4.0),
        name="nothing kept",
        refused_by=("url",),
    ),
    case(
        "stop_broker",
        every(harm(ONCE, ONCE_LATE, ONCE)),
        lambda mode: _stopped(mode, an_hour_after(mode, n_before=1), **AOF),
        name="everything kept, then an hour",
        refused_by=("fake", "url"),
    ),
    case(
        "stop_broker",
        late(
            harm(ONCE, ONCE_LATE, published=ONCE, exits=("exit 1",)),
            harm(TWICE_LATE, ONCE_LATE, published=ONCE, exits=("exit 1",)),
        ),
        lambda mode: _waiting(mode, 1),
        name="a worker that waits for more and holds something",
        refused_by=("fake", "url"),
        why="It exits: closing a channel in BRPOP fails half way, and with something to restore "
        "the next closing fails for good (kombu/transport/redis.py Channel.close).",
    ),
    case(
        "stop_broker",
        late(
            harm(ONCE, published=ONCE),
            harm(TWICE_LATE, published=ONCE, exits=("exit 1",)),
        ),
        lambda mode: _waiting(mode, 0),
        name="a worker that waits for more and only runs a task",
        refused_by=("fake", "url"),
        why="Under early ack it holds nothing that is not acknowledged, and survives.",
    ),
    case(
        "stop_broker",
        every(harm(FAILED, ONCE_LATE, ONCE)),
        lambda mode: holding(
            mode, fault("stop_broker", started(), down_s=0.8), an_hour_after(mode), **AOF
        ),
        name="everything kept, a task ends meanwhile, then an hour",
        refused_by=("fake", "url"),
    ),
    case(
        "start_broker",
        every(harm(ONCE, GONE, GONE, ONCE)),
        lambda mode: behind(
            mode,
            fault("stop_broker", started()),
            fault("start_broker", started(0.8)),
            long_s=2.8,
            loads=list(_MORE),
            horizon_s=4.0,
        ),
        name="nothing kept",
        refused_by=("url",),
        moment="stop_broker",
    ),
    case(
        "flush",
        every(_EMPTIED),
        lambda mode: holding(
            mode, fault("flush", started()), service_s=0.7, loads=[burst(5), burst(1, at_s=1.6)]
        ),
        refused_by=("url",),
    ),
    case(
        "flush",
        late(harm(FAILED, ONCE, GONE), harm(FAILED, ONCE, GONE), harm(LOST, ONCE, GONE)),
        lambda mode: holding(
            mode, fault("flush", started()), fault("kill_child", started(0.5)), service_s=0.8
        ),
        name="then a child is killed",
        refused_by=("url",),
    ),
    case(
        "maxmemory",
        every(_EMPTIED),
        lambda mode: holding(
            mode,
            fault("maxmemory", started(), policy="allkeys-lru"),
            service_s=0.7,
            loads=[burst(5), burst(1, at_s=1.6)],
        ),
        name="allkeys-lru",
        moment="evict",
        refused_by=("fake", "url"),
    ),
    case(
        "maxmemory",
        late(
            harm(ONCE, (TWICE, ONCE_BACK), ONCE, exits=("exit 1",)),
            harm(TWICE, ONCE_BACK, ONCE, exits=("exit 1",)),
        ),
        _full,
        name="noeviction, room again before the worker ends",
        moment="fill_memory",
        refused_by=("fake", "url"),
    ),
)
