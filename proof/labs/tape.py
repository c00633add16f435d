"""A tape of a lab's live runs: recorded once, then played to cells that ask for the same again.

What a lab shows of a stored run is a function of it, so a second build from the tape must give the
same bytes, and a wrong answer that leaves the scenario alone needs no worker to be judged.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import workbench
from sandbox.labs import moments
from sandbox.run import Run
from sandbox.scenario import Scenario

RUNS = ((workbench, "run"), (moments, "run_and_ask"))
"""All ways in which a lab's cell gets a run of real workers that has ended."""
_NOT_ASKED = {"broker", "engine", "runs"}
Make = Callable[..., Run]


class Tape:
    """Runs by what was asked for; the same asked for twice has two."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.runs: dict[str, list[Run]] = pickle.loads(file.read_bytes()) if file.exists() else {}  # noqa: S301 - our own
        self._played: dict[str, int] = {}

    @property
    def missing(self) -> Path:
        """The file with the names of scenarios that are not on the tape, and so were run."""
        return self.file.with_suffix(".missing")

    def recording(self, make: Make) -> Make:
        """Return ``make`` so that each live run is kept in the tape's file, once it is there."""

        def run(scenario: Scenario, *given: Any, **more: Any) -> Run:
            found = make(scenario, *given, **more)
            if is_live(more):
                self.runs.setdefault(key(scenario, given, more), []).append(found)
                self.file.write_bytes(pickle.dumps(self.runs))
            return found

        return run

    def playing(self, make: Make) -> Make:
        """Return ``make`` so that what is on the tape is played; the rest is really run."""

        def run(scenario: Scenario, *given: Any, **more: Any) -> Run:
            if not is_live(more):
                return make(scenario, *given, **more)
            asked = key(scenario, given, more)
            known = self.runs.get(asked, [])
            if not known:
                with self.missing.open("a", encoding="utf-8") as out:
                    out.write(f"{scenario.name}\n")
                return make(scenario, *given, **more)
            n = self._played.get(asked, 0)
            self._played[asked] = n + 1
            return known[min(n, len(known) - 1)]

        return run


def is_live(more: dict[str, Any]) -> bool:
    """Tell whether real workers are asked for."""
    return more.get("engine", "live") == "live"


def key(scenario: Scenario, given: tuple[Any, ...], more: dict[str, Any]) -> str:
    """Return what was asked for: the scenario, and how it was to be run."""
    asked = sorted((name, value) for name, value in more.items() if name not in _NOT_ASKED)
    return f"{scenario.to_json()} {given!r} {asked!r}"


def record(file: str) -> Tape:
    """Record all live runs of this process from now on."""
    tape = Tape(Path(file))
    for module, name in RUNS:
        setattr(module, name, tape.recording(getattr(module, name)))
    return tape


def play(file: str) -> Tape:
    """Play a tape to whoever in this process asks for a live run from now on."""
    tape = Tape(Path(file))
    for module, name in RUNS:
        setattr(module, name, tape.playing(getattr(module, name)))
    return tape
