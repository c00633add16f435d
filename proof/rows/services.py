"""Beside the workers: dependencies, groups and chords, the front door."""

from __future__ import annotations

from typing import Any

from proof.build import ACK_MODES, HOUR_S, LATE, Fields, burst, fault, kills, on, task
from proof.row import NOTICE, Row, row
from proof.rows.retries import self_retry

FOUR = {"concurrency": 4, "prefetch_multiplier": 1}
_HANG = [{"from_s": 0.0, "to_s": 60.0, "how": "hang"}]
_FAIL = [{"from_s": 0.0, "to_s": 60.0, "how": "fail"}]


def _calls(
    call_s: float = 0.2, timeout_s: float | None = None, service_s: float = 0.05, **more: Any
) -> Fields:
    """Return a task type that calls ``db`` after its own work."""
    served = {"kind": "deterministic", "value_s": call_s}
    call = {"dependency": "db", "service": served, "timeout_s": timeout_s}
    return task(service_s=service_s, calls=call, **more)


def _db(capacity: int = 1, outages: list[Fields] | None = None) -> list[Fields]:
    return [{"name": "db", "capacity": capacity, "outages": outages or []}]


_DEPENDENCIES: tuple[Row, ...] = (
    row(
        "four callers, two places", ("places", "open load"), "call_outcomes", "calls_at_once",
        "last_start_s", tasks=[_calls()], dependencies=_db(2), loads=[burst(8)],
        workers=[FOUR],
    ),
    row(
        "four callers, one place", ("places", "late ack"), "call_outcomes", "calls_at_once",
        "served_s", tasks=[_calls(**LATE)], dependencies=_db(1), loads=[burst(4)],
        workers=[FOUR],
    ),
    row(
        "a call that is refused", ("refused call",), "call_outcomes", "errors",
        tasks=[_calls(service_s=0.3)], dependencies=_db(4, _FAIL), loads=[burst(6)], workers=[FOUR],
    ),
    row(
        "a backoff shorter than the outage", ("refused call", "self retry"), "call_outcomes",
        "errors", "attempts_apart_s", tasks=[_calls(retries=[self_retry(3, 0.3)])],
        dependencies=_db(4, _FAIL), loads=[burst(2)],
    ),
    row(
        "a backoff longer than the outage", ("refused call", "self retry"), "call_outcomes",
        "outages", "errors", workers=[FOUR], loads=[burst(3)],
        tasks=[_calls(0.6, retries=[self_retry(1, 1.0)])], dependencies=_db(4),
        faults=[fault("fail_dependency", on("started", 3, 0.2), dependency="db", for_s=0.7)],
    ),
    row(
        "an outage for those who call in it", ("refused call", "places"), "call_outcomes",
        "outages", "order", tasks=[_calls(0.3)], dependencies=_db(1),
        loads=[burst(4), burst(1, at_s=1.6)],
        faults=[fault("fail_dependency", on("succeeded", 1, 0.15), dependency="db", for_s=0.4)],
    ),
    row(
        "a dependency that hangs", ("hanging call", "call timeout"), "call_outcomes", "errors",
        "attempts_apart_s", workers=[FOUR], loads=[burst(2)],
        tasks=[_calls(timeout_s=0.4, retries=[self_retry(1, 0.2)])], dependencies=_db(4, _HANG),
    ),
    row(
        "a hard limit in a call that hangs", ("hanging call", "hard limit"), "call_outcomes",
        "lost_children", race="a child's start", loads=[burst(1)], dependencies=_db(1, _HANG),
        tasks=[_calls(time_limit_s=0.8)],
    ),
    row(
        "a call that is served to nobody", ("call timeout", "places"), "call_outcomes", "errors",
        "order", loads=[burst(1), burst(1, "late", 2.6)], dependencies=_db(1),
        tasks=[_calls(1.5, timeout_s=0.5, retries=[self_retry(1, 0.0)]), task("late", 0.05)],
    ),
    row(
        "a worker killed in its call", ("hanging call", "worker killed"), "call_outcomes",
        "put_back", loads=[burst(2)], workers=[FOUR],
        tasks=[_calls(0.3, **LATE)],
        dependencies=_db(4, [{"from_s": 0.0, "to_s": 1.2, "how": "hang"}]),
        faults=[
            fault("kill_worker", on("started", 2, 0.4)),
            fault("start_worker", on("worker_exited")),
            fault("skip", on("worker_exited", 1, 1.0), seconds=HOUR_S),
        ],
    ),
    row(
        "a slow dependency", ("slow dependency", "places"), "served_s", "call_outcomes",
        tasks=[_calls(0.2)], dependencies=_db(1), loads=[burst(4)],
        faults=[
            fault("slow_dependency", on("succeeded", 1), dependency="db", factor=3.0),
            fault("slow_dependency", on("succeeded", 2), dependency="db", factor=1.0),
        ],
    ),
    row(
        "too slow for its callers", ("slow dependency", "call timeout"), "call_outcomes",
        "errors", tasks=[_calls(0.2, timeout_s=0.6)], dependencies=_db(2),
        loads=[burst(3), burst(1, at_s=3.2)], workers=[{"concurrency": 2}], horizon_s=4.0,
        faults=[
            fault("slow_dependency", {"on": "time", "at_s": 0.0}, dependency="db", factor=5.0),
            fault("slow_dependency", {"on": "time", "at_s": 2.5}, dependency="db", factor=1.0),
        ],
    ),
)  # fmt: skip


def _chord(n: int = 4, **more: Any) -> Fields:
    return {"kind": "chord", "task": "job", "n": n, "body": "total"} | more


