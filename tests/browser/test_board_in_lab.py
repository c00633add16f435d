"""The board in a real JupyterLab: plays, steps, scrubs, tells a message's history, fits its place."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_CELL = """
from sandbox import lab
board = lab.board(lab.model(lab.system("leadlawk").scenario), at_s=1.0)
board
"""


@pytest.fixture
def lab_page(opened: Opened, tmp_path: Path) -> LabPage:
    """Return a notebook with LeadLawk's night in the model, one second after its start."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.cells = [nbformat.v4.new_code_cell(_CELL.strip())]
    nbformat.write(book, tmp_path / "board.ipynb")
    lab = opened(tmp_path / "board.ipynb")
    lab.run_cell(0)
    assert lab.errors() == []
    until("the board is drawn", lambda: lab.worker("worker2")[0] == "killed")
    return lab


def clock(lab: LabPage) -> float:
    """Return the moment that the board shows, in seconds."""
    return float(lab.state("time").inner_text().removesuffix(" s"))


def colours(lab: LabPage) -> str:
    """Return text and background of the board."""
    style = "e => { const s = getComputedStyle(e); return s.color + s.backgroundColor; }"
    return str(lab.page.locator(".sb-board").last.evaluate(style))


def test_a_replay_is_driven_by_buttons_keys_and_slider(lab_page: LabPage) -> None:
    """Features 2, 4, 5, 11 and 12: places apart, clocks, replay, harms counted, assumptions."""
    lab = lab_page
    assert (lab.number("waiting"), lab.number("lost"), lab.number("duplicated")) == (4, 0, 0)
    assert lab.number("unacked") > lab.number("running")
    at = clock(lab)
    lab.press("One event on")
    until("one event later", lambda: clock(lab) >= at)
    stage = lab.page.locator(".sb-stage").last
    stage.focus()
    stage.press("Home")
    until("the beginning", lambda: clock(lab) == 0 and lab.number("unacked") == 0)
    stage.press("End")
    until("the end", lambda: lab.number("done") == 212)
    assert lab.number("redelivered") == 5
    lab.page.get_by_label("Time", exact=True).last.fill("7")
    until("scrubbed", lambda: clock(lab) == 7 and lab.number("waiting") == 4)
    lab.page.get_by_label("Speed").last.select_option("16")
    stage.press(" ")
    until("it plays to the end", lambda: lab.number("done") == 212)
    until("and stops there", lambda: lab.page.get_by_role("button", name="Play").count() == 1)
    lab.page.get_by_text("Assumptions").click()
    assert "Visibility timeout 3600 s" in lab.page.locator(".sb-assumptions").inner_text()
    lab.assert_clean()


def test_a_message_tells_its_history(lab_page: LabPage) -> None:
    """Features 1 and 9: a message keeps its number, counts its deliveries and tells its way."""
    lab = lab_page
    box = lab.page.locator('[data-area="limbo"]').last.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + 14, box["y"] + 13)
    tip = lab.page.locator(".sb-tip").last
    until("its history", tip.is_visible)
    words = tip.inner_text()
    assert "browser_automation_task/" in words
    assert "started on worker2" in words
    assert "worker2 died while it ran this" in words
    assert "due in 59:59 min" in words
    task = str(tip.get_attribute("data-task"))
    lab.shot("board-history")
    lab.page.mouse.click(box["x"] + 14, box["y"] + 13)
    stage = lab.page.locator(".sb-stage").last
    stage.focus()
    stage.press("End")
    until("the same message at the end", lambda: "2: done" in tip.inner_text())
    assert tip.get_attribute("data-task") == task
    stage.press("Escape")
    lab.page.mouse.move(1, 1)
    until("it is gone", lambda: not tip.is_visible())
    stage.press("ArrowDown")
    until("chosen by key", tip.is_visible)
    lab.assert_clean()


def test_it_follows_the_theme_and_the_width(lab_page: LabPage) -> None:
    """Law: dark is not light, and nothing is wider than the place there is, down to 600 px."""
    lab = lab_page
    light = colours(lab)
    lab.shot("board-light")
    name = "JupyterLab Dark"
    lab.page.evaluate("t => jupyterapp.commands.execute('apputils:change-theme', {theme: t})", name)
    until("it is dark", lambda: colours(lab) != light)
    lab.shot("board-dark")
    lab.page.set_viewport_size({"width": 600, "height": 1000})
    board = lab.page.locator(".sb-board").last
    until("it is narrow", lambda: board.get_attribute("data-width") != "wide")
    assert board.evaluate("e => e.scrollWidth <= e.clientWidth")
    lab.shot("board-narrow")
    name = "JupyterLab Light"
    lab.page.evaluate("t => jupyterapp.commands.execute('apputils:change-theme', {theme: t})", name)
    until("it is light again", lambda: colours(lab) == light)
    lab.assert_clean()
