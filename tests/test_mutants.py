"""Wrong models are rejected: each fails its row of the grid, against what real workers did."""

from __future__ import annotations

import pytest

from proof.facts import differences, facts_of
from proof.grid import predicted
from proof.rows import ROWS
from proof.stored import facts_stored, overheads_stored
from tests.mutants import MUTANTS


def test_there_are_enough_wrong_models_and_each_is_another_one() -> None:
    """Twenty are asked for; each names a row that exists."""
    assert len(MUTANTS) >= 20
    assert {one.row for one in MUTANTS.values()} <= ROWS.keys()


@pytest.mark.parametrize("wrong", MUTANTS)
def test_a_wrong_model_is_rejected_by_its_row(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row's facts, from a stored live run, are not those of the wrong model."""
    row = ROWS[MUTANTS[wrong].row]
    expected = facts_stored(row)
    assert differences(expected, facts_of(predicted(row, overheads_stored()), row.fixed)) == []
    MUTANTS[wrong].apply(monkeypatch)
    found = facts_of(predicted(row, overheads_stored()), row.fixed)
    assert differences(expected, found) != []
