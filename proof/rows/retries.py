"""Retries, countdowns and the credit they lend."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, burst, fault, on, task
from proof.row import Row, row

FOUR = {"concurrency": 4, "prefetch_multiplier": 4}


def fails(*retries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a task that always fails, with these retries."""
    return task(service_s=0.05, p_failure=1.0, retries=list(retries)) | more


def self_retry(n: int, countdown_s: float, **more: Any) -> dict[str, Any]:
    """Return the policy of ``self.retry(countdown=…)``."""
    return {"kind": "self", "max_retries": n, "countdown_s": countdown_s} | more


def auto_retry(n: int, **more: Any) -> dict[str, Any]:
    """Return the policy of ``autoretry_for``, with a backoff of 1 s unless ``more`` says else."""
    return {"kind": "auto", "max_retries": n, "backoff_s": 1} | more


def _pair(name: str, shows: tuple[str, ...], *policies: dict[str, Any], **fields: Any) -> Row:
    """Return a row of two tasks that fail every time, on a worker with room for all."""
    fields = {
        "tasks": [fails(*policies)],
        "workers": [{"concurrency": 1, "prefetch_multiplier": 4}],
        "loads": [burst(2)],
    } | fields
    return row(name, shows, "attempts_apart_s", **fields)


_BETWEEN: dict[str, Any] = {
    "tasks": [
        task("bad", 0.05, p_failure=1.0, retries=[self_retry(1, 1.0)], **LATE),
        task("job", 0.1, **LATE),
    ],
    "loads": [burst(2, "bad"), burst(4)],
}

ROWS: tuple[Row, ...] = (
    row(
        "no retry", ("self retry", "draws"), workers=[FOUR], loads=[burst(12)],
        tasks=[task(service_s=0.3, p_failure=0.4)],
    ),
    _pair("self.retry with a factor", ("self retry",), self_retry(2, 0.4, factor=2.0)),
    _pair("self.retry late", ("self retry", "late ack"), self_retry(3, 0.5),
          tasks=[fails(self_retry(3, 0.5), **LATE)]),
    _pair("backoff doubles", ("autoretry",), auto_retry(2, jitter=False)),
    _pair("backoff has a maximum", ("autoretry",), auto_retry(3, jitter=False, backoff_max_s=1)),
    _pair("jitter, seed 4", ("autoretry", "draws"), auto_retry(2), seed=4, loads=[burst(3)]),
    _pair("jitter, seed 7", ("autoretry", "draws"), auto_retry(2), seed=7, loads=[burst(3)]),
    _pair("self.retry inside autoretry", ("self retry", "autoretry"),
          self_retry(1, 0.2), auto_retry(3, backoff_s=None, countdown_s=0.4)),
    row(
        "some fail, some retries succeed", ("self retry", "draws"), workers=[FOUR],
        tasks=[task(service_s=0.2, p_failure=0.5, retries=[self_retry(2, 0.3)])],
        loads=[burst(16)], seed=3,
    ),
    row(
        "a retry without a countdown", ("retry to the back", "self retry"), "order",

        tasks=[
            task("bad", 0.1, p_failure=1.0, retries=[self_retry(1, 0.0)], **LATE),
            task("job", 0.1, **LATE),
        ],
        loads=[burst(1, "bad"), burst(4)],
    ),
    row(
        "two retries without a countdown", ("retry to the back",), "order",

        tasks=[
            task("bad", 0.1, p_failure=1.0, retries=[self_retry(2, 0.0)], **LATE),
            task("job", 0.1, **LATE),
        ],
        loads=[burst(2, "bad"), burst(3)],
    ),
    row("a countdown lends credit", ("ETA", "late ack"), "order", "held", "last_start_s",
        **_BETWEEN),
    row(
        "four countdowns at once", ("ETA", "prefetch"), "order", "held", "attempts_apart_s",

        tasks=[
            task("bad", 0.05, p_failure=1.0, retries=[self_retry(1, 1.5)], **LATE),
            task("job", 0.1, **LATE),
        ],
        loads=[burst(4, "bad"), burst(3)],
    ),
    row(
        "a countdown in a worker that leaves", ("ETA", "warm shutdown"), "put_back",
        race="how long an exit takes",
        tasks=[fails(self_retry(1, 1.0), **LATE)], loads=[burst(1)],
        faults=[
            fault("terminate_worker", on("started", 1, 0.4)),
            fault("start_worker", on("worker_exited")),
        ],
    ),
)  # fmt: skip
