"""Every control of the panel on real workers, in a real JupyterLab, seen in the event log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.browser.conftest import Opened
from tests.browser.lab_harness import LabPage
from tests.browser.notebooks import written
from tests.conftest import real_redis
from tests.waiting import comes_true, until

pytestmark = [
    pytest.mark.browser, pytest.mark.live, pytest.mark.redis, pytest.mark.timeout(400),
]  # fmt: skip

_LONG_S = 60.0
_START = """
from sandbox import lab
scenario = lab.Scenario(
    name="all-controls",
    tasks=[
        lab.TaskType(name="slow", service=lab.Deterministic(value_s=1.0), acks_late=True,
                     reject_on_worker_lost=True),
        lab.TaskType(name="quick", service=lab.Deterministic(value_s=0.05)),
    ],
    workers=[
        lab.WorkerPool(n_workers=2, concurrency=2, prefetch_multiplier=1),
        lab.WorkerPool(name="soft", prefetch_multiplier=1, soft_shutdown_timeout_s=1.0),
    ],
    broker={"persistence": "aof"},
    dependencies=[{"name": "db"}],
    beat=[{"name": "rare", "task": "quick", "every_s": 3000.0}],
    horizon_s=3600.0,
)
session = lab.start(scenario)
panel = lab.panel(session)
panel
"""


class Log:
    """What the processes of the newest system have written down: not what the picture shows."""

    def __init__(self, root: Path) -> None:
        self.raw = max(root.glob("runs/*/raw"), key=lambda path: path.stat().st_mtime)

    def lines(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Return the lines of a kind, in order; ``wanted`` are fields, or parts of its detail."""
        found = []
        for path in self.raw.glob("*.jsonl"):
            whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
            found += [json.loads(line) for line in whole.splitlines() if f'"{kind}"' in line]
        return sorted(
            (
                line
                for line in found
                if line["kind"] == kind
                and all((line.get("detail") or {}).get(k, line.get(k)) == v
                        for k, v in wanted.items())
            ),
            key=lambda line: float(line["t"]),
        )  # fmt: skip

    def count(self, kind: str, **wanted: Any) -> int:
        """Return how many lines there are of a kind."""
        return len(self.lines(kind, **wanted))

    def pid(self, worker: str) -> int:
        """Return the process id of a worker's newest main process."""
        return int(self.lines("worker_ready", worker=worker)[-1]["detail"]["pid"])


