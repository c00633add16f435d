"""The program that is killed: one session, two workers × 2, a stream of slow tasks.

``python -m tests.kill.victim MODE BROKER``: ``with`` closes after a second; ``hold`` keeps the
session in a variable until standard input is closed; ``plain`` leaves it to the interpreter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sandbox
from sandbox.errors import EngineError
from sandbox.scenario import Scenario

RUN_S = 1.0
SCENARIO = Scenario(
    name="victim",
    tasks=[{"name": "job", "service": {"kind": "deterministic", "value_s": 0.3}}],
    workers=[{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 1}],
    loads=[{"kind": "poisson", "task": "job", "rate_per_s": 10.0}],
    horizon_s=30.0,
    deadline_s=60.0,
)


def main(mode: str, broker: str) -> None:
    """Hold a session in the way of ``mode``; what goes wrong with it is told and no more."""
    try:
        session = sandbox.start(SCENARIO, broker=broker, runs="runs")
        if mode == "with":
            with session:
                session.wait(RUN_S)
        elif mode == "plain":
            session.wait(RUN_S)
    except EngineError as exc:
        print(exc, flush=True)
    if mode == "hold":
        Path("started").touch()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
