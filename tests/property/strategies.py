"""Strategies: small systems of every shape, and schedules of every fault that they admit.

All is drawn as what JSON could say and goes through the scenario's own validation; a fault that
a scenario refuses is drawn again. The first value of each list is the plainest: what is shrunk
ends there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from hypothesis import assume
from hypothesis import strategies as st

from sandbox.errors import ScenarioError
from sandbox.faults import FAULTS, Fault
from sandbox.scenario import Scenario

Drawn = dict[str, Any]
ACK_MODES: dict[str, Drawn] = {
    "early": {},
    "late": {"acks_late": True},
    "reject": {"acks_late": True, "reject_on_worker_lost": True},
}
MOST_FAULTS = 4
_TRIES = 4
_EVENTS = ("started", "published", "received", "succeeded", "failed", "worker_exited")
_SECONDS = (1.0, 0.3, 3.0, 12.0)
_SETTINGS: dict[str, tuple[Any, ...]] = {
    "seconds": (3600.0, 1.0, 5.0),
    "visibility_timeout_s": (0.1, 1.0, 3600.0),
    "expires_s": (2.0, 30.0, 300.0),
    "offset_s": (3600.0, -3600.0, 5.0),
    "delay_s": (0.05, 0.4, 2.0),
    "bytes_per_s": (20_000.0, 2_000.0),
    "factor": (3.0, 20.0, 1.0),
    "grace_s": (10.0, 0.3, 1.5),
    "rate": ("2/s", None, "1/s"),
    "n": (1, 2),
    "p": (0.5, 1.0, 0.0),
    "probability": (0.5, 1.0, 0.0),
}
"""Values of a fault's fields by their names; any other number is of ``_SECONDS``."""


