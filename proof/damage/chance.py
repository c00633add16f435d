"""Faults by chance, and those that wait for an execution."""

from __future__ import annotations

from proof.build import Fields, at, burst, fault
from proof.damage._case import (
    AGAIN,
    FAILED,
    ONCE,
    Case,
    case,
    every,
    harm,
    holding,
    late,
    started,
)

_KILLED = late(harm(FAILED, ONCE, ONCE), harm(FAILED, ONCE, ONCE), harm(AGAIN, ONCE, ONCE))


def _maybe(mode: str, probability: float) -> Fields:
    """Return a child that is killed with a probability."""
    struck = fault("kill_child", started())
    return holding(mode, {"kind": "maybe", "probability": probability, "fault": struck})


CASES: tuple[Case, ...] = (
    case(
        "maybe",
        _KILLED,
        lambda mode: _maybe(mode, 1.0),
        name="a child is killed for certain",
        moment="kill_child",
    ),
    case(
        "maybe",
        every(harm(ONCE, ONCE, ONCE)),
        lambda mode: _maybe(mode, 0.0),
        name="a child is never killed",
        moment="succeeded",
    ),
    case(
        "child_oom",
        _KILLED,
        lambda mode: holding(
            mode,
            fault("child_oom", at(0.0), task="job", after_s=0.4),
            loads=[burst(4, at_s=0.3)],
        ),
        name="the first execution",
        moment="child_lost",
    ),
)
