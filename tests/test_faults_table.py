"""The table of faults: every fault is declared, says what it means, and does it on the model.

`make faults` runs the same cells on real workers; here are those that no other live test shows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proof import damage_page
from proof.build import ACK_MODES
from proof.cells import judge
from proof.damage import CASES, DAMAGE, ROLES, Case
from proof.damage_page import PAGE, Shown, page
from proof.seen import seen
from proof.told import sentences
from sandbox.faults import FAULTS
from sandbox.run import Event, Run
from tests.conftest import real_redis
from tests.mutants.damage import DAMAGE_MUTANTS

BY_TITLE = {case.title: case for case in CASES}
CELLS = [(case.title, mode) for case in CASES for mode in ACK_MODES]
NEW_LIVE = [
    ("stop_broker: a worker that waits for more and holds something", "late"),
    ("stop_broker: a worker that waits for more and only runs a task", "early"),
    ("slow_dependency: past the visibility timeout", "early"),
]
"""What no conformance test shows on real workers."""


# --- the declarations ---------------------------------------------------------------------


def test_every_fault_is_declared_under_every_ack_mode() -> None:
    """A new fault needs a case in proof/damage/, in which it strikes."""
    assert DAMAGE.keys() == FAULTS.keys()
    assert len(BY_TITLE) == len(CASES)
    for case in CASES:
        assert case.harms.keys() == ACK_MODES.keys(), case.title
        for mode in ACK_MODES:
            assert case.kind in {fault.kind for fault in case.build(mode).faults}, case.title


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_says_what_it_means_under_every_ack_mode(kind: str) -> None:
    """Its docstring has a line for each, or one for all; the page repeats it."""
    told = sentences(FAULTS[kind])
    assert told.keys() == ACK_MODES.keys()
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {kind}\n")[1].split("\n## ")[0]
    for sentence in told.values():
        assert sentence.replace("``", "`") in section


# --- the cells ----------------------------------------------------------------------------


@pytest.mark.parametrize(("title", "mode"), CELLS)
def test_a_cell_on_the_model_is_as_declared(title: str, mode: str) -> None:
    """Who ran, was prefetched, was queued or came later fares as declared, or it is refused."""
    cell = judge(BY_TITLE[title], mode, "model")
    refused = "model" in cell.case.refused_by
    assert cell.verdict == ("not possible" if refused else "proven"), cell.told


@pytest.mark.live
@pytest.mark.redis
@pytest.mark.parametrize(("title", "mode"), NEW_LIVE)
def test_a_cell_on_real_workers_is_as_declared(title: str, mode: str) -> None:
    """The same fates for as many tasks as on the model."""
    broker = real_redis()
    expected = judge(BY_TITLE[title], mode, "model").found
    cell = judge(BY_TITLE[title], mode, broker, expected)
    assert cell.verdict == "proven", cell.told


# --- a proof that can fail ----------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_wrong_declaration_differs(role: str) -> None:
    """A role's fates are all of those declared, and no others."""
    case = DAMAGE["start_beat"][0]
    harms = {mode: replace(harm, **{role: ()}) for mode, harm in case.harms.items()}
    cell = judge(replace(case, harms=harms), "late", "model")
    assert cell.verdict == "differs"
    assert cell.told.startswith(f"{role}: ")


def test_a_refusal_that_is_not_declared_differs() -> None:
    """So does a declared one that does not come."""
    refused = replace(DAMAGE["bandwidth"][0], refused_by=())
    assert judge(refused, "early", "model").verdict == "differs"
    able = replace(DAMAGE["noop"][0], refused_by=("model",))
    cell = judge(able, "early", "model")
    assert (cell.verdict, cell.told) == ("differs", "declared as refused by model")


def test_other_numbers_than_the_model_s_differ() -> None:
    """Two prefetched tasks are not one, though each fared as declared."""
    case = DAMAGE["noop"][0]
    expected = judge(case, "late", "model").found
    cell = judge(case, "early", "model", expected)
    assert cell.verdict == "differs"
    assert cell.told == (
        "prefetched: 2 done once, in the model 1 done once; "
        "queued: 1 done once, in the model 2 done once"
    )


@pytest.mark.parametrize("wrong", DAMAGE_MUTANTS)
def test_a_wrong_model_is_rejected_by_its_cell(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell is proven on the model, and differs on the wrong one."""
    mutant = DAMAGE_MUTANTS[wrong]
    title, _, mode = mutant.row.rpartition(" / ")
    assert judge(BY_TITLE[title], mode, "model").verdict == "proven"
    mutant.apply(monkeypatch)
    assert judge(BY_TITLE[title], mode, "model").verdict == "differs"


# --- how it is seen -----------------------------------------------------------------------


CASE: Case = DAMAGE["kill_worker"][0]


def _by_hand(*events: Event) -> Run:
    """Return a run of which only the events are told."""
    return Run(CASE.build("late"), (*(Event(0.0, "sent", f"job/{i}") for i in range(3)), *events))


def test_roles_and_ways_back_are_read_from_the_record() -> None:
    """One runs, one is prefetched, one queued; the visibility timeout counts what is skipped."""
    run = _by_hand(
        Event(0.1, "delivered", "job/0", worker="worker1", tag="a", queue="celery"),
        Event(0.1, "delivered", "job/1", worker="worker1", tag="b", queue="celery"),
        Event(0.2, "started", "job/0", worker="worker1", slot=0, tag="a", retry=0),
        Event(1.0, "control", worker="worker1", detail={"verb": "kill_worker"}),
        Event(1.0, "worker_exited", worker="worker1", detail={"signal": 9}),
        Event(2.0, "restored", "job/1", worker="worker1", tag="b"),
        Event(3.0, "skipped", detail={"seconds": 3600.0}),
        Event(3.1, "restored", "job/0", worker="worker1", tag="a"),
    )
    found = seen(run, CASE)
    assert found.told("running") == ("1 stuck, begun, back after the visibility timeout")
    assert found.told("prefetched") == "1 stuck, never begun, back at once"
    assert found.told("queued") == "1 stuck, never begun"
    assert (found.told("published"), found.exits) == ("", ("signal 9",))


def test_a_case_whose_moment_does_not_come_is_an_error() -> None:
    """No role could be told."""
    with pytest.raises(RuntimeError, match=r"has no kill_worker$"):
        seen(_by_hand(), CASE)


def test_the_page_names_what_is_not_possible_in_the_engine_s_words() -> None:
    """And has a line for each situation and ack mode."""
    case = DAMAGE["bandwidth"][0]
    cells = [judge(case, mode, "model") for mode in ACK_MODES]
    text = page({c.name: Shown.of(c) for c in cells}, {"versions": {}, "cores": 2})
    assert "- not possible on model: faults[0].kind is 'bandwidth', but the model knows" in text
    assert "of threads: faults[0]: worker 'worker1' has a threads pool, which has no" in text
    assert all(f"\n## {kind}\n" in text for kind in FAULTS)


def test_the_newest_outcome_of_each_cell_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of cells that there still are: one whose case is gone leaves the page."""
    monkeypatch.setattr(damage_page, "STORED", tmp_path / "cells.json")
    case = DAMAGE["noop"][0]
    first = replace(judge(case, "late", "model"), took_s=1.0)
    gone = replace(first, case=replace(case, name="gone"))
    damage_page.add({}, [first, gone])
    damage_page.add({}, [replace(first, took_s=2.0)])
    assert {name: shown.took_s for name, shown in damage_page.stored().items()} == {first.name: 2.0}
