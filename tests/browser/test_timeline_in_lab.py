"""Timeline and curves in a real JupyterLab: on real workers, in the panel, linked, joined."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import Opened
from tests.browser.lab_harness import THEMES, LabPage
from tests.browser.notebooks import written
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

_START = """
from sandbox import lab
scenario = lab.Scenario(
    name="killed",
    tasks=[lab.TaskType(name="resize", service=lab.Deterministic(value_s=0.6), acks_late=True)],
    workers=[lab.WorkerPool(n_workers=2, concurrency=2, prefetch_multiplier=1)],
    horizon_s=3600.0,
)
session = lab.start(scenario)
"""
_PANEL = "panel = lab.panel(session)\npanel"
_ALONE = "lab.timeline(session)"
_PREDICTED = """
burst = lab.Burst(task="resize", at_s=1.0, n=10)
lab.curves(session, prediction=lab.model(scenario.but(horizon_s=30.0, loads=[burst])))
"""
_BUSY = """
import time
session.controls.submit("resize", 4)
busy_until = time.monotonic() + 8
while time.monotonic() < busy_until:
    pass
"""
_NIGHT = """
from sandbox import lab
scenario = lab.system("leadlawk").scenario
night, calm = lab.model(scenario), lab.model(scenario.but(faults=()))
board, timeline, curves = lab.board(night), lab.timeline(night), lab.curves(night)
lab.linked(board, timeline, curves)
"""
_JOINED = 'lab.timeline(lab.counterfactual(calm, night), names=("without faults", "a kill"))'
_STORED = """
import tempfile
folder = night.save(tempfile.mkdtemp() + "/night")
lab.linked(lab.board(folder), lab.timeline(folder), lab.curves(str(folder)))
"""


def newest(lab: LabPage, css: str) -> Locator:
    """Return the newest node of a kind."""
    return lab.page.locator(css).last


def unfold(lab: LabPage, words: str) -> None:
    """Open one of the panel's sections with the keyboard."""
    summary = lab.page.locator("summary", has_text=words).last
    summary.focus()
    summary.press("Enter")


def clock(lab: LabPage) -> float:
    """Return the moment that the newest board shows, in seconds."""
    return float(lab.state("time").inner_text().removesuffix(" s"))


def cursors(lab: LabPage) -> list[str | None]:
    """Return where the cursors of the timeline and the curves are, in pixels."""
    return list(lab.page.locator(".sb-now").evaluate_all("ns => ns.map(n => n.getAttribute('x1'))"))


def shot(lab: LabPage, name: str, css: str, width: int = 1280) -> None:
    """Save a picture of the newest node of a kind, in a window that shows all of it."""
    lab.page.set_viewport_size({"width": width, "height": 2400})
    until(f"nothing is cut at {width} px", lambda: fits(lab))
    newest(lab, css).scroll_into_view_if_needed()
    lab.shot(name, newest(lab, css))
    lab.page.set_viewport_size({"width": 1280, "height": 1000})


def fits(lab: LabPage) -> bool:
    """Tell whether no picture is wider than its place."""
    every = "ns => ns.every(n => n.scrollWidth <= n.clientWidth)"
    return bool(lab.page.locator(".sb-board").evaluate_all(every))


@pytest.mark.live
def test_a_kill_by_the_panel_s_button_is_seen_in_timeline_and_curves(
    opened: Opened, tmp_path: Path
) -> None:
    """Features 3, 5, 8 and 9 on real workers: killed by hand, marked, scrubbed, told."""
    lab = opened(written(tmp_path / "killed.ipynb", _START, _PANEL, _BUSY))
    page = lab.page
    lab.run_cell(0)
    lab.run_cell(1)
    until("the board is drawn", lambda: lab.worker("worker2")[0] == "up")
    assert page.locator(".sb-bar, .sb-strip-of").count() == 0, "what is folded is not made"
    lab.press("Trigger 10")
    until("all four processes are busy", lambda: lab.number("running") == 4)
    lab.press("Kill worker")
    until("worker 1 is killed", lambda: lab.worker("worker1")[0] == "killed")

    unfold(lab, "Timeline of attempts")
    unfold(lab, "Curves over time")
    until("the kill is marked", lambda: page.locator("[data-verb=kill_worker]").count() == 1)
    assert "SIGKILL worker1" in str(newest(lab, "[data-verb=kill_worker]").text_content())
    until("two were torn off", lambda: page.locator(".sb-bar[data-state=killed]").count() == 2)
    until("the rest is done", lambda: lab.number("done") == 8)
    until("and drawn", lambda: page.locator(".sb-bar[data-state=succeeded]").count() == 8)
    lab.press("Start worker")
    until("worker 1 is up", lambda: lab.worker("worker1")[0] == "up")
    lab.press("Skip")
    until("all is done", lambda: lab.number("done") == 10)
    until("the second executions", lambda: page.locator(".sb-again").count() == 2)
    depth = newest(lab, '[data-id="strip:queued"]')
    most = re.search(r"at most ([\d.]+)", str(depth.get_attribute("aria-label")))
    assert most is not None and float(most.group(1)) > 0
    shot(lab, "live-panel", ".sb-panel")

    killed = page.locator(".sb-bar[data-state=killed]").first
    task = str(killed.get_attribute("data-task"))
    killed.hover()
    until("the tip", lambda: task in newest(lab, ".sb-plot .sb-tip:visible").inner_text())
    killed.click()
    until("its chain", lambda: page.locator(".sb-link").count() == 1)
    told = newest(lab, ".sb-detail").inner_text()
    assert "worker1 died while it ran this" in told, told
    stage = newest(lab, ".sb-attempts-of")
    stage.focus()
    stage.press("ArrowDown")
    chosen = page.locator(".sb-bar.sb-chosen").first
    until("by key", lambda: chosen.get_attribute("data-task") != task)

    before = cursors(lab)
    lab.press("One event back")
    until("one cursor for all", lambda: len({*cursors(lab)} - {*before}) >= 1)
    page.get_by_label("Time", exact=True).last.fill("0.5")
    until("scrubbed", lambda: clock(lab) == 0.5)
    until("and the curves", lambda: "done 0.00" in newest(lab, ".sb-strips").inner_text())

    lab.begin_cell(2)
    until("the kernel is busy", lab.is_busy)
    page.get_by_label("Speed").last.select_option("live")
    done = page.locator(".sb-bar[data-state=succeeded]")
    until("it follows a busy kernel", lambda: done.count() == 14, 20)
    assert lab.is_busy(), "the cell was over before the timeline had changed"
    lab.wait_kernel()
    for name in THEMES:
        lab.theme(name)
        shot(lab, f"live-{name.lower()}", ".sb-panel")
    shot(lab, "live-narrow", ".sb-panel", 600)
    lab.assert_clean()


