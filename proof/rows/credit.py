"""Credit and order: what a worker takes, how much of it, and what it begins first."""

from __future__ import annotations

from typing import Any

from proof.build import LATE, ONE, burst, task, warm
from proof.row import Row, row

TWO = {"concurrency": 2, "prefetch_multiplier": 1}


def _behind_a_first(names: list[str], n: int = 2) -> list[dict[str, object]]:
    """Return loads: one task that keeps the worker busy, then ``n`` of each other type."""
    return [burst(1, "first"), *(burst(n, name, 0.2) for name in names)]


def _priorities(*numbers: int) -> dict[str, Any]:
    """Return tasks and loads of these priorities, published in this order."""
    tasks = [task(f"p{p}", 0.05, priority=p, **LATE) for p in numbers]
    names = [f"p{p}" for p in numbers]
    return {
        "tasks": [task("first", 0.6, **LATE), *tasks],
        "loads": _behind_a_first(names),
    }


def _queues(**strategy: str) -> dict[str, Any]:
    tasks = [task(q, 0.05, queue=q, **LATE) for q in ("a", "b")]
    return {
        "tasks": [task("first", 0.6, queue="a", **LATE), *tasks],
        "loads": _behind_a_first(["a", "b"], n=3),
        "queues": ["a", "b"],
        "workers": [ONE | {"queues": ["a", "b"]}],
        "broker": strategy,
    }


ROWS: tuple[Row, ...] = (
    row(
        "early ack, prefetch 1", ("early ack", "prefetch"), "held", "ahead",
        tasks=[task(service_s=0.3)], workers=[TWO], **warm(4, 8),
    ),
    row(
        "late ack, prefetch 1", ("late ack", "prefetch"), "held", "ahead",
        tasks=[task(service_s=0.3, **LATE)], workers=[TWO], **warm(4, 8),
    ),
    row(
        "late ack, prefetch 2 on three processes", ("late ack", "prefetch"), "held", "ahead",
        tasks=[task(service_s=0.3, **LATE)], **warm(6, 12),
        workers=[{"concurrency": 3, "prefetch_multiplier": 2}],
    ),
    row(
        "early ack, prefetch 4", ("early ack", "prefetch", "first come"), "held", "ahead", "order",
        loads=[burst(8)], workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
    ),
    row(
        "prefetch without a limit", ("prefetch", "first come"), "ahead", "order",
        loads=[burst(12)], workers=[{"concurrency": 1, "prefetch_multiplier": 0}],
        tasks=[task(service_s=0.2, **LATE)],
    ),
    row("four priority steps", ("priorities",), "order", **_priorities(9, 5, 3, 0)),
    row("priorities within a step", ("priorities",), "order", **_priorities(8, 6, 2, 1)),
    row(
        "ten priority steps", ("priorities",), "order",
        broker={"priority_steps": list(range(10))}, **_priorities(5, 4, 3),
    ),
    row("queues take turns", ("queue order",), "order", **_queues()),
    row("queues as given", ("queue order",), "order", **_queues(queue_order_strategy="priority")),
    row(
        "a step goes before a turn", ("queue order", "priorities"), "order",
        tasks=[
            task("first", 0.6, queue="a", **LATE),
            task("low", 0.05, queue="b", priority=9, **LATE),
            task("high", 0.05, queue="a", **LATE),
        ],
        loads=_behind_a_first(["low", "high"]),
        queues=["a", "b"], workers=[ONE | {"queues": ["a", "b"]}],
    ),
    row(
        "a queue without a worker", ("unrouted",), race="its end is the deadline",
        tasks=[task(), task("orphan", queue="nobody")], queues=["celery", "nobody"],
        loads=[burst(2), burst(1, "orphan")], horizon_s=1.0, deadline_s=2.0,
    ),
    row(
        "one of three queues without a worker", ("unrouted", "queue order"), "order",
        race="its end is the deadline",
        tasks=[task(q, 0.1, queue=q, **LATE) for q in ("a", "b", "c")],
        queues=["a", "b", "c"], workers=[ONE | {"queues": ["a", "b"]}],
        loads=[burst(2, "a"), burst(2, "c"), burst(2, "b")], horizon_s=1.0, deadline_s=2.0,
    ),
)  # fmt: skip
