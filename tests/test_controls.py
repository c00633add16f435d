"""The panel's controls without a browser: each verb has one, wrong or impossible ones say so."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.engines import VERBS
from sandbox.engines.model import start
from sandbox.faults import At
from sandbox.scenario import Scenario
from sandbox.widgets.deeds import Deed, as_scenario

pytest.importorskip("ipywidgets")

from sandbox.widgets import Panel
from sandbox.widgets.verbs import Verb, groups
from tests.waiting import until


def scenario(**changes: Any) -> Scenario:
    """Return two prefork workers with three slots, one of threads, a dependency and a beat."""
    settings: dict[str, Any] = {
        "name": "controlled",
        "tasks": [{"name": "slow", "acks_late": True, "reject_on_worker_lost": True,
                   "service": {"kind": "deterministic", "value_s": 1.0}}],
        "workers": [
            {"n_workers": 2, "concurrency": 3, "prefetch_multiplier": 1},
            {"name": "threads", "pool": "threads", "queues": ["other"]},
        ],
        "queues": ["celery", "other"],
        "dependencies": [{"name": "db"}],
        "beat": [{"name": "daily", "task": "slow", "every_s": 500.0}],
        "horizon_s": 600.0,
    }  # fmt: skip
    return Scenario(**(settings | changes))


def verbs_of(described: Scenario) -> list[Verb]:
    """Return every button's verb."""
    rows = (row for group in groups(described) for row in group.rows)
    return [item for row in rows for item in row if isinstance(item, Verb)]


def press(panel: Panel, name: str, call: str) -> None:
    """Press a button and wait until its call is told."""
    n = len(panel.diary.lines)
    panel._inputs.buttons[name].click()
    until(f"{call} is done", lambda: len(panel.diary.lines) > n)
    assert call in panel.diary.lines[-1]


def notes(panel: Panel) -> str:
    """Return what the groups say is not possible here."""
    return unescape(" ".join(row.children[1].children[-1].value for row in panel._inputs.rows))


# --- one place ---------------------------------------------------------------------------


def test_every_verb_of_the_controls_has_a_button() -> None:
    """Law: what the engines can do is on the panel; a verb that is added is missed here."""
    offered = {verb.verb for verb in verbs_of(scenario())}
    assert set(VERBS) - offered == set()
    assert offered - set(VERBS) == {"schedule", "save_run", "replay", "export_page"}


def test_every_button_has_a_name_of_its_own_and_says_what_it_does() -> None:
    """Law: a screen reader tells each control from every other."""
    found = verbs_of(scenario())
    assert len({verb.label for verb in found}) == len(found)
    assert all(verb.tip for verb in found)


# --- a chosen child ----------------------------------------------------------------------


def test_a_chosen_child_is_killed_and_written_down() -> None:
    """Law: the slot that is chosen is the one that is struck, and the copied scenario says so."""
    with start(scenario()) as session:
        panel = Panel(session)
        press(panel, "Trigger 10", "submit('slow', 10)")
        session.advance(0.5)
        panel._inputs.fields["slot"].value = 2
        press(panel, "Kill child", "kill_child('worker1', 2)")
        (order,) = [
            e for e in session.events_since(0) if (e.detail or {}).get("verb") == "kill_child"
        ]
        assert (order.detail or {})["slot"] == 2
    again = Scenario.from_json(panel.diary.scenario)
    assert [(f.kind, f.model_dump().get("slot")) for f in again.faults] == [("kill_child", 2)]
    run = workbench.run(again.but(horizon_s=5.0), engine="model")
    told = [e.detail for e in run.of_kind("control") if (e.detail or {})["verb"] == "kill_child"]
    assert [(detail or {})["slot"] for detail in told] == [2]


def test_only_slots_that_are_there_are_offered() -> None:
    """A worker of threads has none; a slot that another worker has not is let go."""
    with start(scenario()) as session:
        fields = Panel(session)._inputs.fields
        assert [name for name, _ in fields["slot"].options] == [
            "busy longest", "slot 0", "slot 1", "slot 2",
        ]  # fmt: skip
        fields["slot"].value = 1
        fields["worker"].value = "worker2"
        assert fields["slot"].value == 1
        fields["worker"].value = "threads1"
        assert (fields.value("slot"), fields["slot"].label) == (None, "busy longest")
        assert len(fields["slot"].options) == 1


def test_a_click_on_the_board_chooses() -> None:
    """Law: the board and the panel name the same worker and the same slot, both ways."""
    with start(scenario()) as session:
        panel = Panel(session)
        fields = panel._inputs.fields
        assert fields["slot"].label == "busy longest"
        assert panel.board.picked == "@worker1"
        panel.board._asked(panel.board, {"kind": "pick", "picked": "1@worker2"}, [])
        assert (fields["worker"].value, fields.value("slot")) == ("worker2", 1)
        panel.board.picked = "@worker1"
        assert (fields["worker"].value, fields.value("slot")) == ("worker1", None)
        fields["slot"].value = 2
        assert panel.board.picked == "2@worker1"
        panel.board.picked = "9@nobody"
        assert (fields["worker"].value, fields.value("slot")) == ("worker1", 2)


# --- what is not possible ----------------------------------------------------------------


def test_what_the_model_cannot_do_is_disabled_and_says_why() -> None:
    """A bandwidth has no meaning where no message has a size."""
    with start(scenario(workers=[{"concurrency": 2}], queues=["celery"])) as session:
        panel = Panel(session)
        button = panel._inputs.buttons["Set bandwidth"]
        assert button.disabled
        assert "the model knows no message's size; allowed: real workers" in button.tooltip
        assert "Set bandwidth: the model knows no message" in notes(panel)
        assert not panel._inputs.buttons["Set latency"].disabled


