"""The twelve features of the best interactive pictures of queues, one test each, as a viewer sees them.

Features 1 to 4, 10 and 11 on real workers; the others on recorded runs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.browser.notebooks import area, clock, hover, task_told, written
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(180)]

_START = """
from sandbox import lab
session = lab.start(lab.Scenario(
    name="twelve",
    tasks=[
        lab.TaskType(name="late", service=lab.Deterministic(value_s=3.0), acks_late=True),
        lab.TaskType(name="early", service=lab.Deterministic(value_s=60.0)),
    ],
    workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=2)],
    horizon_s=3600.0,
))
"""
_PANEL = "panel = lab.panel(session)\npanel"
_DIED = "print([e.worker for e in session.events_since(0) if e.kind == 'worker_exited'])"

_NIGHT = """
from sandbox import lab
night = lab.model(lab.load("leadlawk"))
"""
_BOARD = "board = lab.board(night, at_s=1.0)\nboard"
_BESIDE = """
three = night.scenario.but(workers=[pool.but(n_workers=3) for pool in night.scenario.workers])
boards = lab.boards(night, three, names=("two workers", "three workers"), at_s=5.0)
boards
"""
_SCENARIOS = "scenarios = lab.scenarios()\nscenarios"
_SHARED = "print(lab.export_html(night, 'shared/night.html').absolute())"


@pytest.fixture(scope="module")
def live_page(kept: Opened, tmp_path_factory: pytest.TempPathFactory) -> LabPage:
    """Return the notebook with a panel on real workers."""
    file = tmp_path_factory.mktemp("live") / "live.ipynb"
    return kept(written(file, _START, _PANEL, _DIED))


@pytest.fixture
def live(live_page: LabPage) -> LabPage:
    """Return that notebook with a fresh system and panel: two workers that hold two each."""
    live_page.page.bring_to_front()
    live_page.run_cell(0)
    live_page.run_cell(1)
    assert live_page.errors() == []
    until("the board is drawn", lambda: live_page.worker("worker2") == ("up", 0))
    until("it is a new one", lambda: live_page.number("done") == 0)
    return live_page


@pytest.fixture(scope="module")
def recorded_page(kept: Opened, tmp_path_factory: pytest.TempPathFactory) -> LabPage:
    """Return the notebook with LeadLawk's night, run in the model."""
    file = tmp_path_factory.mktemp("recorded") / "recorded.ipynb"
    lab = kept(written(file, _NIGHT, _BOARD, _BESIDE, _SCENARIOS, _SHARED))
    lab.run_cell(0)
    return lab


def showing(lab: LabPage, cell: int) -> LabPage:
    """Run a cell and clear all others' outputs, so that its picture is the newest."""
    lab.page.bring_to_front()
    lab.command("notebook:clear-all-cell-outputs")
    lab.run_cell(cell)
    assert lab.errors() == []
    until("the picture is drawn", lambda: lab.page.locator(".sb-board .sb-dots").count() > 0)
    return lab


def kill_the_busy_one(lab: LabPage) -> str:
    """Kill the only worker that runs something; return the other one."""
    until("one is busy", lambda: any(lab.worker(f"worker{i}")[1] for i in (1, 2)))
    busy, other = sorted(("worker1", "worker2"), key=lambda name: -lab.worker(name)[1])
    lab.choose("Worker", busy)
    lab.press("Kill worker")
    until("it is killed", lambda: lab.worker(busy) == ("killed", 0))
    return other


def due_s(words: str) -> float:
    """Return the seconds that a message in the limbo has left, as its history tells."""
    found = re.search(r"due in (?:(\d+):(\d\d) min|([\d.]+) s)", words)
    assert found, words
    minutes, seconds, few = found.groups()
    return float(few) if few else 60 * int(minutes) + int(seconds)


# --- on real workers ------------------------------------------------------------------------------


