"""How long until the workers are ready and a first task is done: with and without the zygote."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

from benchmarks.hello import hello
from benchmarks.table import Row

_ROUNDS = 5


class _Clock:
    """A text stream that notes when something was written to it: the moment of "done"."""

    def __init__(self) -> None:
        self.at = 0.0

    def write(self, text: str) -> int:
        self.at = self.at or time.perf_counter()
        return len(text)

    def flush(self) -> None: ...


def warm() -> float:
    """Return the seconds to the first finished task in a process that has started before."""
    began, clock = time.perf_counter(), _Clock()
    with contextlib.redirect_stdout(clock):  # type: ignore[type-var]
        hello()
    return clock.at - began


def cold() -> float:
    """Return the seconds in a new Python, from its own start on and with all imports."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.hello"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        return time.perf_counter() - began


def measure() -> list[Row]:
    """Return warm against cold starts."""
    warm()
    pairs = [(warm(), cold()) for _ in range(_ROUNDS)]
    what = "2 workers × 4 ready and a first task done: warm / cold with all imports"
    first, second = zip(*pairs, strict=True)
    return [Row(what, first, second, "s", "≤ 0.9 s / ≤ 2.0 s")]
