"""The panel on real workers, in a real JupyterLab: each button, a busy cell, a restart."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from sandbox.scenario import Scenario
from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.browser.notebooks import written
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(180)]

_START = """
from sandbox import lab
scenario = lab.Scenario(
    name="buttons",
    tasks=[
        lab.TaskType(name="slow", service=lab.Deterministic(value_s=1.5), acks_late=True,
                     reject_on_worker_lost=True),
        lab.TaskType(name="quick", service=lab.Deterministic(value_s=0.05)),
    ],
    workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=1)],
    dependencies=[{"name": "db"}],
    horizon_s=3600.0,
)
session = lab.start(scenario)
"""
_PANEL = "panel = lab.panel(session)\npanel"
_BUSY = """
import time
session.controls.submit("quick", 4)
busy_until = time.monotonic() + 6
while time.monotonic() < busy_until:
    pass
"""
_THREADS = """
import threading
print([t.name for t in threading.enumerate()].count("sandbox-panel"))
"""


@pytest.fixture
def lab_page(opened: Opened, tmp_path: Path) -> LabPage:
    """Return a notebook whose first two cells have started a system and its panel."""
    lab = opened(written(tmp_path / "buttons.ipynb", _START, _PANEL, _BUSY, _THREADS))
    lab.run_cell(0)
    lab.run_cell(1)
    assert lab.errors() == []
    until("the board is drawn", lambda: lab.worker("worker2")[0] == "up")
    return lab


def test_each_button_does_its_verb(lab_page: LabPage) -> None:
    """Every button has its effect on the real workers; wrong orders are told in a sentence."""
    lab = lab_page
    lab.press("Trigger 1")
    until("one task runs", lambda: lab.number("running") == 1)
    until("one is done", lambda: lab.number("done") == 1)
    lab.press("Trigger 10")
    until("both workers are busy", lambda: lab.number("running") == 2)
    lab.press("Kill child")
    until("the task of the dead child came back", lambda: lab.number("redelivered") == 1)
    until("worker 1 is busy again", lambda: lab.worker("worker1") == ("up", 1))
    lab.press("Kill worker")
    until("worker 1 is killed", lambda: lab.worker("worker1") == ("killed", 0))
    until("its message waits", lambda: lab.number("waiting") == 1)
    lab.shot("panel-killed")
    lab.press("Kill worker")
    until("a sentence", lambda: "worker1 is down" in lab.told())
    lab.press("Start worker")
    until("worker 1 is up", lambda: lab.worker("worker1")[0] == "up")
    lab.press("Skip")
    until("nothing waits", lambda: lab.number("waiting") == 0)
    until("the message came back", lambda: lab.number("redelivered") >= 2)
    until("all is done", lambda: lab.number("done") == 11)
    lab.press("Warm stop")
    until("worker 1 has stopped", lambda: lab.worker("worker1")[0] == "down")
    assert lab.number("lost") == 0
    lab.shot("panel-done")
    lab.assert_clean()


def test_rate_limit_from_its_field(lab_page: LabPage) -> None:
    """A limit slows the type down, a wrong one is told in a sentence, an empty one lifts it."""
    lab = lab_page
    lab.page.get_by_label("Task type").last.select_option("quick")
    lab.page.get_by_label("Rate limit", exact=True).last.fill("5/x")
    lab.press("Set rate limit")
    until("a sentence", lambda: "a rate is a number above 0" in lab.told())
    lab.page.get_by_label("Rate limit", exact=True).last.fill("6/m")
    lab.press("Set rate limit")
    until("the limit holds", lambda: "'6/m'): done" in lab.told())
    lab.press("Trigger 10")
    # Each worker lets its first task through at once and holds the next one for 10 s.
    until("one each", lambda: lab.number("done") == 2)
    until("held ones are shown", lambda: "held" in lab.state("worker:worker1").inner_text())
    assert lab.number("done") == 2
    lab.page.get_by_label("Rate limit", exact=True).last.fill("")
    lab.press("Set rate limit")
    until("the limit is lifted", lambda: "None): done" in lab.told())
    until("all are done", lambda: lab.number("done") == 10)
    lab.assert_clean()


def test_updates_while_a_cell_is_busy(lab_page: LabPage) -> None:
    """The board follows the workers while the kernel's main thread is busy."""
    lab = lab_page
    lab.begin_cell(2)
    until("four are done", lambda: lab.number("done") == 4, 20)
    assert lab.is_busy(), "the cell was over before the board had changed"
    lab.wait_kernel()
    lab.assert_clean()


