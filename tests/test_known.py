"""The differences between model and live that are known: each is still there, or it fails here.

Who mends one strikes it from proof/known.py and from here.
"""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from proof.facts import FACTS
from proof.grid import performed, predicted
from proof.known import CONVOY, CROWDED, KNOWN, SWEEP_ONE_BY_ONE, Known
from proof.row import Row
from sandbox.overheads import Overheads
from sandbox.run import Run
from tests.conftest import real_redis


def row(known: Known) -> Row:
    return Row(known.what, known.scenario, (), ())


def test_each_is_held_by_a_test_here() -> None:
    """Five at most, and these three are all."""
    assert (SWEEP_ONE_BY_ONE, CROWDED, CONVOY) == KNOWN


@pytest.mark.live
def test_a_sweep_hands_out_the_newest_first_live_and_not_in_the_model() -> None:
    """The model restores all at one moment; a live worker gets the newest while it goes on."""
    others = ["job/0", "job/3", "job/0", "job/1", "job/2"]
    assert begun(predicted(row(SWEEP_ONE_BY_ONE), Overheads())) == others
    # Which message a worker gets before the last is restored is a race: one of twelve is enough.
    assert any(begun(performed(row(SWEEP_ONE_BY_ONE), "fake")) != others for _ in range(12))


def begun(run: Run) -> list[str]:
    order: list[str] = FACTS["order"].measure(run)
    return order


@pytest.mark.live
@pytest.mark.redis
def test_a_process_alone_is_sooner_ready_for_its_next_task_live_and_not_in_the_model() -> None:
    """Of one run: live it takes less time than four that share the cores, in the model as much.

    Where others use the cores too, the one is not alone, and the four take turns instead of
    competing: such a run shows nothing, so one of three is enough.
    """
    real_redis()
    assert gap_s(predicted(row(CROWDED), Overheads()), "alone") == pytest.approx(
        gap_s(predicted(row(CROWDED), Overheads()), "crowd")
    )
    runs = (performed(row(CROWDED), "redis") for _ in range(3))
    assert any(gap_s(run, "alone") < 0.75 * gap_s(run, "crowd") for run in runs)


def gap_s(run: Run, name: str) -> float:
    """Return the mean time (s) from the end of a type's task to the next one's start."""
    slots: dict[tuple[str, int | None], list[tuple[float, float]]] = {}
    for attempt in run.fold.attempts:
        if attempt.task.startswith(name) and None not in (attempt.started_s, attempt.ended_s):
            times = (attempt.started_s or 0.0, attempt.ended_s or 0.0)
            slots.setdefault((attempt.worker, attempt.slot), []).append(times)
    return statistics.fmean(b[0] - a[1] for own in slots.values() for a, b in pairwise(own))


@pytest.mark.live
@pytest.mark.redis
def test_a_thread_that_waits_is_late_beside_computing_ones_live_and_not_in_the_model() -> None:
    """The sleep takes longer than it should; in the model it takes its time."""
    real_redis()
    assert nap_s(predicted(row(CONVOY), Overheads())) == pytest.approx(0.45, abs=0.02)
    # How late depends on what else the cores do: one of three is enough.
    assert any(nap_s(performed(row(CONVOY), "redis")) > 0.45 + 0.1 for _ in range(3))


def nap_s(run: Run) -> float:
    """Return how long the sleep took (s)."""
    own = next(one for one in run.fold.attempts if one.task == "nap/0")
    return (own.ended_s or 0.0) - (own.started_s or 0.0)