def _one(draw: st.DrawFn, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def _now_and_then(draw: st.DrawFn, one_in: int) -> bool:
    # So that what is shrunk goes without.
    return int(draw(st.integers(0, one_in - 1))) == one_in - 1


# --- tasks ----------------------------------------------------------------------------------------

_MORE: tuple[tuple[int, str, tuple[Any, ...]], ...] = (
    (5, "priority", (3, 9)),
    (6, "countdown_s", (1.0, 4.0)),
    (7, "expires_s", (20.0, 2.0)),
    (8, "ignore_result", (True,)),
    (7, "p_failure", (0.5, 1.0)),
    (7, "time_limit_s", (1.0, 0.25)),
    (9, "soft_time_limit_s", (0.5,)),
    (9, "rate_limit", ("2/s", "5/s")),
    (9, "acks_on_failure", (False,)),
    (9, "acks_on_timeout", (False,)),
    (9, "retry_on_worker_lost", (True,)),
    (9, "default_retry_delay_s", (1.0, 0.0)),
)
"""(one in, field, values): what a task type has now and then."""
_POLICIES: tuple[Drawn, ...] = (
    {"kind": "self", "max_retries": 2, "countdown_s": 0.2},
    {"kind": "self", "max_retries": 1, "countdown_s": 5.0},
    {"kind": "auto", "max_retries": 2, "backoff_s": 1, "jitter": False},
    {"kind": "auto", "max_retries": 2, "countdown_s": 0.5},
    {"kind": "auto", "max_retries": 3, "backoff_s": 1},
)


@st.composite
def task_types(draw: st.DrawFn, name: str, mode: str, services_s: tuple[float, ...]) -> Drawn:
    """Draw a task type of an ack mode; seldom one that is poison or out of memory."""
    service_s = _one(draw, *services_s)
    found: Drawn = {"name": name, "service": {"kind": "deterministic", "value_s": service_s}}
    for one_in, field, values in _MORE:
        if _now_and_then(draw, one_in):
            found[field] = _one(draw, *values)
    if found.get("soft_time_limit_s", 0) > found.get("time_limit_s", 1.0):
        del found["soft_time_limit_s"]  # Celery refuses to publish that
    if _now_and_then(draw, 12):
        found["crash"] = _one(draw, "child", "memory")
        found.pop("p_failure", None)
    elif _now_and_then(draw, 4):
        found["retries"] = [_one(draw, *_POLICIES)]
    return found | ACK_MODES[mode]


@st.composite
def _tasks(draw: st.DrawFn, modes: tuple[str, ...], services_s: tuple[float, ...]) -> list[Drawn]:
    names = ("job", "other")[: draw(st.integers(1, 2))]
    tasks = [draw(task_types(name, _one(draw, *modes), services_s)) for name in names]
    if len(tasks) > 1 and _now_and_then(draw, 6):
        tasks[0]["waits_for"] = "other"
    return tasks


# --- workers, broker, loads -----------------------------------------------------------------------


@st.composite
def _workers(draw: st.DrawFn) -> Drawn:
    found: Drawn = {
        "n_workers": draw(st.integers(1, 3)),
        "concurrency": draw(st.integers(1, 2)),
        "prefetch_multiplier": _one(draw, 1, 4, 0),
    }
    if _now_and_then(draw, 8):
        found["pool"] = _one(draw, "threads", "solo")
        if found["pool"] == "solo":
            found["concurrency"] = 1
    elif _now_and_then(draw, 12):
        found |= {"autoscale": [3, 1], "autoscale_keepalive_s": 2.0, "concurrency": 3}
    for one_in, field, values in (
        (10, "disable_prefetch", (True,)),
        (10, "max_tasks_per_child", (1, 2)),
        (8, "soft_shutdown_timeout_s", (1.0,)),
        (12, "eta_task_limit", (1, 2)),
    ):
        if _now_and_then(draw, one_in):
            found[field] = _one(draw, *values)
    return found


@st.composite
def _broker(draw: st.DrawFn) -> Drawn:
    sweeps = _one(draw, (0.5, 1), (10.0, 10))
    return {
        "visibility_timeout_s": _one(draw, 3600.0, 2.0, 8.0),
        "unacked_restore_interval_s": sweeps[0],
        "unacked_restore_throttle": sweeps[1],
        "persistence": _one(draw, "aof", "none"),
        "health_check_interval_s": _one(draw, 25.0, 2.0),
    }


@st.composite
def _loads(draw: st.DrawFn, names: tuple[str, ...]) -> list[Drawn]:
    found = []
    for name in names:
        match _one(draw, "burst", "burst", "trace", "poisson", "group", "chord", "closed"):
            case "trace":
                times = draw(
                    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=4)
                )
                found.append({"kind": "trace", "task": name, "at_s": times})
            case "poisson":
                found.append({"kind": "poisson", "task": name, "rate_per_s": _one(draw, 1.0, 3.0)})
            case "closed":
                think = {"kind": "deterministic", "value_s": 0.3}
                found.append({"kind": "closed", "task": name, "n_clients": 2, "think": think})
            case "chord":
                n = draw(st.integers(2, 3))
                found.append({"kind": "chord", "task": name, "n": n, "body": names[-1]})
            case kind:
                n, at_s = draw(st.integers(1, 6)), _one(draw, 0.0, 1.0)
                found.append({"kind": kind, "task": name, "n": n, "at_s": at_s})
    return found


# --- faults ---------------------------------------------------------------------------------------


@st.composite
def _moments(draw: st.DrawFn, scenario: Scenario) -> Drawn:
    """Draw when: on an event, or at a time."""
    if _now_and_then(draw, 3):
        return {"on": "time", "at_s": _one(draw, 0.2, 0.0, 1.0, 2.5, 6.0)}
    found: Drawn = {"on": "event", "event": _one(draw, *_EVENTS), "nth": draw(st.integers(1, 4))}
    found["after_s"] = _one(draw, 0.1, 0.0, 0.7)
    if found["event"] != "published" and _now_and_then(draw, 2):
        found["worker"] = _one(draw, *scenario.worker_names)
    return found


