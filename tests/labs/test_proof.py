"""The proof of the labs can fail: each thing that it holds, broken once on purpose, is red."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from proof.labs import __main__ as command  # noqa: E402 - the notebook's parts are optional
from proof.labs import answers, budget, one, page, rebuilt  # noqa: E402
from proof.labs.tape import Tape  # noqa: E402
from proof.labs.verified import Verified, verify  # noqa: E402
from sandbox.labs import lesson  # noqa: E402
from sandbox.labs.checks import Answer  # noqa: E402
from sandbox.run import Run  # noqa: E402
from sandbox.scenario import Scenario  # noqa: E402
from tools import build_notebooks as notebooks  # noqa: E402

ONE = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
LAB = lesson.get("03")
WRONG = LAB.wrong[0]
PICTURE = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}


def given(status: Any, *lines: tuple[str, str]) -> dict[str, Answer]:
    return {name: Answer(name, "?", status, lines) for name in LAB.checks}


def code(source: str, *data: dict[str, str], tags: tuple[str, ...] = ()) -> Any:
    cell = nbformat.v4.new_code_cell(
        source, id=hashlib.sha256(source.encode()).hexdigest()[:8], execution_count=1
    )
    cell.outputs = [nbformat.v4.new_output("display_data", data=one) for one in data]
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def book(*cells: Any) -> Any:
    return nbformat.v4.new_notebook(cells=list(cells))


# --- what checks answer -----------------------------------------------------------------------


def test_an_exercise_that_is_not_all_open_is_red() -> None:
    assert answers.of_the_exercise(LAB, given("not attempted"), "") == []
    for status in ("right", "wrong", "environment broken"):
        assert len(answers.of_the_exercise(LAB, given(status), "")) == len(LAB.checks)
    assert answers.of_the_exercise(LAB, {}, "")
    assert answers.of_the_exercise(LAB, given("not attempted"), "code cell 3: NameError")


def test_an_exercise_that_says_more_than_open_checks_is_red() -> None:
    told = code("check", {"text/plain": "○ not attempted: four are lost"})
    assert one.as_it_is(book(told), 1) == []
    assert one.as_it_is(book(told), 2)
    assert one.as_it_is(book(code("check", {"text/plain": "✓ right: four are lost"})), 1)
    told.outputs.append(nbformat.v4.new_output("stream", name="stderr", text="no such name"))
    assert one.as_it_is(book(told), 1)


def test_a_solution_that_is_not_all_right_is_red() -> None:
    assert answers.of_the_solution(LAB, given("right"), "") == []
    assert answers.of_the_solution(LAB, given("wrong"), "")
    assert answers.of_the_solution(LAB, dict(list(given("right").items())[1:]), "")
    assert answers.of_the_solution(LAB, given("right"), "code cell 3: TypeError")


def test_a_wrong_answer_that_is_not_told_what_it_means_is_red() -> None:
    whole = [(part, WRONG.says) for part in answers.PARTS]
    assert answers.of_a_wrong_answer(WRONG, given("wrong", *whole), "") == []
    assert answers.of_a_wrong_answer(WRONG, given("right", *whole), "")
    assert answers.of_a_wrong_answer(WRONG, given("wrong", *whole[:-1]), "")
    assert answers.of_a_wrong_answer(WRONG, given("wrong", *((p, "?") for p, _ in whole)), "")
    assert answers.of_a_wrong_answer(WRONG, given("wrong", *whole), "code cell 3: TypeError")
    assert answers.of_a_wrong_answer(replace(WRONG, check="none"), given("wrong", *whole), "")


# --- built twice ------------------------------------------------------------------------------


def test_a_second_build_that_is_not_the_same_is_red(tmp_path: Path) -> None:
    first = book(code("1", {"text/plain": "1"}), code("lab.start(one)", PICTURE))
    assert rebuilt.differences(first, first) == []
    other = {**PICTURE, "image/png": "AAAA"}
    assert rebuilt.differences(book(code("1", PICTURE)), book(code("1", other)))
    assert rebuilt.differences(first, book(code("1", {"text/plain": "1"}), code("2")))
    living = book(first.cells[0], code("lab.start(one)", other))
    assert rebuilt.differences(first, living) == [], "a living session's picture is its own"
    assert rebuilt.differences(first, book(first.cells[0], code("lab.start(one)")))
    path = tmp_path / "one.ipynb"
    notebooks.written(path, first)
    assert rebuilt.file_differs(path, first) == []
    assert rebuilt.file_differs(path, living)


def test_a_file_that_tells_something_else_is_red() -> None:
    assert rebuilt.outputs_differ(book(code("1", PICTURE)), book(code("1", PICTURE))) == []
    was, now = ({"text/plain": text} for text in ("4 lost", "5 lost"))
    assert rebuilt.outputs_differ(book(code("1", was)), book(code("1", now)))


def test_where_a_printed_text_is_cut_is_no_difference() -> None:
    cut, whole = code("print"), code("print")
    new = partial(nbformat.v4.new_output, "stream", name="stdout")
    cut.outputs, whole.outputs = [new(text="a\n"), new(text="b\n")], [new(text="a\nb\n")]
    assert rebuilt.outputs_differ(book(cut), book(whole)) == []
    assert notebooks.joined(cut.outputs) == whole.outputs


def test_a_tape_plays_what_was_recorded_and_notes_what_is_not_on_it(tmp_path: Path) -> None:
    runs = [Run(ONE, (), {"ended": "drained", "n": n}) for n in range(3)]
    live = iter(runs)
    record = Tape(tmp_path / "tape").recording(lambda *_, **__: next(live))
    assert [record(ONE).info["n"], record(ONE, at_s=1).info["n"]] == [0, 1]
    tape = Tape(tmp_path / "tape")
    play = tape.playing(lambda *_, **__: runs[2])
    assert [play(ONE).info["n"], play(ONE).info["n"], play(ONE, at_s=1).info["n"]] == [0, 0, 1]
    assert play(ONE, engine="model").info["n"] == 2
    assert play(ONE, engine="live", broker="fake").info["n"] == 0
    assert not tape.missing.exists()
    assert play(ONE.but(name="two")).info["n"] == 2
    assert tape.missing.read_text() == "two\n"


# --- cells, times, and the whole --------------------------------------------------------------


def test_too_many_cells_that_nothing_verifies_are_red() -> None:
    good = [code(f"1 + {n}", {"text/plain": "1"}) for n in range(9)]
    for bad in (code("2", tags=("nbval-ignore-output",)), code("2", tags=("nbval-skip",)),
                code("2", tags=("raises-exception",)), code("2", PICTURE)):  # fmt: skip
        assert budget.cells_of(book(*good, bad), "a").problems() == []
        found = budget.cells_of(book(*good[1:], bad), "a")
        assert (found.n, len(found.unverified)) == (9, 1)
        assert found.problems()
    shown = code("2", {**PICTURE, "text/html": "<table></table>"})
    assert budget.cells_of(book(shown), "a").unverified == ()


def test_labs_that_take_too_long_are_red() -> None:
    short, long = ({"fake": {"03": Verified(1, s)}} for s in (60.0, 12 * 60 + 1.0))
    assert page.too_long(short, 60.0) == []
    assert page.too_long(long, 60.0)
    assert page.too_long(short, 30 * 60 + 1.0)


def test_nbval_tells_an_output_that_is_not_the_same(tmp_path: Path) -> None:
    """Law: each notebook is told of by its own name, in a folder that is not the checkout."""
    paths = []
    for name, source in (("right", "1 + 1"), ("wrong", "1 + 2")):
        cell = nbformat.v4.new_code_cell(source, execution_count=1)
        result = {"text/plain": "2"}
        cell.outputs = [nbformat.v4.new_output("execute_result", result, execution_count=1)]
        paths.append(tmp_path / f"{name}.ipynb")
        nbformat.write(book(cell), paths[-1])
    found = verify(paths, tmp_path / "copies", broker="fake")
    assert {name: (one.n, len(one.problems)) for name, one in found.items()} == {
        "right": (1, 0), "wrong": (1, 1),
    }  # fmt: skip
    assert "Cell outputs differ Input: 1 + 2" in found["wrong"].problems[0]


@pytest.mark.parametrize("problem", ["", "its solution is not green"])
def test_one_problem_makes_the_whole_red(
    problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = one.Report("03", problems=[problem] if problem else [])
    monkeypatch.setattr(command, "_reports", lambda *_: [("03", report)])
    green = {LAB.name: Verified(4, 20.0)}
    monkeypatch.setattr(command, "verify", lambda *_, **__: green)
    assert command.main(["03"]) == bool(problem)
    told = capsys.readouterr().out
    assert ("RED lab 03: its solution is not green" in told) == bool(problem)
    assert "| 03 Early and late acknowledgement under a kill | 15 | 20 | 20 |" in told


def test_a_lab_whose_process_ends_without_a_report_is_red(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command.sys, "executable", "/bin/false")
    assert command._report("03", "fake", tmp_path / "one").problems


def test_a_report_travels_as_json() -> None:
    report = one.Report("03", 20.0, 9.0, "built", 1, ["it is red"])
    assert one.Report(**json.loads(json.dumps(vars(report)))) == report


def test_an_unknown_lab_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["99"])
    assert "there is no lab '99'; allowed: 01" in capsys.readouterr().err
