"""Every lab: whole, built from its text, red before it is done, green after, right about errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from proof.labs import answers, budget  # noqa: E402 - the notebook's parts are optional
from proof.labs.tape import Tape, key  # noqa: E402
from sandbox import lab, workbench  # noqa: E402
from sandbox.labs import Lesson, lesson  # noqa: E402
from sandbox.run import Run  # noqa: E402
from sandbox.scenario import Scenario  # noqa: E402
from tools import build_labs  # noqa: E402

LABS = lesson.all_lessons()
_EACH = pytest.mark.parametrize("one", LABS.values(), ids=LABS)
_WRONG = [(one, wrong) for one in LABS.values() for wrong in one.wrong]


_KNOWN: dict[str, Run] = {}
_run = workbench.run


def _remembered(scenario: Scenario, **more: Any) -> Run:
    """Run the model once for all answers to a lab: it gives the same each time."""
    if more.get("engine") != "model":
        return _run(scenario, **more)
    asked = key(scenario, (), more)
    if asked not in _KNOWN:
        _KNOWN[asked] = _run(scenario, **more)
    return _KNOWN[asked]


@pytest.fixture(autouse=True)
def _in_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Real workers are for ``make labs``; the learner's path is the same."""
    monkeypatch.setattr(lab, "ENGINE", "model")
    monkeypatch.setattr(workbench, "run", _remembered)
    monkeypatch.chdir(tmp_path)


@_EACH
def test_both_notebooks_are_those_of_the_text(one: Lesson) -> None:
    """Law: what is reviewed is what is given out."""
    assert build_labs.agrees(one), "run python -m tools.build_labs"


def test_no_notebook_is_without_a_text() -> None:
    assert build_labs.strays() == []


@_EACH
def test_an_unsolved_exercise_has_every_check_red_and_no_traceback(one: Lesson) -> None:
    """Law: each check asks for something, and a stub leads to a sentence."""
    assert answers.of_the_exercise(one, *answers.done(one.notebook("exercise"))) == []


@_EACH
def test_a_solution_has_every_check_green(one: Lesson) -> None:
    """Law: what is asked for can be done."""
    assert answers.of_the_solution(one, *answers.done(one.notebook("solution"))) == []


@pytest.mark.parametrize(
    ("one", "wrong"), _WRONG, ids=[f"{one.number}-{wrong.says[:30]}" for one, wrong in _WRONG]
)
def test_a_known_wrong_answer_is_told_what_it_means(one: Lesson, wrong: lesson.Wrong) -> None:
    """Law: by the learner's own path, the check that is meant says what the lab promises."""
    assert answers.of_a_wrong_answer(wrong, *answers.done(one.with_wrong(wrong))) == []


@pytest.mark.live
def test_a_lab_on_real_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Law: what holds in the model holds on real workers; wrong guesses are judged on their runs."""
    one = LABS["03"]
    monkeypatch.setattr(lab, "ENGINE", "live")
    monkeypatch.setattr(lab, "BROKER", "fake")
    live, recorded = workbench.run, tmp_path / "runs.tape"
    monkeypatch.setattr(workbench, "run", Tape(recorded).recording(live))
    assert answers.of_the_solution(one, *answers.done(one.notebook("solution"))) == []
    monkeypatch.setattr(workbench, "run", Tape(recorded).playing(live))
    for wrong in (wrong for wrong in one.wrong if wrong.exercise == "guess"):
        assert answers.of_a_wrong_answer(wrong, *answers.done(one.with_wrong(wrong))) == []
    assert not Tape(recorded).missing.exists(), "nothing was run again"


def test_few_cells_go_unverified() -> None:
    """Law: of all solutions and notebooks together, and of no lab more than a fifth."""
    solutions = [build_labs.solution_path(one) for one in LABS.values()]
    every = budget.in_files([*solutions, *(build_labs.LABS.parent / "notebooks").glob("*.ipynb")])
    assert every.problems() == []
    assert [p.stem for p in solutions if budget.in_files([p]).share > 2 * budget.MOST] == []


@_EACH
def test_a_lab_predicts_runs_the_model_and_then_real_workers(one: Lesson) -> None:
    """Law: the rhythm; the learner's number is written down before either tells theirs."""
    text = "\n".join(cell.body for cell in one.notebook("solution") if not cell.is_markdown)
    assert text.count("lab.predict(") >= 2, "predict, change one setting, predict again"
    assert text.index("lab.predict(") < text.index("lab.model(") < text.index("lab.run(")
    assert one.lab.surprise
    assert all(url.startswith("https://docs.celeryq.dev/") for url in one.lab.links.values())
    assert all(need in LABS for need in one.lab.assumes)