@st.composite
def faults(draw: st.DrawFn, scenario: Scenario, kinds: tuple[str, ...]) -> Drawn:
    """Draw a fault of one of ``kinds``, field by field, by what its class states."""
    kind = _one(draw, *kinds)
    found: Drawn = {"kind": kind}
    if "when" in FAULTS[kind].model_fields:  # one that wraps another has that one's moment
        found["when"] = draw(_moments(scenario))
    for name, field in FAULTS[kind].model_fields.items():
        if name in {"kind", "when"}:
            continue
        if not field.is_required() and _now_and_then(draw, 2):
            continue
        found[name] = _field(draw, scenario, name, field.annotation)
    return found


def _field(draw: st.DrawFn, scenario: Scenario, name: str, annotation: Any) -> Any:
    named: dict[str, Callable[[], tuple[str, ...]]] = {
        "worker": lambda: scenario.worker_names,
        "task": lambda: scenario.task_names,
        "dependency": lambda: tuple(d.name for d in scenario.dependencies) or ("none",),
    }
    if name in named:
        return _one(draw, *named[name]())
    if name in _SETTINGS:
        return _one(draw, *_SETTINGS[name])
    if _is_fault(annotation):  # a fault that wraps another
        return draw(faults(scenario, PLAIN))
    words = [word for word in get_args(annotation) if isinstance(word, str)]
    return _one(draw, *(words or _SECONDS))


def _is_fault(annotation: Any) -> bool:
    parts = get_args(annotation) or (annotation,)
    return any(isinstance(part, type) and issubclass(part, Fault) for part in parts)


KINDS = tuple(sorted(FAULTS))
PLAIN = tuple(
    kind
    for kind in KINDS
    if not any(_is_fault(field.annotation) for field in FAULTS[kind].model_fields.values())
)
"""The kinds that wrap no other."""
ON_THE_MODEL = tuple(kind for kind in KINDS if kind != "bandwidth")
"""The kinds that the model has: it knows no message's size."""


# --- the scenario ---------------------------------------------------------------------------------


@st.composite
def scenarios(
    draw: st.DrawFn,
    modes: tuple[str, ...] = tuple(ACK_MODES),
    kinds: tuple[str, ...] = KINDS,
    *,
    live: bool = False,
) -> Scenario:
    """Draw a system without faults, then faults that it admits; ``live``: one of seconds."""
    tasks = draw(_tasks(modes, (0.3, 0.05, 1.0) if live else (0.5, 0.05, 2.0, 6.0)))
    names = tuple(task["name"] for task in tasks)
    described: Drawn = {
        "name": "drawn",
        "tasks": tasks,
        "workers": [draw(_workers())],
        "loads": draw(_loads(names)),
        "broker": draw(_broker()),
        "horizon_s": 2.0 if live else 4.0,
        "deadline_s": 12.0 if live else 120.0,
        "seed": draw(st.integers(0, 3)),
    }
    if _now_and_then(draw, 5):
        call = {"dependency": "db", "service": {"kind": "deterministic", "value_s": 0.2}}
        described["dependencies"] = [{"name": "db", "capacity": 2}]
        described["tasks"][0]["calls"] = call | {"timeout_s": 2.0}
    if _now_and_then(draw, 8):
        described["beat"] = [{"name": "tick", "task": names[-1], "every_s": 1.0}]
    found = _valid(described)
    assume(found is not None)
    assert found is not None
    n = draw(st.integers(0, MOST_FAULTS))
    for _ in range(n):
        found = _with_a_fault(draw, found, kinds)
    return found


def _with_a_fault(draw: st.DrawFn, scenario: Scenario, kinds: tuple[str, ...]) -> Scenario:
    for _ in range(_TRIES):
        fault = draw(faults(scenario, kinds))
        data = scenario.model_dump(mode="json")
        found = _valid(data | {"faults": [*data["faults"], fault]})
        if found is not None:
            return found
    return scenario


def _valid(described: Drawn) -> Scenario | None:
    try:
        return Scenario(**described)
    except ScenarioError:
        return None
