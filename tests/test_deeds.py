"""What was done by hand, as a scenario: that loads, and that the model replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import workbench
from sandbox.engines import VERBS
from sandbox.engines.model import start
from sandbox.faults import At, OnEvent
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.schedules import SCHEDULES
from sandbox.widgets.deeds import Deed, as_scenario, since_start

pytest.importorskip("ipywidgets")

from sandbox.widgets import Panel
from tests.waiting import until


def scenario(**changes: object) -> Scenario:
    """Return two workers that are given one late-acked task type by hand only."""
    settings: dict[str, object] = {
        "name": "by-hand",
        "tasks": [{"name": "slow", "acks_late": True,
                   "service": {"kind": "deterministic", "value_s": 0.5}}],
        "workers": [{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 1}],
        "dependencies": [{"name": "db"}],
        "horizon_s": 20.0,
    }  # fmt: skip
    return Scenario(**(settings | changes))


def at(t_s: float, verb: str, **arguments: object) -> Deed:
    """Return a deed at a time."""
    return Deed(At(at_s=t_s), verb, arguments)


_ONE_OF_EACH = [
    at(0.1, "submit", task="slow", n=3),
    at(0.3, "kill_child", worker="worker1"),
    at(0.4, "kill_worker", worker="worker1"),
    at(0.5, "start_worker", worker="worker1"),
    at(0.6, "terminate_worker", worker="worker2"),
    at(0.7, "rate_limit", task="slow", rate="5/s"),
    at(0.8, "skip", seconds=3600.0),
    at(0.9, "latency", delay_s=0.1),
    at(1.2, "latency", delay_s=0.0),
    at(1.3, "cut_off", worker="worker1"),
    at(1.8, "mend_link", worker="worker1"),
    at(2.0, "pause_broker"),
    at(2.5, "resume_broker"),
    at(3.0, "stop_broker"),
    at(3.5, "start_broker"),
    at(4.0, "fail_dependency", dependency="db", for_s=1.0),
    at(4.1, "slow_dependency", dependency="db", factor=2.0),
    at(5.0, "pause_worker", worker="worker1"),
    at(5.5, "resume_worker", worker="worker1"),
    at(6.0, "drop_connections"),
    at(7.0, "deploy", grace_s=10.0),
    at(8.0, "quit_worker", worker="worker1"),
]


def test_each_deed_of_the_panel_has_its_place() -> None:
    """Law: what a button does is a fault or a load of the scenario, which JSON keeps."""
    again, left_out = as_scenario(scenario(), _ONE_OF_EACH)
    assert left_out == []
    assert Scenario.from_json(again.to_json()) == again
    ends = {"latency", "mend_link", "resume_broker", "submit"}
    verbs = [deed.verb for deed in _ONE_OF_EACH if deed.verb not in ends]
    assert [f.kind for f in again.faults if f.kind != "latency"] == verbs
    assert {deed.verb for deed in _ONE_OF_EACH} <= set(VERBS)


def test_what_another_deed_ends_lasts_as_long() -> None:
    """Law: the time between a deed and the one that ends it is the fault's for_s."""
    again, _ = as_scenario(scenario(), _ONE_OF_EACH)
    found = {f.kind: f.model_dump().get("for_s") for f in again.faults}
    assert (found["latency"], found["cut_off"], found["pause_broker"]) == (0.3, 0.5, 0.5)


def test_a_trigger_on_an_event_is_named_as_left_out() -> None:
    """No load waits for an event: the reader is told."""
    deed = Deed(OnEvent(event="started"), "submit", {"task": "slow", "n": 1})
    again, left_out = as_scenario(scenario(), [deed])
    assert again == scenario()
    assert left_out == ["started 1: submit('slow', 1)"]


def test_an_event_is_counted_from_the_start() -> None:
    """Law: an order counts what follows it, a fault the whole run; so the first adds what was."""
    burst = {"kind": "burst", "task": "slow", "n": 4}
    with start(scenario(loads=[burst])) as session:
        session.advance(0.6)
        n = sum(event.kind == "started" for event in session.events_since(0))
        assert n > 0
        moment = since_start(OnEvent(event="started", nth=2), session)
        assert moment == OnEvent(event="started", nth=n + 2)
        assert since_start(None, session) == At(at_s=0.6)


def pressed(panel: Panel, name: str) -> None:
    """Press a button."""
    panel._inputs.buttons[name].click()


def test_done_by_hand_and_done_again_in_the_model(tmp_path: Path) -> None:
    """Law: the copied scenario does the same again: the same verbs at the same times."""
    with start(scenario()) as session:
        panel = Panel(session)
        pressed(panel, "Trigger 10")
        until("it is published", lambda: len(panel.diary.lines) == 1)
        session.advance(0.3)
        panel._inputs.fields["worker"].value = "worker2"
        pressed(panel, "Kill worker")
        until("it is killed", lambda: len(panel.diary.lines) == 2)
        panel._inputs.fields["when"].value = "on succeeded"
        pressed(panel, "Skip")
        until("it is ordered", lambda: len(panel.diary.lines) == 3)
        session.wait()
        panel._inputs.fields["folder"].value = str(tmp_path / "saved")
        pressed(panel, "Save run")
        until("it is saved", (tmp_path / "saved" / "run.json").exists)
        pressed(panel, "Replay")
        assert len(panel._replay.children) == 1
    first = session.close()
    assert Run.load(tmp_path / "saved").scenario == first.scenario
    second = workbench.run(Scenario.from_json(panel.diary.scenario), engine="model")
    for run in (first, second):
        controls = [e for e in run.of_kind("control") if e.detail and e.detail["verb"] != "submit"]
        first_done = next(event for event in controls)
        assert (first_done.t_s, (first_done.detail or {})["verb"]) == (0.3, "kill_worker")
        assert len(run.of_kind("skipped")) == 1
        assert len(run.of_kind("restored")) > 0
        assert len({e.task for e in run.of_kind("succeeded")}) == 10


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_each_schedule_is_one_click(name: str) -> None:
    """Law: one click orders all that the schedule does, and the copied scenario has it."""
    with start(scenario(loads=[{"kind": "burst", "task": "slow", "n": 20}])) as session:
        panel = Panel(session)
        pressed(panel, name.replace("-", " ").capitalize())
        until("it is told", lambda: panel.board.log and panel.board.log[-1].endswith("done"))
        session.wait()
    again = Scenario.from_json(panel.diary.scenario)
    assert {fault.kind for fault in again.faults} <= {
        "kill_child" if f.inner.kind == "maybe" else f.inner.kind
        for f in SCHEDULES[name](session.scenario, 0.2)
    } | {"start_worker", "start_broker", "resume_worker"}
    run = workbench.run(again, engine="model")
    assert run.of_kind("control") != []
    assert not any((e.detail or {}).get("error") for e in run.of_kind("control"))
