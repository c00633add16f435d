"""Arguments: what the closed forms of theory.py take, and the ValueError for anything else."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import NoReturn

import numpy as np


def reject(name: str, value: object, allowed: str) -> NoReturn:
    """Raise ValueError: what a value is, and what it must be."""
    shown = float(value) if isinstance(value, np.floating) else value
    raise ValueError(f"{name} is {shown!r} but must be {allowed}")


def is_finite(value: object) -> bool:
    """Return whether a value is a number, and a finite one."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def not_negative(**values: float) -> None:
    """Refuse what is below 0 or no finite number; each value under its argument's name."""
    for name, value in values.items():
        if not (is_finite(value) and value >= 0):
            reject(name, value, "a finite number, 0 or more")


def positive(**values: float) -> None:
    """Refuse what is not above 0 or no finite number."""
    for name, value in values.items():
        if not (is_finite(value) and value > 0):
            reject(name, value, "a finite number above 0")


def whole(name: str, value: int, minimum: int = 1) -> None:
    """Refuse what is no whole number of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        reject(name, value, f"a whole number, {minimum} or more")
