"""Every lab: whole, built from its text, red before it is done, green after, right about errors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from sandbox import lab  # noqa: E402 - the notebook's parts are optional
from sandbox.labs import Lesson, kernel, lesson  # noqa: E402
from sandbox.labs.checks import Answer  # noqa: E402
from sandbox.labs.grade import run_cells  # noqa: E402
from sandbox.labs.source import Cell  # noqa: E402
from tools import build_labs, build_notebooks  # noqa: E402

LABS = lesson.all_lessons()
UNVERIFIED = 0.10
_EACH = pytest.mark.parametrize("one", LABS.values(), ids=LABS)
_WRONG = [(one, wrong) for one in LABS.values() for wrong in one.wrong]


@pytest.fixture(autouse=True)
def _in_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Real workers are for ``make labs``; the learner's path is the same."""
    monkeypatch.setattr(lab, "ENGINE", "model")
    monkeypatch.chdir(tmp_path)


def done(cells: Iterable[Cell]) -> tuple[dict[str, Answer], str]:
    """Run a notebook's cells; return what each check answered, and the first trouble."""
    answers: dict[str, Answer] = {}
    kernel.listeners.append(lambda answer: answers.__setitem__(answer.name, answer))
    try:
        trouble = run_cells(cell.body for cell in cells if not cell.is_markdown)
    finally:
        kernel.listeners.clear()
    return answers, trouble


@_EACH
def test_both_notebooks_are_those_of_the_text(one: Lesson) -> None:
    """Law: what is reviewed is what is given out."""
    assert build_labs.agrees(one), "run python -m tools.build_labs"


def test_no_notebook_is_without_a_text() -> None:
    assert build_labs.strays() == []


@_EACH
def test_an_unsolved_exercise_has_every_check_red_and_no_traceback(one: Lesson) -> None:
    """Law: each check asks for something, and a stub leads to a sentence."""
    answers, trouble = done(one.notebook("exercise"))
    assert trouble == ""
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(
        one.checks, "not attempted"
    )


@_EACH
def test_a_solution_has_every_check_green(one: Lesson) -> None:
    """Law: what is asked for can be done."""
    answers, trouble = done(one.notebook("solution"))
    assert trouble == ""
    assert {name: str(answer) for name, answer in answers.items() if not answer.is_right} == {}
    assert set(answers) == set(one.checks)


@pytest.mark.parametrize(
    ("one", "wrong"), _WRONG, ids=[f"{one.number}-{wrong.says[:30]}" for one, wrong in _WRONG]
)
def test_a_known_wrong_answer_is_told_what_it_means(one: Lesson, wrong: lesson.Wrong) -> None:
    """Law: by the learner's own path, the check that is meant says what the lab promises."""
    answers, trouble = done(one.with_wrong(wrong))
    assert trouble == ""
    told = answers[wrong.check]
    assert told.status == "wrong"
    assert wrong.says in dict(told.lines)["likely misconception"]
    assert [name for name, _ in told.lines] == [
        "expected", "observed", "likely misconception", "where to look", "next",
    ]  # fmt: skip


@_EACH
def test_few_cells_go_unverified(one: Lesson) -> None:
    book = build_notebooks.book_of(one.notebook("solution"))
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    ignored = [c for c in code if build_notebooks.IGNORED in c.metadata.get("tags", [])]
    assert len(ignored) / len(code) <= UNVERIFIED


@_EACH
def test_a_lab_predicts_runs_the_model_and_then_real_workers(one: Lesson) -> None:
    """Law: the rhythm; the learner's number is written down before either tells theirs."""
    text = "\n".join(cell.body for cell in one.notebook("solution") if not cell.is_markdown)
    assert text.count("lab.predict(") >= 2, "predict, change one setting, predict again"
    assert text.index("lab.predict(") < text.index("lab.model(") < text.index("lab.run(")
    assert one.lab.surprise
    assert all(url.startswith("https://docs.celeryq.dev/") for url in one.lab.links.values())
    assert all(need in LABS for need in one.lab.assumes)