def test_01_a_message_keeps_its_identity_and_counts_its_attempts(live: LabPage) -> None:
    """Feature 1: after its worker's death the same message runs elsewhere as its 2nd delivery."""
    live.press("Trigger 1")
    other = kill_the_busy_one(live)
    assert "delivery 1:" in hover(live, "limbo")
    task = task_told(live)
    live.press("Skip")
    until("it runs again", lambda: live.worker(other) == ("up", 1))
    words = hover(live, f"slot:{other}:0", first=False)
    assert task_told(live) == task
    assert "delivery 2: running on" in words


def test_02_reserved_running_and_unacked_are_apart(live: LabPage) -> None:
    """Feature 2: queued, prefetched, running and ownerless messages have places of their own."""
    live.fill("How many", "6")
    live.press("Trigger many")
    until("two run", lambda: live.number("running") == 2)
    until("two are prefetched", lambda: live.number("reserved") == 2)
    assert (live.number("queue:celery"), live.number("unacked"), live.number("waiting")) == (
        2,
        4,
        0,
    )
    live.choose("Worker", "worker2")
    live.press("Kill worker")
    until("what it held has no owner", lambda: live.number("waiting") == 2)
    assert live.number("running") + live.number("reserved") == 2
    names = ("queue:celery:0", "reserved:worker1", "slot:worker1:0", "limbo")
    boxes = [area(live, name).bounding_box() for name in names]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a is not None
            assert b is not None
            beside = a["x"] >= b["x"] + b["width"] or b["x"] >= a["x"] + a["width"]
            assert beside or a["y"] >= b["y"] + b["height"] or b["y"] >= a["y"] + a["height"]


def test_03_a_chosen_worker_is_killed_at_a_chosen_moment(live: LabPage) -> None:
    """Feature 3: worker 2, and no other, dies as the third task starts; the moment is marked."""
    live.choose("Worker", "worker2")
    live.choose("When", "on started")
    live.fill("Nth event", "3")
    live.press("Kill worker")
    until("it is ordered", lambda: "ordered" in live.told())
    live.choose("When", "now")
    live.fill("How many", "4")
    live.press("Trigger many")
    until("two run", lambda: live.number("running") == 2)
    assert live.worker("worker2") == ("up", 1)
    until("it is killed", lambda: live.worker("worker2") == ("killed", 0))
    assert live.worker("worker1")[0] == "up"
    live.run_cell(2)
    assert live.printed(2) == "['worker2']"
    mark = live.page.get_by_role("button", name=re.compile("Go to SIGKILL worker2 at")).last
    live.press("Pause")
    mark.click()
    until("at that moment", lambda: f"at {clock(live):.1f} s" in mark.inner_text())
    assert live.worker("worker2")[0] == "up"
    for _ in range(9):
        if live.worker("worker2")[0] == "up":
            live.press("One event on")
    assert live.worker("worker2") == ("killed", 0)


def test_04_the_redelivery_clock_runs(live: LabPage) -> None:
    """Feature 4: a dead worker's message tells when it is due, skipping included; then it is back."""
    live.press("Trigger 1")
    kill_the_busy_one(live)
    first = due_s(hover(live, "limbo"))
    assert 3500 < first <= 3600
    until("it counts down", lambda: due_s(hover(live, "limbo")) < first)
    live.fill("Seconds", "3500")
    live.press("Skip")
    until("the hour is nearly over", lambda: due_s(hover(live, "limbo")) < 100)
    assert live.number("waiting") == 1
    live.press("Skip")
    until("it is delivered again", lambda: live.number("redelivered") == 1)
    assert live.number("waiting") == 0


def test_11_lost_and_ran_twice_are_counted(live: LabPage) -> None:
    """Feature 11: a message acked early is lost with its worker; one that is restored runs twice."""
    assert (live.number("lost"), live.number("duplicated")) == (0, 0)
    live.choose("Task type", "early")
    live.press("Trigger 1")
    kill_the_busy_one(live)
    until("it is lost", lambda: live.number("lost") == 1)
    assert live.page.locator(".sb-total-lost").last.inner_text() == "1 lost"
    live.press("Start worker")
    until("both are up", lambda: {live.worker(f"worker{i}")[0] for i in (1, 2)} == {"up"})
    live.choose("Task type", "late")
    live.press("Trigger 1")
    until("it runs", lambda: live.number("running") == 1)
    live.press("Skip")
    until("it runs on both", lambda: live.number("running") == 2)
    until("it ran twice", lambda: live.number("duplicated") == 1)
    assert live.page.locator(".sb-total-duplicated").last.inner_text() == "1 ran twice"


