"""The differences between model and live that are known: each is still there, or it fails here.

Who mends one strikes it from proof/known.py and from here.
"""

from __future__ import annotations

import pytest

from proof.facts import FACTS
from proof.grid import performed, predicted
from proof.known import KNOWN, SWEEP_ONE_BY_ONE, Known
from proof.row import Row
from sandbox.overheads import Overheads
from sandbox.run import Run


def row(known: Known) -> Row:
    return Row(known.what, known.scenario, (), ())


def test_each_is_held_by_a_test_here() -> None:
    """Five at most, and this one is all."""
    assert (SWEEP_ONE_BY_ONE,) == KNOWN


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
