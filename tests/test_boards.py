"""Boards side by side, named scenarios at one click, a run as a page: what needs no browser."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox import lab, systems, workbench
from sandbox.errors import RunError, ScenarioError
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.widgets import Boards, Scenarios
from sandbox.widgets.boards import differing
from sandbox.widgets.modules import BOARD
from sandbox.widgets.page import page, standalone
from tests.nodes import node
from tests.waiting import until

NIGHT = systems.load("leadlawk")


def test_side_by_side_tells_what_differs(night: Run) -> None:
    """Law: seed, settings that differ and fates that differ are told; scales are common."""
    three = NIGHT.but(workers=[pool.but(n_workers=3) for pool in NIGHT.workers])
    boards = Boards(night, three)
    seed, settings, fates = boards.told
    assert seed.startswith("Same seed (7)")
    assert settings == "What differs: workers.worker.n_workers 2 → 3."
    assert fates.startswith("What became of the tasks: 206 the same")
    a, b = boards.heads
    assert a["until_s"] == b["until_s"] == max(e.t_s for run in boards.runs for e in run.events)
    assert (a["bin_s"], a["tops"]) == (b["bin_s"], b["tops"])
    done = next(row for row in boards.rows if row["name"] == "done")
    assert done["values"] == [212, 212]
    assert "<table><caption>Counters of B:" in boards._repr_mimebundle_()[0]["text/html"]


def test_what_is_not_there_is_said(night: Run) -> None:
    """Law: no run, or names that do not fit, are refused; another seed is told."""
    with pytest.raises(ScenarioError, match="needs a run or a scenario"):
        Boards()
    with pytest.raises(ScenarioError, match="names has 1 names; allowed: 2"):
        Boards(night, night, names=("one",))
    assert "The seeds differ (7 and 8)" in Boards(night, NIGHT.but(seed=8)).told[0]
    assert Boards(Run(NIGHT, ())).told == []


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ({"n": 1}, {"n": 1}, []),
        ({"seed": 1, "n": 1}, {"seed": 2, "n": 2}, ["n 1 → 2"]),
        ({"x": [{"name": "a", "n": 1}]}, {"x": [{"name": "a", "n": 2}]}, ["x.a.n 1 → 2"]),
        ({"x": []}, {"x": [{"kind": "burst"}]}, ["x.0 only in the second"]),
        ({"x": None}, {"x": {"y": 1}}, ["x None → {'y': 1}"]),
    ],
)
def test_differences_are_named_by_their_place(a: Any, b: Any, told: list[str]) -> None:
    """Law: each difference is told once, by the name of the part that has it."""
    assert list(differing(a, b)) == told


def test_the_joined_module_is_one(tmp_path: Path) -> None:
    """Law: board and curves in scopes of their own make one module with one export."""
    file = tmp_path / "boards.mjs"
    file.write_text(Boards._esm if isinstance(Boards._esm, str) else str(Boards._esm))
    node("--check", file)
    assert file.read_text().count("\nexport ") == 1


def test_each_named_scenario_is_a_button() -> None:
    """Law: every variant of the chosen system has a button, and a press shows the model's run."""
    shown = Scenarios("students")
    buttons = shown._buttons.children
    assert [one.description for one in buttons] == list(systems.get("students").variants)
    assert shown.scenario.name == "students"
    buttons[1].click()
    assert shown.scenario.name == "students-as-written"
    assert shown._pictures.children[0].runs == [shown.modelled]
    shown._faults.value = "bad-night"
    assert [fault.kind for fault in shown.scenario.faults][:1] == ["drop_connections"]
    shown._system.value = "leadlawk"
    assert shown.scenario.name == "leadlawk"
    assert "leadlawk" in shown._pictures.children[0].names[0]


def test_a_schedule_that_does_not_fit_is_a_sentence() -> None:
    """Law: what cannot be done is said, and what was shown stays."""
    shown = Scenarios("ai-analysis")
    alone = next(
        name for name, one in shown.system.variants.items() if len(one.worker_names) == 1
    )  # fmt: skip
    shown.show(alone)
    before = shown.modelled
    shown._faults.value = "zone-outage"
    assert "zone-outage needs 2 workers" in shown._told.value
    assert shown.modelled is before


def test_a_run_beside_the_model_s() -> None:
    """Law: what is started is shown while it runs, then stands beside the model's run."""
    started: list[Scenario] = []

    def start(scenario: Scenario) -> Any:
        started.append(scenario)
        return workbench.start(scenario, engine="model")

    shown = Scenarios("leadlawk", start=start)
    shown.run_live()
    until("it has ended", lambda: not shown._live.disabled)
    (boards,) = shown._pictures.children
    assert started == [NIGHT]
    assert boards.names == ["model", "real workers"]
    assert "217 the same" in boards.told[2] or "212 the same" in boards.told[2]
    assert not [t for t in threading.enumerate() if t.name == "sandbox-scenario" and t.is_alive()]


def test_one_helper_makes_every_page(night: Run, tmp_path: Path) -> None:
    """Law: a board's page and a run's page are made by the same helper; a bad place is told."""
    board = lab.board(night, at_s=1.0)
    state = board.get_state()
    traits = {"cursor_s": 1.0, "focus": "", "log": []}
    assert standalone(board) == page(
        state["head"], state["past"], places={"board": BOARD}, traits=traits
    )
    file = lab.export_html(night, tmp_path / "new" / "night.html")
    assert file.read_text(encoding="utf-8").count("<section id=") == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"night.html cannot be written"):
        lab.export_html(night, tmp_path / "file" / "night.html")