def test_10_a_recording_can_be_shared(live: LabPage, recorded_page: LabPage) -> None:
    """Feature 10: one press writes a page that shows the same run with no kernel or network."""
    live.press("Trigger 1")
    until("it is done", lambda: live.number("done") == 1)
    live.press("Export page")
    until("it is written", lambda: "written: saved/twelve.html" in live.told())
    shared = live.page.context.new_page()
    shared.goto((live.server.root / "saved/twelve.html").as_uri())
    until("it is shown", lambda: shared.evaluate("document.body.dataset.state") == "ready")
    assert "a run of real workers" in shared.locator("#board").inner_text()
    shared.get_by_role("button", name="To the end").first.click()
    done = shared.locator('#board [data-id="done"]')
    until("one is done", lambda: done.get_attribute("data-n") == "1")
    recorded_page.run_cell(4)
    shared.goto(Path(recorded_page.printed(4)).as_uri())
    until("it is shown", lambda: shared.evaluate("document.body.dataset.state") == "ready")
    shared.get_by_role("button", name="To the end").first.click()
    until("212 are done", lambda: done.get_attribute("data-n") == "212")
    shared.close()


# --- on recorded runs -----------------------------------------------------------------------------


def test_05_pause_step_scrub_speed(recorded_page: LabPage) -> None:
    """Feature 5: a recorded run is paused, stepped by one event, scrubbed and sped up."""
    lab = showing(recorded_page, 1)
    at = clock(lab)
    lab.press("One event on")
    until("one event later", lambda: clock(lab) >= at)
    stage = lab.page.locator(".sb-stage").last
    stage.press("Home")
    until("the beginning", lambda: clock(lab) == 0 and lab.number("unacked") == 0)
    stage.press("End")
    until("the end", lambda: lab.number("done") == 212)
    lab.page.get_by_label("Time", exact=True).last.fill("7")
    until("scrubbed", lambda: clock(lab) == 7 and lab.number("waiting") == 4)
    stage.press(" ")
    until("it plays", lambda: clock(lab) > 7)
    lab.press("Pause")
    paused = clock(lab)
    assert lab.page.get_by_role("button", name="Play", exact=True).count() == 1
    lab.press("One event back")
    assert clock(lab) <= paused
    lab.page.get_by_label("Speed").last.select_option("16")
    stage.press(" ")
    until("it plays to the end", lambda: lab.number("done") == 212)
    until("and stops there", lambda: lab.page.get_by_role("button", name="Play").count() == 1)


def test_06_named_scenarios_at_one_click(recorded_page: LabPage) -> None:
    """Feature 6: a press shows a system's named scenario; another runs it on real workers."""
    lab = showing(recorded_page, 3)
    name = lab.page.locator(".sb-scenario").last
    assert name.inner_text() == "leadlawk"
    lab.press("x5")
    until("it is shown at once", lambda: name.inner_text() == "leadlawk-x5")
    assert lab.state("worker:worker5").is_visible()
    lab.choose("Faults", "zone-outage")
    mark = lab.page.get_by_role("button", name=re.compile("Go to .*SIGKILL worker4"))
    until("the schedule is in it", lambda: mark.count() == 1)
    lab.choose("Faults", "its own")
    lab.press("as-written")
    until("it is shown at once", lambda: name.inner_text() == "leadlawk-as-written")
    lab.press("Run on real workers")
    source = lab.page.locator(".sb-source-of").get_by_text("real workers")
    until("they stand beside it", lambda: source.count() >= 1, 30)
    until("both under one player", lambda: lab.page.locator("[data-run='1']").count() == 1, 60)
    told = lab.page.locator(".sb-told").last.inner_text()
    assert "nothing in the description" in told
    lab.shot("scenarios")


