"""The board in a real JupyterLab fits its place; ``test_twelve_features`` has what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.browser.notebooks import written
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
    lab = opened(written(tmp_path / "board.ipynb", _CELL))
    lab.run_cell(0)
    assert lab.errors() == []
    until("the board is drawn", lambda: lab.worker("worker2")[0] == "killed")
    return lab


def colours(lab: LabPage) -> str:
    """Return text and background of the board."""
    style = "e => { const s = getComputedStyle(e); return s.color + s.backgroundColor; }"
    return str(lab.page.locator(".sb-board").last.evaluate(style))


def test_it_follows_the_theme_and_the_width(lab_page: LabPage) -> None:
    """Law: dark is not light, and nothing is wider than the place there is, down to 600 px."""
    lab = lab_page
    lab.theme("Light")
    light = colours(lab)
    lab.shot("board-light")
    lab.theme("Dark")
    until("it is dark", lambda: colours(lab) != light)
    lab.shot("board-dark")
    lab.page.set_viewport_size({"width": 600, "height": 1000})
    board = lab.page.locator(".sb-board").last
    until("it is narrow", lambda: board.get_attribute("data-width") != "wide")
    assert board.evaluate("e => e.scrollWidth <= e.clientWidth")
    lab.shot("board-narrow")
    lab.theme("Light")
    until("it is light again", lambda: colours(lab) == light)
    lab.assert_clean()