def _header(service_s: float = 0.3, **more: Any) -> list[Fields]:
    """Return the types of a header and of its body."""
    return [task(service_s=service_s, **more), task("total", 0.05)]


_CANVAS: tuple[Row, ...] = (
    row(
        "a group", ("group", "first come"), "order",
        loads=[{"kind": "group", "task": "job", "n": 5}],
    ),
    row(
        "a group among others", ("group", "late ack"), "order",
        tasks=[task(service_s=0.2, **LATE), task("other", 0.1, **LATE)],
        loads=[burst(2, "other"), {"kind": "group", "task": "job", "n": 3, "at_s": 0.1}],
    ),
    row(
        "a chord's body after its header", ("chord",), "chord_fates", "bodies_sent",
        "n_before_body", "body_after_s", tasks=_header(0.8), loads=[_chord()],
        workers=[FOUR],
    ),
    row(
        "a chord of one process", ("chord", "first come"), "order", "chord_fates",
        "n_before_body", "body_after_s", tasks=_header(0.3), loads=[_chord(3)],
    ),
    row(
        "two chords, two bodies", ("chord",), "chord_fates", "bodies_sent", "n_before_body",
        tasks=_header(0.4), workers=[FOUR],
        loads=[_chord(2, at_s=0.3), burst(1, at_s=0.1), _chord(2, at_s=0.2)],
    ),
    row(
        "a failing header", ("failing header", "chord"), "chord_fates", "bodies_sent",
        tasks=_header(0.3, p_failure=0.5), loads=[_chord()], seed=3,
    ),
    row(
        "a retried header holds the body back", ("chord", "self retry"), "chord_fates",
        "bodies_sent", "n_before_body", seed=3, workers=[FOUR],
        tasks=_header(0.2, p_failure=0.5, retries=[self_retry(4, 0.3)]), loads=[_chord()],
    ),
    row(
        "an expired header", ("failing header", "expiry"), "chord_fates", "bodies_sent",
        tasks=_header(0.8, expires_s=0.5, **LATE), loads=[_chord()],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
    ),
    row(
        "a killed child in a header", ("failing header", "child killed"), "chord_fates",
        "bodies_sent", race=NOTICE, slow=True, tasks=_header(0.6), loads=[_chord(3)],
        faults=kills(1),
    ),
    row(
        "a rejected header comes back", ("chord", "reject on worker lost"), "chord_fates",
        "bodies_sent", "put_back", race=NOTICE, slow=True,
        tasks=_header(0.6, **ACK_MODES["reject"]), loads=[_chord(3)], faults=kills(1),
    ),
    row(
        "a lost header leaves the body out", ("chord", "worker killed", "early ack"),
        "chord_fates", "bodies_sent", tasks=_header(0.5), loads=[_chord(3)],
        faults=[fault("kill_worker", on("started", 1), back_after_s=0.2)],
        horizon_s=1.0, deadline_s=3.5,
    ),
    row(
        "a header task that runs twice counts once", ("chord", "redelivery"), "chord_fates",
        "bodies_sent", tasks=_header(0.9, **LATE),
        loads=[_chord(2)], workers=[FOUR],
        faults=[fault("skip", on("started", 2), seconds=HOUR_S)],
    ),
)  # fmt: skip


def _door(mode: str, visitors: int | list[float] = 6, **more: Any) -> Fields:
    """Return a front door and its visitors, at once or at times, for a scenario without loads."""
    at_once = isinstance(visitors, int)
    times = {"kind": "burst", "n": visitors} if at_once else {"kind": "trace", "at_s": visitors}
    requests = {"task": "job"} | times
    return {"front_door": {"requests": requests, "mode": mode} | more, "loads": []}


_FRONT: tuple[Row, ...] = (
    row(
        "two web workers that do it themselves", ("sync door",), "answers", "answered_after_s",
        "n_sent", tasks=[task(service_s=0.4)], **_door("sync", n_web_workers=2),
    ),
    row(
        "three web workers that do it themselves", ("sync door",), "answers",
        "answered_after_s", tasks=[task(service_s=0.5)],
        **_door("sync", 7, n_web_workers=3),
    ),
    row(
        "a door that is full", ("sync door", "draws"), "answers", "answered_after_s",
        tasks=[task(service_s=0.6, p_failure=1.0)],
        **_door("sync", n_web_workers=1, most_waiting=2),
    ),
    row(
        "visitors give up, the door works on", ("sync door",), "answers", "answered_after_s",
        tasks=[task(service_s=1.0)],
        **_door("sync", [0.0, 0.0, 0.0, 1.9], n_web_workers=1, timeout_s=1.6),
    ),
    row(
        "accepted, then polled for", ("async door", "first come"), "answers", "accepted",
        "polls", "answered_after_s", tasks=[task(service_s=0.5)],
        **_door("async", 3, poll_every_s=0.7),
    ),
    row(
        "a poll that sees a failure", ("async door", "draws"), "answers", "accepted", "polls",
        tasks=[task(service_s=0.8, p_failure=0.5)], workers=[FOUR],
        **_door("async", 4, poll_every_s=1.1), seed=3,
    ),
    row(
        "visitors give up, the tasks are done", ("async door", "open load"), "answers",
        "accepted", "polls", tasks=[task(service_s=0.5)],
        **_door("async", 4, poll_every_s=0.4, timeout_s=1.4),
    ),
)  # fmt: skip

ROWS = (*_DEPENDENCIES, *_CANVAS, *_FRONT)
