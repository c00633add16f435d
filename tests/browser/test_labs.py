"""Labs as learners do them: from the first cell to the last check, and with every mistake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.labs import Lesson, lesson
from tests.browser.conftest import Opened
from tests.browser.lab_driver import (
    photographed,
    place,
    run,
    said,
    server_for_labs,
    solved,
    type_into,
    written,
)
from tests.browser.lab_harness import LabPage, LabServer
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(400)]
LAB = lesson.get("03")
CELLS = LAB.notebook("exercise")
FIRST, SCENARIO = place(CELLS, says="lab.lesson"), place(CELLS, says="early = lab.Scenario")
GUESS, LATE = place(CELLS, name="guess"), place(CELLS, name="late")
MODEL, LIVE = place(CELLS, says="lab.model("), place(CELLS, says="lab.run(early)")
CHECK = place(CELLS, says='lab.check("early_loses"')
A_SENTENCE = 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Return a JupyterLab of its own, whose kernels begin as `sandbox labs start` has them."""
    server = server_for_labs(tmp_path_factory.mktemp("labs"))
    yield server
    server.close()


def sentence(page: LabPage, index: int, text: str | None = None) -> str:
    """Type into a cell, run it and return what it says; a sentence, without a traceback."""
    if text is not None:
        type_into(page, index, text)
    told = run(page, index)
    assert "Traceback" not in told
    assert len(told) < A_SENTENCE, told
    return told


def test_lab_03_from_the_first_cell_to_the_last_check(opened: Opened) -> None:
    """Every check is green, nothing leaves the machine, no cell says anything on stderr."""
    page = opened(written(LAB))
    driven = solved(page, LAB)
    assert driven.is_green, driven
    assert len(driven.checks) == len(LAB.checks)
    photographed(page, "lab-03")
    page.assert_clean()


def test_every_mistake_of_a_newcomer_gives_a_sentence(opened: Opened) -> None:
    """None leaves a traceback or a process; after all of them the lab can still be done."""
    page = opened(written(LAB))
    before_the_first_cell(page)
    wrong_words(page)
    wrong_numbers(page)
    kernels(page)
    assert [line for line in page.errors() if "SyntaxError" not in line] == []
    photographed(page, "lab-03-mistakes")


def before_the_first_cell(page: LabPage) -> None:
    """Cells in any order, a check first, the wrong number, the first cell gone."""
    for index in (CHECK, MODEL, GUESS):
        assert "name 'lab' is not defined" in sentence(page, index)
    assert "there is no lab '33'; allowed: " in sentence(
        page, FIRST, "from sandbox import lab\n\nlab.lesson('33')"
    )
    assert "no lab is open: run the notebook's first cell" in sentence(
        page, CHECK, "lab.check('x')"
    )
    assert "Lab 03" in sentence(page, FIRST, CELLS[FIRST].body)
    assert "name 'run' is not defined" in sentence(page, CHECK, CELLS[CHECK].body)
    assert "name 'early' is not defined" in sentence(page, MODEL)
    assert sentence(page, SCENARIO) == ""


def wrong_words(page: LabPage) -> None:
    """What is no number, no name, no field, no Python."""
    ask = 'guess = lab.predict("How many of the twelve pictures are lost?", lost)'
    for given, says in (
        ("...", ""), ("None", ""),
        ("'four'", "is 'four'; allowed: a number"),
        ("fuor", "name 'fuor' is not defined: see the cell above"),
        ("1 / 0", "ZeroDivisionError: division by zero (line 1 of this cell)"),
    ):  # fmt: skip
        assert says in sentence(page, GUESS, f"lost = {given}\n{ask}")
    assert "write your number down first" in sentence(page, MODEL)
    assert "SyntaxError" in sentence(page, GUESS, f"lost = = 4\n{ask}")
    late = CELLS[LATE].body
    misspelt = "late = lab.TaskType(name='resize', acks_lat=True)"
    assert "acks_late" in sentence(page, LATE, misspelt)
    assert "what is to be run is a str; allowed: a Scenario" in sentence(
        page, MODEL, "lab.run('early')"
    )
    assert sentence(page, LATE, late) == ""
    for n in ("0", "4", "'one'"):
        assert "allowed: 1 to 3" in sentence(page, MODEL, f"lab.hint({n})")
    assert "has no check 'early_lose'" in sentence(page, MODEL, "lab.check('early_lose', 1)")
    assert sentence(page, MODEL, CELLS[MODEL].body)


def wrong_numbers(page: LabPage) -> None:
    """Each known wrong guess, by the learner's own path, a cell run twice."""
    run(page, LIVE)
    for wrong in (one for one in LAB.wrong if one.exercise == "guess"):
        assert sentence(page, GUESS, wrong.body) == ""
        assert "you guessed" in sentence(page, MODEL)
        assert sentence(page, MODEL) == said(page, MODEL)
        told = sentence_of_a_check(page, CHECK)
        assert told.startswith("✗ wrong")
        assert wrong.says in told
        assert told == sentence_of_a_check(page, CHECK)


def sentence_of_a_check(page: LabPage, index: int) -> str:
    told = run(page, index)
    assert "Traceback" not in told
    return told


def kernels(page: LabPage) -> None:
    """A kernel restarted half-way, a live cell interrupted, a reset; nothing stays behind."""
    idle = len(page.server.processes())
    page.restart_kernel()
    assert "name 'lab' is not defined" in sentence(page, CHECK)
    for index in (FIRST, SCENARIO):
        run(page, index)
    page.begin_cell(LIVE)
    until("workers run", lambda: len(page.server.processes()) > idle)
    page.command("notebook:interrupt-kernel")
    until("it is ended", lambda: not page.is_busy())
    assert "interrupted: what ran in this cell is ended" in said(page, LIVE)
    until("no worker is left", lambda: len(page.server.processes()) <= idle)
    assert "lab 03 is as new" in sentence(page, MODEL, "lab.reset()")
    assert sentence(page, MODEL, CELLS[MODEL].body) != ""
    right: Lesson = LAB
    type_into(page, GUESS, next(c for c in right.notebook("solution") if c.says("name") == "guess").body)  # fmt: skip
    for index in (GUESS, LIVE):
        run(page, index)
    assert sentence_of_a_check(page, CHECK).startswith("✓ right")
