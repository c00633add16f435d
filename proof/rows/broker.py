"""The broker stopped and started, and what other clients of its keys do."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, ONE, QUICK_SWEEPS, Fields, at, burst, fault, on, task
from proof.row import Row, row

_AHEAD = {"concurrency": 1, "prefetch_multiplier": 2}
_TWO = {"concurrency": 2, "prefetch_multiplier": 1}


def stopped(nth: int = 1, after_s: float = 0.3, down_s: float = 0.5) -> Fields:
    """Return: the broker is killed at the nth start, and started again."""
    return fault("stop_broker", on("started", nth, after_s), down_s=down_s)


def _outage(service_s: float, n: int, **more: Any) -> dict[str, Any]:
    """Return a full worker whose broker is gone while its first task runs."""
    return {
        "tasks": [task(service_s=service_s, **more), task("new", 0.05)],
        "loads": [burst(n), burst(2, "new", 3.3)],
        "workers": [_AHEAD],
        "faults": [stopped()],
        "horizon_s": 4.0,
    }


def _kept(**more: Any) -> dict[str, Any]:
    return _outage(2.4, 1, **more) | {
        "tasks": [task(service_s=2.4, **more), task("short", 0.05, **more)],
        "loads": [burst(1), burst(4, "short", 0.05)],
        "broker": QUICK_SWEEPS | {"visibility_timeout_s": 5.0, "persistence": "aof"},
        "slow": True,
    }


def _late_publish(*, ignores: bool) -> dict[str, Any]:
    """Return two tasks that are published while the broker is down."""
    return {
        "tasks": [task(service_s=0.05, ignore_result=ignores)],
        "loads": [burst(1), burst(2, at_s=0.6)],
        "workers": [_AHEAD],
        "faults": [fault("stop_broker", on("succeeded")), fault("start_broker", at(1.95))],
        "race": "when a publish is given up",
    }


def _swept(timeout_s: float, **more: Any) -> dict[str, Any]:
    """Return a worker of one process, and one sweep of a client with a timeout of its own."""
    return {
        "tasks": [task(service_s=1.2, **more)],
        "loads": [burst(2)],
        "workers": [_AHEAD],
        "faults": [fault("sweep", on("started", 1, 0.7), visibility_timeout_s=timeout_s)],
    }


def _mutex(*, expires_s: float, back: bool = False) -> dict[str, Any]:
    """Return a worker that dies with messages while somebody else's mutex stops all sweeps."""
    sweeps = {"visibility_timeout_s": 1.0, "unacked_restore_interval_s": 0.2}
    kill = fault("kill_worker", on("started"), **({"back_after_s": 0.3} if back else {}))
    return {
        "tasks": [task("first", 0.8, **LATE), task("job", 0.3, **LATE)],
        "loads": [burst(1, "first")],
        "broker": QUICK_SWEEPS | sweeps,
        "faults": [fault("plant_mutex", on("started", 1, 0.02), expires_s=expires_s), kill],
    }


_TICK: Fields = {"name": "tick", "task": "job", "every_s": 0.6}

ROWS: tuple[Row, ...] = (
    # --- nothing kept ----------------------------------------------------------------
    row(
        "a broker that keeps nothing, early ack", ("lost broker", "early ack"), "order",
        "put_back", "exits", **_outage(2.6, 5),
    ),
    row(
        "a broker that keeps nothing, late ack", ("lost broker", "late ack"), "order",
        "put_back", "exits", **_outage(2.6, 5, **LATE),
    ),
    row(
        "a result without a broker", ("result in an outage", "lost broker"), "errors", "settled",
        workers=[ONE], tasks=[task(service_s=0.6, **LATE)], loads=[burst(1)],
        faults=[stopped(down_s=1.0)],
    ),
    row(
        "no result, so no broker needed", ("ignored result", "result in an outage"), "errors",
        workers=[ONE], tasks=[task(service_s=0.6, ignore_result=True, **LATE)],
        loads=[burst(1)], faults=[stopped(down_s=1.0)],
    ),
    row(
        "a failure without a broker", ("result in an outage", "lost broker"), "errors",
        workers=[ONE], tasks=[task(service_s=0.6, p_failure=1.0)], loads=[burst(1)],
        faults=[stopped(down_s=1.0)],
    ),
    row(
        "who waits for more does not survive a stop", ("lost broker", "worker restarted"),
        "exits", workers=[_AHEAD], loads=[burst(1), burst(2, "new", 3.8)],
        tasks=[task(service_s=0.9, ignore_result=True, **LATE), task("new", 0.05)], horizon_s=4.2,
        faults=[stopped(down_s=0.4), fault("start_worker", on("worker_exited"))],
    ),
    row(
        "a full worker survives a stop", ("lost broker", "prefetch"), "exits", "order",
        workers=[_AHEAD], loads=[burst(2), burst(2, "new", 3.8)], horizon_s=4.2,
        tasks=[task(service_s=0.9, ignore_result=True, **LATE), task("new", 0.05)],
        faults=[stopped(down_s=0.4)],
    ),
    # --- published meanwhile ---------------------------------------------------------
    row(
        "given up in an outage", ("publish in an outage", "ignored result"), "lost_with_broker",
        **_late_publish(ignores=True),
    ),
    row(
        "who wants the result waits for the broker", ("publish in an outage", "ignored result"),
        "lost_with_broker", **_late_publish(ignores=False),
    ),
    # --- everything kept -------------------------------------------------------------
    row(
        "a broker that keeps all, early ack", ("kept broker", "early ack", "visibility timeout"),
        "put_back", **_kept(),
    ),
    row(
        "a broker that keeps all, late ack", ("kept broker", "late ack", "visibility timeout"),
        "order", "put_back", **_kept(**LATE),
    ),
    # --- other clients ---------------------------------------------------------------
    row(
        "another client's short timeout, early ack", ("smallest timeout", "early ack"),
        "put_back", "order", **_swept(0.3),
    ),
    row(
        "another client's short timeout, late ack", ("smallest timeout", "redelivery"),
        "put_back", **_swept(0.3, **LATE),
    ),
    row(
        "another client's long timeout", ("smallest timeout", "late ack"), "put_back", "order",
        **_swept(60.0, **LATE),
    ),
    row(
        "a mutex that outlives its holder", ("mutex", "sweep"), "put_back", "planted_for_s",
        workers=[ONE], **_mutex(expires_s=2.5, back=True), slow=True,
    ),
    row(
        "a mutex that is gone in time", ("mutex", "sweep", "visibility timeout"), "put_back",
        "planted_for_s", workers=[ONE], **_mutex(expires_s=0.6, back=True), slow=True,
    ),
    # --- two beats -------------------------------------------------------------------
    row(
        "a second beat", ("second beat", "beat"), "sent_s",
        tasks=[task(service_s=0.2)], loads=[], beat=[_TICK], horizon_s=2.5,
        faults=[fault("start_beat", at(0.3))],
    ),
    row(
        "a second beat of two entries", ("second beat",), "n_sent",
        tasks=[task(service_s=0.2), task("other", 0.2)], loads=[], workers=[_TWO],
        beat=[_TICK, {"name": "tock", "task": "other", "every_s": 0.7}], horizon_s=2.6,
        faults=[fault("start_beat", at(1.0))],
    ),
)  # fmt: skip
