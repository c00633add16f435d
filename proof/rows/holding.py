"""What a worker takes ahead and keeps: countdowns, no prefetch, limits on it, autoscale."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, ONE, QUICK_SWEEPS, burst, fault, on, task
from proof.row import EXIT, Row, row

_AHEAD = {"concurrency": 1, "prefetch_multiplier": 4}
_GROWS: dict[str, Any] = {"autoscale": (3, 1), "prefetch_multiplier": 1}
_START = "a child's start"


def _later(countdown_s: float, name: str = "job", **more: Any) -> dict[str, Any]:
    """Return a short task that is published with a countdown."""
    return task(name, 0.05, countdown_s=countdown_s, **more)


def _choosy(first_s: float = 0.5, *, late: bool = False, **pool: Any) -> dict[str, Any]:
    """Return a worker without prefetch, one task that keeps it busy and four that wait."""
    acks = LATE if late else {}
    return {
        "tasks": [task("first", first_s, **acks), task("job", 0.05, **acks)],
        "loads": [burst(1, "first"), burst(4)],
        "workers": [_AHEAD | {"disable_prefetch": True} | pool],
    }


ROWS: tuple[Row, ...] = (
    # --- countdowns ------------------------------------------------------------------
    row(
        "six countdowns on one credit", ("countdown", "ETA"), "early_holds", "eta_held_s",
        tasks=[_later(1.0)], loads=[burst(6)],
    ),
    row(
        "six countdowns, late ack", ("countdown", "late ack"), "early_holds", "held",
        tasks=[_later(1.0, **LATE)], loads=[burst(6)],
    ),
    row(
        "a countdown takes no process", ("countdown", "first come"), "order", "n_holds",
        tasks=[_later(1.0, "later"), task("job", 0.05)],
        loads=[burst(2, "later"), burst(2, at_s=0.1)],
    ),
    row(
        "a countdown beyond the timeout multiplies", ("countdown", "redelivery"), "put_back",
        "n_holds", tasks=[_later(2.5)], loads=[burst(2)],
        broker=QUICK_SWEEPS | {"visibility_timeout_s": 1.0, "unacked_restore_interval_s": 0.1},
    ),
    row(
        "expired before its countdown", ("countdown", "expiry"), "n_holds", "eta_held_s",
        tasks=[_later(0.8, expires_s=0.4)], loads=[burst(2)],
    ),
    row(
        "a countdown, then a token", ("countdown", "rate limit"), "order", "n_holds",
        "last_start_s", tasks=[_later(0.5, rate_limit="4/s")], loads=[burst(4)],
    ),
    row(
        "a worker that leaves gives countdowns back", ("countdown", "warm shutdown"), "put_back",
        "n_holds", race=EXIT, tasks=[_later(2.0)], loads=[burst(3)],
        faults=[
            fault("terminate_worker", on("received", 3, 0.2)),
            fault("start_worker", on("worker_exited")),
        ],
    ),
    # --- without prefetch ------------------------------------------------------------
    row(
        "no prefetch, early ack", ("disabled prefetch", "early ack"), "order", "ahead",
        **_choosy(),
    ),
    row(
        "no prefetch, late ack", ("disabled prefetch", "late ack"), "order", "ahead", "held",
        **_choosy(late=True, prefetch_multiplier=0),
    ),
    row(
        "no prefetch, threads", ("disabled prefetch", "threads"), "order", "ahead",
        **_choosy(0.3, pool="threads"),
    ),
    row(
        "no prefetch, then a higher priority", ("disabled prefetch", "priorities"), "order",
        workers=[_AHEAD | {"disable_prefetch": True}],
        tasks=[
            task("first", 0.6, priority=9), task("low", 0.05, priority=9), task("high", 0.05)
        ],
        loads=[burst(1, "first"), burst(5, "low"), burst(1, "high", 0.3)],
    ),
    row(
        "no prefetch, but what waits for a token", ("disabled prefetch", "rate-held credit"),
        "order", workers=[_AHEAD | {"disable_prefetch": True}],
        tasks=[task("limited", 0.01, rate_limit="2/s"), task("free", 0.01)],
        loads=[burst(6, "limited"), burst(2, "free", 0.2)],
    ),
    # --- worker_eta_task_limit -------------------------------------------------------
    row(
        "an ETA limit leaves the rest", ("ETA limit", "countdown"), "early_holds", "held",
        tasks=[task(service_s=0.3, countdown_s=0.8, **LATE)], loads=[burst(6)],
        workers=[ONE | {"eta_task_limit": 3}],
    ),
    row(
        "an ETA limit costs credit for good", ("ETA limit", "prefetch"), "order",
        "ahead_by_type",
        tasks=[_later(0.5, "held", **LATE), task("job", 0.4, **LATE)],
        loads=[burst(5, "held"), burst(5, at_s=1.5)], workers=[_AHEAD | {"eta_task_limit": 5}],
    ),
    row(
        "an ETA limit that is not reached", ("ETA limit", "countdown"), "order", "ahead_by_type",
        tasks=[_later(0.5, "held", **LATE), task("job", 0.4, **LATE)],
        loads=[burst(3, "held"), burst(5, at_s=1.5)], workers=[_AHEAD | {"eta_task_limit": 9}],
    ),
    # --- autoscale -------------------------------------------------------------------
    row(
        "a process for each reserved task", ("autoscale", "early ack"), "processes", race=_START,
        tasks=[task(service_s=0.8)], loads=[burst(6)], workers=[_GROWS],
    ),
    row(
        "a process for each reserved task, late ack", ("autoscale", "late ack"), "processes",
        race=_START, tasks=[task(service_s=0.8, **LATE)], loads=[burst(6)], workers=[_GROWS],
    ),
    row(
        "the credit of the most processes", ("autoscale", "prefetch"), "processes", "ahead",
        race=_START, tasks=[task(service_s=0.6, **LATE)], loads=[burst(9)],
        workers=[_GROWS | {"prefetch_multiplier": 2}],
    ),
    row(
        "processes go when nothing comes", ("autoscale",), "processes", race=_START,
        tasks=[task(service_s=0.3)], loads=[burst(3), burst(3, at_s=3.8)],
        workers=[_GROWS | {"autoscale_keepalive_s": 1.0}], horizon_s=4.0,
    ),
    row(
        "a countdown that is over brings no process", ("autoscale", "countdown"), "processes",
        "order", tasks=[task(service_s=0.3, countdown_s=0.5)], loads=[burst(3)],
        workers=[_GROWS],
    ),
    # --- a new connection ------------------------------------------------------------
    row(
        "a new connection has all its credit", ("credit anew", "lost connection"),
        "taken_anew", "put_back",
        tasks=[task(service_s=1.0)], loads=[burst(8)],
        workers=[{"concurrency": 2, "prefetch_multiplier": 2}],
        faults=[fault("drop_connections", on("started", 2, 0.3))],
    ),
    row(
        "a new connection has all its credit, late ack", ("credit anew", "lost connection"),
        "taken_anew", "put_back",
        tasks=[task(service_s=0.8, **LATE)], loads=[burst(8)],
        workers=[{"concurrency": 3, "prefetch_multiplier": 1}],
        faults=[fault("drop_connections", on("started", 3, 0.3))],
    ),
)  # fmt: skip
