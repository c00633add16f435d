"""What a fact is, and how two sets of facts differ.

A time is fixed only as far as a setting fixes it (a countdown, a token, a beat), hence a
tolerance in seconds; everything else is equal or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.run import Run

Facts = dict[str, Any]
_SHOWN = 3


@dataclass(frozen=True)
class Fact:
    """One thing that is fixed; ``by_task`` facts are dicts of tasks."""

    measure: Callable[[Run], Any]
    tolerance_s: float = 0.0

    @property
    def meaning(self) -> str:
        """What is fixed, in a sentence."""
        return (self.measure.__doc__ or "").splitlines()[0]


FACTS: dict[str, Fact] = {}


def fact(tolerance_s: float = 0.0) -> Callable[[Callable[[Run], Any]], Callable[[Run], Any]]:
    """Register a function of a run as a fact under its own name."""

    def register(function: Callable[[Run], Any]) -> Callable[[Run], Any]:
        FACTS[function.__name__] = Fact(function, tolerance_s)
        return function

    return register


def facts_of(run: Run, names: tuple[str, ...]) -> Facts:
    """Return the named facts of a run."""
    return {name: FACTS[name].measure(run) for name in names}


def differences(expected: Facts, found: Facts) -> list[str]:
    """Return a sentence for each fact that is not the same in both."""
    told = []
    for name, value in expected.items():
        wrong = _unlike(value, found[name], FACTS[name].tolerance_s)
        told += [f"{name}{where}: {a} but {b}" for where, a, b in wrong[:_SHOWN]]
        if len(wrong) > _SHOWN:
            told.append(f"{name}: {len(wrong) - _SHOWN} more")
    return told


def _unlike(a: Any, b: Any, tolerance: float, where: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = dict.fromkeys([*a, *b])
        return [
            one
            for key in keys
            for one in _unlike(a.get(key), b.get(key), tolerance, f"{where}[{key}]")
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [
            one
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for one in _unlike(x, y, tolerance, f"{where}[{i}]")
        ]
    if isinstance(a, float) and isinstance(b, float) and abs(a - b) <= tolerance:
        return []
    return [] if a == b else [(where, a, b)]