class Hands:
    """Presses the newest panel's controls, and waits for what the log says of it."""

    def __init__(self, lab: LabPage) -> None:
        self.lab, self.log = lab, Log(lab.server.root)
        self.pressed: set[str] = set()

    def set(self, **values: str) -> None:
        """Choose from lists and fill in fields, by their labels with ``_`` for a space."""
        for name, value in values.items():
            field = self.lab.page.get_by_label(_LABELS.get(name, name), exact=True).last
            if field.evaluate("node => node.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
                field.press("Tab")

    def press(self, button: str, verb: str = "", **detail: Any) -> dict[str, Any]:
        """Press a button, wait until its verb is in the log, and return that line."""
        verb = verb or button.lower().replace(" ", "_")
        n = self.log.count("control", verb=verb)
        self.lab.press(button)
        self.pressed.add(button)
        until(f"{button} is done", lambda: self.log.count("control", verb=verb) > n, _LONG_S)
        line = self.log.lines("control", verb=verb)[-1]
        assert "error" not in line["detail"], line
        assert {name: line["detail"].get(name) for name in detail} == detail
        return line

    def see(self, kind: str, n: int = 1, **wanted: Any) -> None:
        """Wait until there are so many lines of a kind."""
        until(f"{n} {kind} {wanted}", lambda: self.log.count(kind, **wanted) >= n, _LONG_S)

    def trigger(self, button: str, n: int) -> None:
        """Trigger tasks; returns once they are published."""
        before = self.log.count("published")
        self.lab.press(button)
        self.pressed.add(button)
        self.see("published", before + n)

    def done(self) -> int:
        """Return how many different tasks have succeeded."""
        return len({line["task"] for line in self.log.lines("succeeded")})

    def start(self, worker: str) -> None:
        """Start a worker that has ended."""
        n = self.log.count("worker_ready", worker=worker)
        self.press("Start worker")
        self.see("worker_ready", n + 1, worker=worker)


_LABELS = {
    "task": "Task type", "many": "How many", "rate": "Rate limit", "worker": "Worker",
    "slot": "Slot", "when": "When", "delay": "Delay (s)", "bytes": "Bytes/s", "link": "Link",
    "clock": "Clock ahead (s)", "seconds": "Seconds", "time": "Time, or s after",
    "outage": "Outage (s)", "grace": "Grace (s)",
}  # fmt: skip


@pytest.fixture
def hands(opened: Opened, tmp_path: Path) -> Hands:
    """Return the panel of a running system in a notebook of one cell."""
    real_redis()
    lab = opened(written(tmp_path / "controls.ipynb", _START))
    lab.run_cell(0)
    assert lab.errors() == []
    until("the board is drawn", lambda: lab.worker("soft1")[0] == "up", _LONG_S)
    return Hands(lab)


def test_every_control_acts_on_real_workers(hands: Hands) -> None:
    """Law: each button of the panel, pressed once, has its effect; the log says which."""
    for group in (tasks, children, lives, links, brokers, memory, dependencies, schedules, saved):
        group(hands)
    buttons = hands.lab.page.locator(".sb-panel .jupyter-button").all_inner_texts()
    assert {name for name in buttons if name} - hands.pressed == set()
    again = Scenario.from_json(_as_scenario(hands.lab))
    kinds = {fault.kind for fault in again.faults}
    assert {"kill_child", "bandwidth", "skew", "half_open", "flush", "maxmemory", "sweep"} <= kinds
    groups = hands.lab.page.locator(".sb-group").first
    groups.scroll_into_view_if_needed()
    hands.lab.shot("panel-groups")
    hands.lab.assert_clean()


def _as_scenario(lab: LabPage) -> str:
    lab.press("Show scenario")
    text: str = lab.page.get_by_label("The scenario, as JSON").last.input_value()
    return text


def tasks(hands: Hands) -> None:
    """One, ten, many; a limit holds them and is lifted."""
    hands.set(task="quick", many="25")
    hands.trigger("Trigger 1", 1)
    hands.trigger("Trigger 10", 10)
    hands.trigger("Trigger many", 25)
    hands.see("succeeded", 36)
    hands.set(rate="6/m")
    hands.press("Set rate limit", "rate_limit", rate="6/m")
    hands.trigger("Trigger 10", 10)
    hands.see("rate_held")
    hands.set(rate="")
    hands.press("Set rate limit", "rate_limit", rate=None)
    hands.see("succeeded", 46)


def children(hands: Hands) -> None:
    """The child of the slot that was clicked on the board dies, and no other."""
    _click(hands, "Choose slot 1 of worker1", "Slot", "slot 1")
    hands.set(task="slow")
    hands.trigger("Trigger 10", 10)
    hands.see("started", worker="worker1", slot=1)
    killed = hands.press("Kill child", slot=1)["detail"]
    runs = hands.log.lines("started", worker="worker1", slot=1)
    assert killed["task"] in {None, *(line["task"] for line in runs)}
    if killed["task"] is not None:
        hands.see("child_lost", task=killed["task"])
    hands.press("Out of memory", "child_oom", slot=1, n=1)
    n = hands.log.count("child_lost")
    hands.trigger("Trigger 10", 10)
    hands.see("child_lost", n + 1, worker="worker1")


def _click(hands: Hands, name: str, label: str, value: str, key: str = "") -> None:
    """Click on a part of the board, or press a key there, until the panel's field follows."""
    node = hands.lab.page.get_by_role("button", name=name, exact=True).last

    def follows() -> bool:
        # A click on a message is for the message: it may just be passing.
        _ = node.press(key) if key else node.click(position={"x": 60, "y": 4})
        return comes_true(lambda: _value(hands, label) == value, 5.0)

    until(f"{label} is {value}", follows, _LONG_S)


def _value(hands: Hands, label: str) -> str:
    return hands.lab.page.get_by_label(label, exact=True).last.input_value()


def lives(hands: Hands) -> None:
    """Killed now, on an event and at a time; stopped warm, cold and soft; paused and resumed."""
    log = hands.log
    _click(hands, "Choose worker2", "Worker", "worker2", key="Enter")
    until("the picture goes on", lambda: hands.lab.number("done") == hands.done(), _LONG_S)
    hands.press("Pause worker")
    main = psutil.Process(log.pid("worker2"))
    until("it stands still", lambda: main.status() == psutil.STATUS_STOPPED)
    hands.press("Resume worker")
    until("it goes on", lambda: main.status() != psutil.STATUS_STOPPED)
    hands.set(when="on started")
    hands.lab.press("Kill worker")
    hands.set(when="now")
    hands.trigger("Trigger 1", 1)
    hands.see("worker_exited", 1, worker="worker2", signal=9)
    hands.start("worker2")
    hands.set(when="at a time", time="1")
    hands.press("Kill worker")
    hands.set(when="now")
    hands.see("worker_exited", 2, worker="worker2", signal=9)
    hands.start("worker2")
    for n, button in ((3, "Warm stop"), (4, "Cold stop")):
        hands.press(button, {"Warm stop": "terminate_worker"}.get(button, "quit_worker"))
        hands.see("worker_exited", n, worker="worker2")
        hands.start("worker2")
    hands.set(worker="soft1")
    hands.press("Soft stop", "quit_worker")
    hands.see("worker_exited", worker="soft1")
    hands.start("soft1")


def links(hands: Hands) -> None:
    """A worker is cut off and mended, has a wrong clock, a slow and a narrow link, a dead one."""
    hands.set(worker="worker2")
    n = hands.log.count("disconnected", worker="worker2")
    hands.press("Cut off")
    hands.see("disconnected", n + 1, worker="worker2")
    hands.press("Mend link")
    hands.set(clock="5", link="of the worker", delay="0.05", bytes="100000")
    hands.press("Set clock", "skew", offset_s=5.0)
    hands.press("Set latency", "latency", delay_s=0.05)
    assert hands.press("Set bandwidth", "bandwidth", bytes_per_s=1e5)["worker"] == "worker2"
    hands.set(clock="0", delay="0", bytes="0")
    hands.press("Set clock", "skew", offset_s=0.0)
    hands.press("Set latency", "latency", delay_s=0.0)
    hands.press("Set bandwidth", "bandwidth", bytes_per_s=None)
    hands.press("Half open")
    hands.press("Kill worker")
    hands.start("worker2")


def brokers(hands: Hands) -> None:
    """Off with its data and without, paused, every connection cut."""
    log = hands.log
    n = log.count("disconnected")
    hands.press("Drop connections")
    hands.see("disconnected", n + 1)
    hands.press("Pause broker")
    hands.press("Resume broker")
    hands.press("Broker off, data kept", "stop_broker")
    hands.see("broker_stopped", keeps=True)
    hands.press("Broker on", "start_broker")
    hands.press("Broker off, data lost", "stop_broker")
    hands.see("broker_flushed")
    hands.see("broker_stopped", 2)
    hands.press("Broker on", "start_broker")
    n = log.count("succeeded")
    hands.set(task="quick")
    hands.trigger("Trigger 1", 1)
    hands.see("succeeded", n + 1)


def memory(hands: Hands) -> None:
    """Emptied, evicted, full and free again; messages aged, swept, and a mutex left behind."""
    n = hands.log.count("broker_flushed")
    hands.press("Flush")
    hands.see("broker_flushed", n + 1)
    hands.press("Evict")
    hands.press("Fill memory")
    unknown = hands.log.count("publish_unknown")
    hands.lab.press("Trigger 1")
    hands.see("publish_unknown", unknown + 1)
    hands.press("Free memory")
    hands.set(seconds="3600")
    hands.press("Skip", seconds=3600.0)
    hands.see("skipped")
    n = hands.log.count("sweep")
    hands.press("Sweep", visibility_timeout_s=3600.0)
    hands.see("sweep", n + 1)
    hands.set(seconds="1")
    hands.press("Plant mutex", expires_s=1.0)


def dependencies(hands: Hands) -> None:
    """Down for a while, and slow."""
    hands.set(outage="0.5")
    hands.press("Fail dependency", for_s=0.5)
    hands.see("dependency_down")
    hands.see("dependency_up")
    hands.press("Slow dependency", factor=3.0)


def schedules(hands: Hands) -> None:
    """A deployment, a second beat, and each named schedule with one click."""
    hands.set(grace="5")
    n = hands.log.count("worker_exited")
    hands.press("Deploy", grace_s=5.0)
    hands.see("worker_exited", n + 3)
    hands.press("Second beat", "start_beat")
    lab = hands.lab
    lines = lab.page.locator(".sb-diary").last.locator("li")
    for name in ("Friday deploy", "Zone outage", "Noisy neighbour", "Bad night"):
        before = lines.count()
        lab.press(name)
        hands.pressed.add(name)
        until(f"{name} has begun", lambda n=before: lines.count() > n, _LONG_S)


def saved(hands: Hands) -> None:
    """The run so far is a stored run, which plays below."""
    lab = hands.lab
    lab.press("Save run")
    folder = lab.server.root / "saved" / "all-controls"
    until("it is saved", (folder / "run.json").exists)
    assert Run.load(folder).of_kind("control") != []
    boards = lab.page.locator(".sb-board").count()
    lab.press("Replay")
    until("a second board", lambda: lab.page.locator(".sb-board").count() == boards + 1)
    lab.press("Export page")
    page = folder.with_suffix(".html")
    until("it is exported", lambda: page.exists() and "</html>" in page.read_text("utf-8"))
    hands.pressed |= {"Save run", "Replay", "Export page"}