def test_07_two_configurations_side_by_side(recorded_page: LabPage) -> None:
    """Feature 7: two boards on one seed, one player; what differs and what became of it is told."""
    lab = showing(recorded_page, 2)
    told = lab.page.locator(".sb-told").last.inner_text()
    assert "Same seed (7)" in told
    assert "workers.worker.n_workers 2 → 3" in told
    assert lab.page.get_by_role("button", name="Play", exact=True).count() == 1
    runs = [lab.page.locator(f"[data-run='{i}']") for i in (0, 1)]

    def shown(name: str) -> list[int]:
        found = [run.locator(f"[data-id='{name}']").get_attribute("data-n") for run in runs]
        return [int(n or -1) for n in found]

    until("both are at 5 s", lambda: shown("queue:browser") == [15, 0])
    lab.page.get_by_label("Time", exact=True).last.fill("2")
    until("both have moved", lambda: shown("done")[0] < 55 and shown("done")[1] < 76)
    lab.page.get_by_label("Speed").last.select_option("16")
    lab.press("Play")
    until("both play to the end", lambda: shown("done") == [212, 212])
    wait = lab.page.locator('[data-metric="mean_wait_s"] td')
    two, three = [float(cell.get_attribute("data-value") or "nan") for cell in wait.all()]
    assert three < two
    lab.shot("boards")


def test_08_depth_and_latency_in_step(recorded_page: LabPage) -> None:
    """Feature 8: below each board depth and latency have its cursor, over the axis' own moment."""
    lab = showing(recorded_page, 2)
    strips = lab.page.locator("[data-run='0'] .sb-strip-row")
    assert strips.locator("h3").all_inner_texts() == ["Queue depthmessages", "Latencys"]
    tick = strips.last.get_by_text("10 s", exact=True)

    def x(cursor: Locator) -> float:
        return float(cursor.get_attribute("x1") or "nan")

    cursors = lab.page.locator(".sb-strip-row .sb-now")
    lab.page.get_by_label("Time", exact=True).last.fill("10")
    at = float(tick.get_attribute("x") or "nan")
    until("all stand at 10 s", lambda: {round(x(c) - at) for c in cursors.all()} == {0})
    assert cursors.count() == 4
    lab.press("Play")
    until("all go on", lambda: all(x(cursor) > at + 2 for cursor in cursors.all()))
    lab.press("Pause")
    assert len({cursor.get_attribute("x1") for cursor in cursors.all()}) == 1


def test_09_hover_tells_a_messages_whole_history(recorded_page: LabPage) -> None:
    """Feature 9: all that befell a message, in order, by pointer or key, at any moment."""
    lab = showing(recorded_page, 1)
    words = hover(lab, "limbo")
    steps = (
        "published to",
        "prefetched by worker2",
        "started on worker2",
        "worker2 died",
        "due in",
    )
    assert all(step in words for step in steps)
    order = [words.index(step) for step in steps[:4]]
    assert order == sorted(order)
    task = task_told(lab)
    lab.shot("board-history")
    box = area(lab, "limbo").bounding_box()
    assert box is not None
    lab.page.mouse.click(box["x"] + 14, box["y"] + 13)
    stage = lab.page.locator(".sb-stage").last
    stage.press("End")
    tip = lab.page.locator(".sb-tip").last
    until("the same message at the end", lambda: "2: done" in tip.inner_text())
    assert task_told(lab) == task
    stage.press("Escape")
    lab.page.mouse.move(1, 1)
    until("it is gone", lambda: not tip.is_visible())
    stage.press("ArrowDown")
    until("chosen by key", tip.is_visible)


def test_12_the_assumptions_are_stated(recorded_page: LabPage) -> None:
    """Feature 12: one fold-out, closed at first, states what picture and model take for granted."""
    lab = showing(recorded_page, 1)
    stated = lab.page.locator(".sb-assumptions").last
    assert not stated.locator("li").first.is_visible()
    stated.get_by_text("Assumptions").click()
    until("it is open", stated.locator("li").first.is_visible)
    words = stated.inner_text()
    assert f"Assumptions ({stated.locator('li').count()})" in words
    for part in ("Visibility timeout 3600 s", "acks_late", "persistence", "seed 7", "Not derived"):
        assert part in words
