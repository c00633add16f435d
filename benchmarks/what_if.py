"""The what-if sliders: from a wish in the kernel until its first figures have been handed over.

Slider to pixel is measured in the page and told there (tests/browser/test_sliders_in_lab.py).
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

from benchmarks.table import Row
from sandbox import systems
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.widgets.knobs import Knob, knobs
from sandbox.widgets.whatif import Mind, Wish

_ROUNDS = 9
_MOVES = 20
_ALLOWED_MS = 100.0
_SYSTEMS = ("leadlawk", "students", "ai-analysis", "conversations", "dashboard")


def measure() -> list[Row]:
    """Return p50 and p95 of the first answer over moves of every system's sliders, in ms."""
    p50, p95 = [], []
    for round_ in range(_ROUNDS):
        times = [ms for name in _SYSTEMS for ms in _moved(systems.load(name), round_)]
        cuts = statistics.quantiles(times, n=20)
        p50.append(cuts[9])
        p95.append(cuts[18])
    allowed = [_ALLOWED_MS] * _ROUNDS
    said = f"What-if, {len(_SYSTEMS)} systems, {_MOVES} moves each: slider to first figures sent"
    return [
        Row(f"{said}, p50 / the time allowed", p50, allowed, "ms"),
        Row(f"{said}, p95 / the time allowed", p95, allowed, "ms", "≤ 1"),
    ]


def _moved(scenario: Scenario, round_: int) -> list[float]:
    """Move each slider in turn while the one before is being refined; return the times (ms)."""
    found: dict[int, float] = {}
    heard = threading.Condition()

    def show(told: dict[str, Any]) -> None:
        with heard:
            found.setdefault(told["number"], told["kernel_ms"])
            heard.notify_all()

    mind = Mind(scenario, Overheads(), show)
    every = [knob for group in knobs(scenario).values() for knob in group]
    for number in range(_MOVES + 1):
        knob: Knob = every[number % len(every)]
        place = (knob.start + 1 + round_) % len(knob.values)
        mind.ask(Wish(number, {knob.id: place} if number else {}, None, time.perf_counter()))
        with heard:
            heard.wait_for(lambda: number in found, 60)  # noqa: B023 - asked at once
    mind.stop()
    return [ms for number, ms in found.items() if number]