@pytest.mark.live
def test_timeline_and_curves_follow_a_session_by_themselves(opened: Opened, tmp_path: Path) -> None:
    """Law: without a board they follow too, running and finished, before a predicted range."""
    finished = "run = session.close()\nlab.timeline(session)"
    cells = (_START, _ALONE, _PREDICTED, "session.controls.submit('resize', 10)", finished)
    lab = opened(written(tmp_path / "alone.ipynb", *cells))
    for i in range(4):
        lab.run_cell(i)
    assert lab.errors() == []
    bars = lab.page.locator(".sb-bar[data-state=succeeded]")
    until("it follows", lambda: bars.count() == 10)
    assert lab.page.locator(".sb-band").count() > 0
    strips = newest(lab, ".sb-strips")
    lab.page.get_by_label("Time", exact=True).last.fill("2")
    until("it is read", lambda: "predicted" in strips.inner_text())
    shot(lab, "alone-curves", ".sb-strips")
    lab.run_cell(4)
    until("finished, it is shown whole", lambda: bars.count() == 20)
    lab.assert_clean()


def test_one_cursor_for_all_linked_pictures(opened: Opened, tmp_path: Path) -> None:
    """Law: play, pause, speed and scrub in any linked picture move all, without the kernel."""
    lab = opened(written(tmp_path / "linked.ipynb", _NIGHT, _STORED))
    page = lab.page
    lab.run_cell(0)
    until("all are drawn", lambda: page.locator(".sb-now").count() == 5)
    page.evaluate(_COUNT_MESSAGES)
    timeline = page.locator(".sb-plot").first
    timeline.get_by_label("Speed").select_option("4")
    timeline.get_by_role("button", name="Play").click()
    until("the board plays", lambda: clock(lab) > 1)
    before = cursors(lab)
    until("the curves play", lambda: cursors(lab)[-1] != before[-1])
    pauses = page.get_by_role("button", name="Pause")
    until("each can pause it", lambda: pauses.count() == 3)
    pauses.last.click()  # in the curves, whose player only follows
    until("all stand still", lambda: pauses.count() == 0)
    at = clock(lab)
    assert 1 < at < 28, "it was paused, it did not come to its end"
    page.get_by_label("Time", exact=True).first.fill("7")
    until("scrubbed", lambda: clock(lab) == 7)
    until(
        "all there", lambda: page.locator(".sb-plot .sb-clock").all_inner_texts() == ["7.00 s"] * 2
    )
    timeline.locator(".sb-bar[data-state=killed]").first.click()
    tip = page.locator(".sb-board > .sb-tip").first
    until("the board tells it too", tip.is_visible)
    assert page.evaluate("window.nMessages") <= 5, "a frame is no matter for the kernel"
    shot(lab, "linked", ".sb-linked")
    lab.run_cell(1)
    until("a stored run too", lambda: page.locator(".sb-now").count() == 10)
    assert page.get_by_text("stored run").count() >= 2
    lab.assert_clean()


_COUNT_MESSAGES = """() => {
    window.nMessages = 0;
    const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
    kernel.anyMessage.connect((_, { msg, direction }) => {
        if (direction === 'send' && msg.header.msg_type === 'comm_msg') window.nMessages += 1;
    });
}"""


def test_a_counterfactual_is_joined_and_its_differences_are_lit(
    opened: Opened, tmp_path: Path
) -> None:
    """Law: two runs, one above the other; who fares otherwise is lit, named and chosen in both."""
    lab = opened(written(tmp_path / "joined.ipynb", _NIGHT, _JOINED))
    lab.run_cell(0)
    lab.run_cell(1)
    joined = newest(lab, ".sb-plot")
    until("both are drawn", lambda: joined.locator(".sb-attempts").count() == 2)
    assert "5 done in 1 → 2 executions" in joined.inner_text()
    changes = joined.locator(".sb-change")
    assert changes.count() == 5
    lit = joined.locator(".sb-bar:not(.sb-dim)")
    tasks = {*lit.evaluate_all("ns => ns.map(n => n.dataset.task)")}
    assert tasks == {*changes.evaluate_all("ns => ns.map(n => n.dataset.task)")}
    assert lit.count() == 5 + 10
    changes.first.click()
    until("its chain in the second run", lambda: joined.locator(".sb-link").count() == 1)
    assert joined.locator(".sb-histories > div").count() == 2
    shot(lab, "counterfactual", ".sb-plot")
    lab.theme("Dark")
    shot(lab, "counterfactual-dark", ".sb-plot")
    lab.theme("Light")
    shot(lab, "counterfactual-narrow", ".sb-plot", 600)
    lab.assert_clean()