@pytest.mark.live
def test_what_the_fake_cannot_do_is_disabled_and_says_why(tmp_path: Path) -> None:
    """The fake broker has no eviction and no limit to its memory."""
    small = scenario(workers=[{}], queues=["celery"])
    with workbench.start(small, broker="fake", runs=tmp_path) as session:
        panel = Panel(session)
        for name in ("Evict", "Fill memory", "Free memory"):
            assert panel._inputs.buttons[name].disabled
            assert "the fake broker has no maxmemory; allowed: 'redis'" in notes(panel)
        assert not panel._inputs.buttons["Set bandwidth"].disabled


def test_what_is_possible_follows_the_worker_that_is_chosen() -> None:
    """Threads have no child to kill; a soft stop needs its time, a cold one must not have it."""
    pools = [
        {"concurrency": 2},
        {"name": "soft", "soft_shutdown_timeout_s": 3.0},
        {"name": "threads", "pool": "threads"},
    ]
    with start(scenario(workers=pools, queues=["celery"])) as session:
        panel = Panel(session)
        names = ("Kill child", "Cold stop", "Soft stop", "Warm stop")

        def possible(worker: str) -> list[bool]:
            panel._inputs.fields["worker"].value = worker
            return [not panel._inputs.buttons[name].disabled for name in names]

        assert possible("worker1") == [True, True, False, True]
        assert "Soft stop: worker1 has no soft_shutdown_timeout_s" in notes(panel)
        assert possible("soft1") == [True, False, True, True]
        assert possible("threads1") == [False, False, False, True]
        assert "no child processes" in panel._inputs.buttons["Kill child"].tooltip


def test_a_broker_that_keeps_a_file_is_emptied_before_it_is_killed() -> None:
    """With its data or without: each is one button, and possible only where it is true."""
    keeping = scenario(
        broker={"persistence": "aof"}, workers=[{"concurrency": 2}], queues=["celery"]
    )
    with start(keeping) as session:
        panel = Panel(session)
        press(panel, "Broker off, data kept", "stop_broker()")
        press(panel, "Broker on", "start_broker()")
        panel._inputs.buttons["Broker off, data lost"].click()
        until("both are done", lambda: len(panel.diary.lines) == 4)
        assert [line.split(": ")[1] for line in panel.diary.lines[2:]] == [
            "flush()",
            "stop_broker()",
        ]
    with start(scenario()) as session:
        panel = Panel(session)
        assert panel._inputs.buttons["Broker off, data kept"].disabled
        press(panel, "Broker off, data lost", "stop_broker()")
        assert len(panel.diary.lines) == 1


@pytest.mark.parametrize(
    ("button", "field", "value", "sentence"),
    [
        ("Set rate limit", "rate", "5/x", "a rate is a number above 0"),
        ("Mend link", "link", "all links", "mend_link: worker1 is not cut off"),
        ("Start worker", "worker", "worker1", "start_worker: worker1 is running already"),
        ("Free memory", "n", 1, "free_memory: the broker's memory is not full"),
        ("Save run", "folder", "/dev/null/x", "folder is '/dev/null/x': Not a directory"),
        ("Replay", "folder", "nowhere", "nowhere is not a stored run"),
    ],
)
def test_a_wrong_order_is_one_sentence(button: str, field: str, value: Any, sentence: str) -> None:
    """Law: what cannot be done is told on the panel, and nothing is written down as done."""
    plain = scenario(workers=[{"concurrency": 2}], queues=["celery"])
    with start(plain) as session:
        panel = Panel(session)
        panel._inputs.fields[field].value = value
        panel._inputs.buttons[button].click()
        until("it is told", lambda: any(sentence in line for line in panel.board.log))
        assert panel.diary.lines == []
        assert not any("Traceback" in line or "failed" in line for line in panel.board.log)


# --- as a scenario -----------------------------------------------------------------------


def test_each_new_deed_has_its_place_in_a_scenario() -> None:
    """Law: what a button does is a fault; one that another ends lasts as long."""

    def at(t_s: float, verb: str, **arguments: object) -> Deed:
        return Deed(At(at_s=t_s), verb, arguments)

    done = [
        at(0.1, "kill_child", worker="worker1", slot=1),
        at(0.2, "child_oom", task="slow", after_s=0.1, n=1, worker="worker1", slot=2),
        at(0.3, "bandwidth", bytes_per_s=5e3, worker="worker1"),
        at(0.8, "bandwidth", bytes_per_s=None, worker="worker1"),
        at(0.9, "skew", worker="worker1", offset_s=60.0),
        at(1.0, "half_open", worker="worker2"),
        at(1.1, "flush"),
        at(1.2, "sweep", visibility_timeout_s=1.0),
        at(1.3, "plant_mutex", expires_s=1.0),
        at(1.5, "start_beat"),
    ]  # fmt: skip
    plain = scenario(workers=[{"n_workers": 2, "concurrency": 3}], queues=["celery"])
    again, left_out = as_scenario(plain, done)
    assert left_out == []
    assert [f.kind for f in again.faults] == [
        deed.verb for deed in done if deed.arguments.get("bytes_per_s", 1)
    ]
    found = {f.kind: f.model_dump() for f in again.faults}
    assert found["bandwidth"]["for_s"] == 0.5
    assert found["child_oom"]["slot"] == 2
    assert Scenario.from_json(again.to_json()) == again
