"""Short words for the scenarios of the grid."""

from __future__ import annotations

from typing import Any

from sandbox.scenario import Scenario

Fields = dict[str, Any]

HOUR_S = 3600.0
ACK_MODES: dict[str, Fields] = {
    "early": {},
    "late": {"acks_late": True},
    "reject": {"acks_late": True, "reject_on_worker_lost": True},
}
LATE = ACK_MODES["late"]
ONE: Fields = {"concurrency": 1, "prefetch_multiplier": 1}
"""A worker that takes one task after the other: the order of its starts is fixed."""
QUICK_SWEEPS: Fields = {
    "visibility_timeout_s": 2.0, "unacked_restore_interval_s": 0.5, "unacked_restore_throttle": 1
}  # fmt: skip
"""Of a broker: all that makes a redelivery slow, small."""


def task(name: str = "job", service_s: float = 0.2, **more: Any) -> Fields:
    """Return a task type whose work takes ``service_s`` seconds each time."""
    return {"name": name, "service": {"kind": "deterministic", "value_s": service_s}} | more


def burst(n: int, name: str = "job", at_s: float = 0.0) -> Fields:
    """Return a load of ``n`` tasks at one moment."""
    return {"kind": "burst", "task": name, "n": n, "at_s": at_s}


def poisson(rate_per_s: float, name: str = "job") -> Fields:
    """Return a load of independent arrivals until the horizon."""
    return {"kind": "poisson", "task": name, "rate_per_s": rate_per_s}


def scenario(**fields: Any) -> Scenario:
    """Return a scenario with one worker of one process unless ``fields`` say otherwise."""
    defaults: Fields = {
        "name": "grid",
        "tasks": [task()],
        "workers": [ONE],
        "loads": [burst(6)],
        "horizon_s": 3.0,
        "deadline_s": 20.0,
    }
    return Scenario(**(defaults | fields))


def warm(n_first: int, n: int, name: str = "job") -> Fields:
    """Return fields for two bursts, of which times are taken from the second only."""
    loads = [burst(n_first, name), burst(n, name, 1.2)]
    return {"loads": loads, "kind": "steady", "warmup_s": 1.0}


# --- when ----------------------------------------------------------------------------------


def on(event: str, nth: int = 1, after_s: float = 0.1, **only: str) -> Fields:
    """Return when: ``after_s`` after the ``nth`` such event (of a ``worker``, of a ``task``)."""
    return {"on": "event", "event": event, "nth": nth, "after_s": after_s} | only


def at(at_s: float) -> Fields:
    """Return when: at a time."""
    return {"on": "time", "at_s": at_s}


# --- faults --------------------------------------------------------------------------------


def fault(kind: str, when: Fields, **arguments: Any) -> Fields:
    """Return a fault of worker1, or of the ``worker`` named."""
    has_worker = kind.endswith(("_worker", "_child"))
    return {"kind": kind, "when": when} | ({"worker": "worker1"} if has_worker else {}) | arguments


def killed_and_back(nth: int, *, skip_after: Fields, after_s: float = 0.1) -> list[Fields]:
    """Return: worker1 is killed at its nth start and started again; later an hour is skipped."""
    return [
        fault("kill_worker", on("started", nth, after_s)),
        fault("start_worker", on("worker_exited")),
        fault("skip", skip_after, seconds=HOUR_S),
    ]


def kills(n: int) -> list[Fields]:
    """Return: the child of worker1 is killed during each of its first ``n`` executions."""
    return [fault("kill_child", on("started", nth + 1)) for nth in range(n)]


def terminated_and_back(nth: int) -> list[Fields]:
    """Return: worker1 shuts down warm at its nth start and is started again."""
    return [
        fault("terminate_worker", on("started", nth)),
        fault("start_worker", on("worker_exited")),
    ]
