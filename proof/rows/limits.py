"""Expiry, time limits and rate limits."""

from __future__ import annotations

from proof.build import LATE, ONE, burst, fault, on, task
from proof.row import Row, row
from proof.rows.retries import self_retry

_LONG = {"soft_time_limit_s": 0.5, "time_limit_s": 4.0}


ROWS: tuple[Row, ...] = (
    row(
        "expired on receipt", ("expiry", "late ack"), "order",
        tasks=[task("first", 1.0, **LATE), task("job", 0.05, expires_s=0.5, **LATE)],
        loads=[burst(1, "first"), burst(2, at_s=0.2)],
    ),
    row(
        "expired before a process is free", ("expiry", "prefetch"), "order",
        tasks=[task("first", 1.0), task("job", 0.05, expires_s=0.5)],
        loads=[burst(1, "first"), burst(3, at_s=0.2)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
    ),
    row(
        "threads do not look again", ("expiry", "threads"), "order",
        tasks=[task("first", 1.0), task("job", 0.05, expires_s=0.5)],
        loads=[burst(1, "first"), burst(3, at_s=0.2)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4, "pool": "threads"}],
    ),
    row(
        "a soft limit fails", ("soft limit",),
        tasks=[task(service_s=5.0, **_LONG, **LATE)], loads=[burst(1)],
    ),
    row(
        "a soft limit is retried", ("soft limit", "self retry"), "attempts_apart_s",
        tasks=[task(service_s=5.0, retries=[self_retry(1, 0.4)], **_LONG)], loads=[burst(1)],
    ),
    row(
        "a hard limit acknowledges", ("hard limit", "late ack"), race="a child's start",
        tasks=[task("slow", 8.0, time_limit_s=1.0, **LATE), task("job", 0.05, **LATE)],
        loads=[burst(1, "slow"), burst(2, at_s=0.2)],
    ),
    row(
        "a hard limit is not retried", ("hard limit", "self retry"), race="a child's start",
        tasks=[
            task("slow", 8.0, time_limit_s=1.0, retries=[self_retry(2, 0.2)]), task("job", 0.05)
        ],
        loads=[burst(1, "slow"), burst(2, at_s=0.2)],
    ),
    row(
        "threads ignore limits", ("threads", "hard limit", "soft limit"), "bodies_s",
        tasks=[task(service_s=1.5, soft_time_limit_s=0.5, time_limit_s=1.0)], loads=[burst(2)],
        workers=[{"concurrency": 2, "pool": "threads"}],
    ),
    row(
        "one token at a time", ("rate limit",), "at_once", "last_start_s",
        tasks=[task(service_s=0.01, rate_limit="4/s")], loads=[burst(6)],
        workers=[{"concurrency": 2}],
    ),
    row(
        "a bucket for each worker", ("rate limit",), "at_once", "fates_by_type",
        tasks=[task(service_s=0.01, rate_limit="2/s")], loads=[burst(6)],
        workers=[ONE | {"n_workers": 2}],
    ),
    row(
        "a bucket for each type", ("rate limit",), "at_once", "last_start_s",
        tasks=[task(n, 0.01, rate_limit="2/s") for n in ("a", "b")],
        loads=[burst(3, "a"), burst(3, "b")], workers=[{"concurrency": 2}],
    ),
    row(
        "what waits for a token keeps its credit", ("rate-held credit", "prefetch"),
        "order", "held",
        tasks=[task("slow", 0.01, rate_limit="2/s"), task("free", 0.01)],
        loads=[burst(5, "slow"), burst(2, "free")],
        workers=[{"concurrency": 1, "prefetch_multiplier": 2}],
    ),
    row(
        "a late ack waits for a token too", ("rate-held credit", "late ack"), "order", "held",

        tasks=[task("slow", 0.05, rate_limit="2/s", **LATE), task("free", 0.05, **LATE)],
        loads=[burst(4, "slow"), burst(2, "free")],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
    ),
    row(
        "a limit set while it runs", ("rate set", "rate limit"), "last_start_s",
        tasks=[task(service_s=0.02), task("late", 0.02)],
        loads=[burst(1), burst(4, "late", at_s=1.0)],
        faults=[fault("rate_limit", on("succeeded"), task="late", rate="2/s")],
        workers=[{"concurrency": 2}],
    ),
    row(
        "a limit lifted while it runs", ("rate set", "rate-held credit"), "starts_s",
        tasks=[task(service_s=0.02, rate_limit="1/s")],
        loads=[burst(2), burst(4, at_s=1.8)], workers=[{"concurrency": 2}],
        faults=[fault("rate_limit", on("started", after_s=0.5), task="job", rate=None)],
    ),
)  # fmt: skip
