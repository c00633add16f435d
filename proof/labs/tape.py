"""A tape of a lab's live runs: recorded once, then played to cells that ask for the same again.

What a lab shows of a stored run is a function of it, so a second build from the tape must give the
same bytes, and a wrong answer that leaves the scenario alone needs no worker to be judged.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import lab
from sandbox.run import Run
from sandbox.scenario import Scenario

Live = Callable[..., Any]


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

    def recording(self, live: Live) -> Live:
        """Return ``lab.run`` that keeps each run on the tape's file, as soon as it is there."""

        def run(scenario: Any, **more: Any) -> Any:
            found = live(scenario, **more)
            if isinstance(found, Run):
                self.runs.setdefault(key(scenario, more), []).append(found)
                self.file.write_bytes(pickle.dumps(self.runs))
            return found

        return run

    def playing(self, live: Live) -> Live:
        """Return ``lab.run`` that plays what is on the tape, and really runs the rest."""

        def run(scenario: Any, **more: Any) -> Any:
            if not isinstance(scenario, Scenario):
                return live(scenario, **more)
            asked = key(scenario, more)
            known = self.runs.get(asked, [])
            if not known:
                with self.missing.open("a", encoding="utf-8") as out:
                    out.write(f"{scenario.name}\n")
                return live(scenario, **more)
            n = self._played.get(asked, 0)
            self._played[asked] = n + 1
            return known[min(n, len(known) - 1)]

        return run


def key(scenario: Scenario, more: dict[str, Any]) -> str:
    """Return what was asked for: the scenario, and how it was to be run."""
    return f"{scenario.to_json()} {sorted(more.items())!r}"


def record(file: str) -> Tape:
    """Record all that ``lab.run`` runs from now on in this process."""
    tape = Tape(Path(file))
    lab.run = tape.recording(lab.run)  # type: ignore[assignment]
    return tape


def play(file: str) -> Tape:
    """Play a tape to whoever calls ``lab.run`` from now on in this process."""
    tape = Tape(Path(file))
    lab.run = tape.playing(lab.run)  # type: ignore[assignment]
    return tape
