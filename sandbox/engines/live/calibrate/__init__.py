"""Calibrate: measure what Celery adds to a task, on no-op tasks and on nothing else.

`plan` describes what runs, `rounds` breaks it and watches it recover, `figures` reads the
figures and their uncertainty out of the record.
"""

from __future__ import annotations

from sandbox import calibration
from sandbox.engines.live.broker import choose
from sandbox.engines.live.calibrate.figures import measure
from sandbox.engines.live.calibrate.plan import no_ops
from sandbox.engines.live.calibrate.rounds import Rounds
from sandbox.engines.live.engine import start
from sandbox.engines.live.leftovers import Claim
from sandbox.overheads import Overheads

__all__ = ["calibrate"]


def calibrate(broker: str = "auto") -> Overheads:
    """Measure this machine with ``broker`` (below 10 s), store the figures and return them.

    They are also returned where they cannot be stored; ``source`` then says so. Raises
    EngineError when the workers do not come up.
    """
    choice = choose(broker)
    with Claim() as claim:
        with start(no_ops(), broker=broker, runs=claim.folder) as session:
            rounds = Rounds(session)
            rounds.run()
        run = session.close()
        overheads = measure(run, rounds)
    told = f"calibrated on {run.info['broker']}, just now"
    try:
        calibration.store(overheads, calibration.broker_name(choice.kind, choice.url))
    except OSError as exc:
        told += f", but not kept: {exc}"
    return overheads.but(source=told)
