"""Where the model's time goes: ``python -m benchmarks.profile [mm8] [three] [full] [waits]``.

The profiler itself slows every call, short functions most: read the shares, not the times.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.model_scenarios import NO_OVERHEADS, mm8, three_queues
from sandbox.engines.model import start, waits_s
from sandbox.scenario import Scenario
from sandbox.schedule import schedule

_MODEL = "sandbox/engines/model/"
_ELSEWHERE = "everything else"
_FEWEST = 0.005
"""Functions with less than this share of the time are one line at the end."""

_SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "mm8": lambda: mm8(1),
    "three": lambda: three_queues(40_000, 1),
}


class Line(NamedTuple):
    """One function: its calls, and its own seconds without those of what it calls."""

    function: str
    calls: int
    own_s: float


def _full(scenario: Scenario) -> None:
    with start(scenario, overheads=NO_OVERHEADS) as session:
        session.wait()


def _waits(scenario: Scenario) -> None:
    waits_s(scenario, overheads=NO_OVERHEADS)


_RECORDS: dict[str, Callable[[Scenario], None]] = {"full": _full, "waits": _waits}


def lines(run: Callable[[Scenario], None], scenario: Scenario) -> list[Line]:
    """Return the functions of the package by their own time; builtins count for their callers."""
    run(three_queues(100, 1))  # What is imported at first use is not the model's time.
    profiler = cProfile.Profile(builtins=False)
    profiler.runcall(run, scenario)
    found: dict[str, Line] = {}
    for (file, _, name), (_, calls, own_s, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        path = Path(file).as_posix()
        inside, _, rest = path.rpartition(_MODEL)
        function = f"{rest.removesuffix('.py')}.{name}" if inside else f"{Path(file).name} {name}"
        old = found.get(function, Line(function, 0, 0.0))
        found[function] = Line(function, old.calls + calls, old.own_s + own_s)
    return sorted(found.values(), key=lambda line: -line.own_s)


def table(found: list[Line], n_tasks: int) -> str:
    """Return the lines as text: share of the time, calls a task, microseconds a task."""
    total_s = sum(line.own_s for line in found)
    shown = [line for line in found if line.own_s >= _FEWEST * total_s]
    rest_s = total_s - sum(line.own_s for line in shown)
    rows = [(line.function, line.own_s, line.calls / n_tasks) for line in shown]
    rows.append((_ELSEWHERE, rest_s, 0.0))
    text = [f"{'share':>6} {'calls/task':>10} {'µs/task':>8}  function"]
    for function, own_s, calls in rows:
        us = own_s / n_tasks * 1e6
        text.append(f"{own_s / total_s:6.1%} {calls:10.2f} {us:8.2f}  {function}")
    return "\n".join(text)


def main(arguments: list[str]) -> None:
    """Print a table for each scenario and record named, M/M/8 and the full record by default."""
    allowed = _SCENARIOS.keys() | _RECORDS.keys()
    unknown = set(arguments) - allowed
    if unknown:
        raise SystemExit(f"no profile {sorted(unknown)}; allowed: {', '.join(sorted(allowed))}")
    names = [name for name in arguments if name in _SCENARIOS] or ["mm8"]
    records = [name for name in arguments if name in _RECORDS] or ["full"]
    for name in names:
        scenario = _SCENARIOS[name]()
        for record in records:
            print(f"{name}, {record} record")
            print(table(lines(_RECORDS[record], scenario), len(schedule(scenario))))


if __name__ == "__main__":
    main(sys.argv[1:])
