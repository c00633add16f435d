"""Notebook 00 as a newcomer uses it: run all cells, then play with the panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Opened
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(400)]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00-start-here.ipynb"


def test_runs_top_to_bottom_and_the_panel_works(opened: Opened) -> None:
    """No cell fails, nothing leaves the machine, and the panel goes on after the last cell."""
    lab = opened(NOTEBOOK)
    lab.shot("notebook-saved")
    lab.run_all()
    assert lab.errors() == []
    lab.state("worker:worker2").scroll_into_view_if_needed()
    until("the board shows what the cells did", lambda: lab.number("done") == 6)
    assert lab.worker("worker1") == ("killed", 0)
    lab.press("Start worker")
    until("worker 1 is up again", lambda: lab.worker("worker1")[0] == "up")
    lab.press("Trigger 10")
    until("both are busy", lambda: lab.number("running") == 2)
    lab.shot("notebook-panel")
    until("all are done", lambda: lab.number("done") == 16)
    for i, output in enumerate(lab.pictures()):
        lab.shot(f"notebook-picture-{i}", output)
    lab.assert_clean()
