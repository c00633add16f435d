"""The differences between model and live that are known: each is still there, or it fails here.

Who mends one strikes it from proof/known.py and from here.
"""

from __future__ import annotations

import statistics
from collections import defaultdict

import pytest

from proof.facts import FACTS
from proof.grid import performed, predicted
from proof.known import COLD_START, KNOWN, SWEEP_ONE_BY_ONE, Known
from proof.row import Row
from sandbox.overheads import Overheads
from sandbox.run import Run
from tests.conftest import real_redis


def row(known: Known) -> Row:
    return Row(known.what, known.scenario, (), ())


def test_each_is_held_by_a_test_here() -> None:
    """Five at most, and these two are all."""
    assert (COLD_START, SWEEP_ONE_BY_ONE) == KNOWN


def first_is_longest(run: Run) -> list[bool]:
    """Return for each process whether its first task took longer than the median of the others."""
    bodies: dict[int | None, list[float]] = defaultdict(list)
    for attempt in run.fold.attempts:
        if attempt.started_s is not None and attempt.ended_s is not None:
            bodies[attempt.slot].append(attempt.ended_s - attempt.started_s)
    assert len(bodies) == 4
    return [own[0] > statistics.median(own[1:]) + 1e-9 for own in bodies.values()]


@pytest.mark.live
@pytest.mark.redis
def test_the_first_task_of_a_process_is_slower_live_and_not_in_the_model() -> None:
    """Live each of four processes has it, in the model none."""
    real_redis()
    assert not any(first_is_longest(predicted(row(COLD_START), Overheads())))
    assert all(first_is_longest(performed(row(COLD_START), "redis")))


@pytest.mark.live
def test_a_sweep_hands_out_the_newest_first_live_and_not_in_the_model() -> None:
    """The model restores all at one moment; a live worker gets the newest while it goes on."""
    others = ["job/0", "job/3", "job/0", "job/1", "job/2"]
    assert begun(predicted(row(SWEEP_ONE_BY_ONE), Overheads())) == others
    # Which message a worker gets before the last is restored is a race: one of three is enough.
    assert any(begun(performed(row(SWEEP_ONE_BY_ONE), "fake")) != others for _ in range(3))


def begun(run: Run) -> list[str]:
    order: list[str] = FACTS["order"].measure(run)
    return order