def test_a_cell_that_is_run_again_leaves_one_system(lab_page: LabPage) -> None:
    """Running start and panel again closes the old system, its panel and their threads."""
    lab = lab_page
    before = lab.server.processes()
    lab.run_cell(1)
    lab.run_cell(0)
    lab.run_cell(1)
    lab.run_cell(3)
    assert lab.printed(3) == "1"
    until("as many processes as before", lambda: len(lab.server.processes()) == len(before))
    lab.press("Trigger 1")
    until("the new panel works", lambda: lab.number("done") == 1)
    lab.assert_clean()


def test_a_kernel_restart_leaves_nothing(lab_page: LabPage) -> None:
    """After a restart all that the old kernel had started is gone, and the cells run again."""
    lab = lab_page
    kernel = lab.server.kernel()
    old = [kernel, *kernel.children(recursive=True)]
    assert len(old) >= 6, "a kernel, its supervisor, the broker, the client and two workers"
    lab.restart_kernel()
    until("the old processes are gone", lambda: not any(map(psutil.Process.is_running, old)))
    lab.run_cell(0)
    lab.run_cell(1)
    until("the new board is drawn", lambda: lab.worker("worker1")[0] == "up")
    lab.press("Trigger 1")
    until("the new panel works", lambda: lab.number("done") == 1)
    assert lab.errors() == []


def diary(lab: LabPage) -> list[str]:
    """Return what the panel says was done by hand."""
    return list(lab.page.locator(".sb-diary").last.locator("li").all_inner_texts())


def does(lab: LabPage, button: str, call: str) -> None:
    """Press a button and wait until its call stands among what was done."""
    n = sum(call in line for line in diary(lab))
    lab.press(button)
    until(f"{call} is done", lambda: sum(call in line for line in diary(lab)) == n + 1)


def test_what_was_done_is_copied_as_a_scenario(lab_page: LabPage) -> None:
    """On an event, too: what stands below the board is a scenario that can be read again."""
    lab = lab_page
    lab.fill("How many", "25")
    lab.choose("Task type", "quick")
    does(lab, "Trigger many", "submit('quick', 25)")
    until("all are done", lambda: lab.number("done") == 25)
    lab.choose("When", "on succeeded")
    does(lab, "Kill worker", "succeeded 26: kill_worker('worker1')")
    lab.choose("When", "now")
    does(lab, "Trigger 1", "submit('quick', 1)")
    until("the event killed it", lambda: lab.worker("worker1")[0] == "killed")
    lab.shot("panel-diary", lab.page.locator(".sb-diary").last)
    lab.press("Show scenario")
    text = lab.page.get_by_label("The scenario, as JSON").last.input_value()
    again = Scenario.from_json(text)
    assert [fault.kind for fault in again.faults] == ["kill_worker"]
    lab.press("Copy as scenario")
    said = lab.page.locator(".sb-diary [role=status]").last
    until("it is told", lambda: "cop" in said.inner_text().lower())
    assert lab.errors() == []


def test_a_schedule_saved_and_replayed(lab_page: LabPage) -> None:
    """One click begins a named schedule; the run is saved and played again below."""
    lab, page = lab_page, lab_page.page
    lab.press("Trigger 10")
    until("both are busy", lambda: lab.number("running") == 2)
    lab.press("Noisy neighbour")
    until("it has begun", lambda: any("pause_worker('worker1')" in line for line in diary(lab)))
    until("all is done", lambda: lab.number("done") == 10)
    lab.press("Save run")
    until("it is saved", lambda: "saved in" in lab.told())
    boards = page.locator(".sb-board").count()
    lab.press("Replay")
    until("a second board", lambda: page.locator(".sb-board").count() == boards + 1)
    lab.shot("panel-replay")
    page.locator(".jp-OutputArea").last.scroll_into_view_if_needed()
    lab.assert_clean()


def test_by_keyboard_and_in_the_dark(lab_page: LabPage) -> None:
    """Tab reaches each control, arrows and Enter work them; light and dark are both kept."""
    lab, page = lab_page, lab_page.page
    page.get_by_label("Task type", exact=True).last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until("one is triggered", lambda: len(diary(lab)) == 1)
    field = page.get_by_label("How many", exact=True).last
    field.press("ArrowUp")
    until("the key is the field's", lambda: field.input_value() == "101")
    lab.shot("panel-light")
    lab.theme("Dark")
    lab.shot("panel-dark")
    lab.theme("Light")
    lab.assert_clean()
