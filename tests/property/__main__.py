"""``python -m tests.property --seconds 600``: draw on, and say what was drawn and what was found.

Most of the time on the model, thousands of systems; between its rounds one on real workers. A
finding is exported to a folder of its own; exit status 1 when there is one.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import Phase, given, seed, settings

from sandbox import workbench
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.property.harness import LawBrokenError, Tally, hold, on_the_model, quiet
from tests.property.strategies import KINDS, ON_THE_MODEL, scenarios

_A_ROUND = 400


def model_round(number: int, tally: Tally, folder: Path, until: float) -> str | None:
    """Draw a round of systems on the model; return what was found, made small, or None."""

    @seed(number)
    @settings(quiet, max_examples=_A_ROUND)
    @given(scenarios(kinds=ON_THE_MODEL))
    def search(drawn: Scenario) -> None:
        if time.monotonic() < until:
            hold(drawn, on_the_model, tally=tally, folder=folder)

    return _finding(search)


def live_round(number: int, tally: Tally, folder: Path, broker: str) -> str | None:
    """Draw one system and run it on real workers; what it breaks is exported as it is."""
    drawn_one: list[Scenario] = []

    @seed(number)
    @settings(quiet, max_examples=8, phases=[Phase.generate])
    @given(scenarios(kinds=KINDS, live=True))
    def draw(drawn: Scenario) -> None:
        drawn_one.append(drawn)

    def engine(scenario: Scenario) -> Run:
        with tempfile.TemporaryDirectory() as runs:
            run = workbench.run(scenario, engine="live", broker=broker, runs=runs)
            _ = run.fold, run.ledger
        return run

    draw()
    drawn = drawn_one[-1]
    if broker == "fake":  # it keeps nothing when it is stopped, and says so
        drawn = drawn.but(broker=drawn.broker.but(persistence="none"))
    return _finding(lambda: hold(drawn, engine, tally=tally, folder=folder))


def _finding(search: object) -> str | None:
    try:
        search()  # type: ignore[operator] # a test of Hypothesis is typed as what it wraps
    except LawBrokenError as exc:
        return str(exc)
    except BaseExceptionGroup as group:
        return "; ".join(str(exc) for exc in group.exceptions)
    return None


def main() -> int:
    """Draw for the time given; print tables, seeds and findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.property", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--live", type=int, default=24, help="how many on real workers")
    options = parser.parse_args()
    first = random.randrange(10**6) if options.seed is None else options.seed
    folder = Path(os.environ.get("SANDBOX_FINDINGS", tempfile.mkdtemp(prefix="findings-")))
    began = time.monotonic()
    until, model, live, found = began + options.seconds, Tally(), Tally(), {}
    number, done = first, 0
    while time.monotonic() < until:
        told = model_round(number, model, folder / f"model-{number}", until)
        if told is not None:
            found.setdefault(re.sub(r"[\d.]+", "#", told)[:120], f"model, seed {number}: {told}")
        share = (time.monotonic() - began) / options.seconds
        if done < options.live * share:
            broker = ("auto", "fake")[done % 2]
            told = live_round(number, live, folder / f"live-{number}", broker)
            done += 1
            if told is not None:
                found[f"live {number}"] = f"{broker}, seed {number}: {told}"
        number += 1
    print(f"seeds {first} to {number - 1}\n\nOn the model: {model}\n\nOn real workers: {live}\n")
    for told in found.values():
        print(f"FOUND {told[:1500]}")
    print(f"{len(found)} findings" + (f", exported to {folder}" if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
