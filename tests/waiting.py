"""The tests' only way to wait: for a condition, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_STEP_S = 0.01
_NOBODY_SETS_IT = threading.Event()


def comes_true(condition: Callable[[], object], timeout_s: float = 30.0) -> bool:
    """Return whether ``condition()`` is true by then."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        _NOBODY_SETS_IT.wait(_STEP_S)
    return True


def until(what: str, condition: Callable[[], T], timeout_s: float = 30.0) -> T:
    """Wait until ``condition()`` is true and return its value; AssertionError after that time."""
    found: list[T] = []

    def looked() -> T:
        found[:] = [condition()]
        return found[0]

    assert comes_true(looked, timeout_s), f"{what}: not within {timeout_s} s"
    return found[0]
