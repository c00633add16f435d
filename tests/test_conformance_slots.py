"""Conformance: a chosen child is killed, by its slot, equally in the model and on real workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.errors import EngineError, ScenarioError
from sandbox.facts import Facts
from sandbox.faults import OnEvent
from sandbox.run import Run
from sandbox.workbench import Engine
from tests.conftest import Begin
from tests.test_conformance import (
    ACK_MODES,
    assert_laws,
    burst,
    executions,
    on_start,
    scenario,
    task,
    verdicts,
)

SECOND = 1
ON_FAKE = pytest.mark.parametrize("engine", ["model", pytest.param("live", marks=pytest.mark.live)])
KILL = {"kind": "kill_child", "worker": "worker1", "slot": SECOND}


def three_at_once(*faults: dict[str, Any], n: int = 3, service_s: float = 0.8) -> dict[str, Any]:
    """Return fields: one worker with three slots, and a task for each at once."""
    return {
        "tasks": [task(service_s=service_s, **ACK_MODES["reject"])],
        "workers": [{"concurrency": 3, "prefetch_multiplier": 1}],
        "loads": [burst(n, at_s=0.2)],
        "faults": list(faults),
        "deadline_s": 15.0,
    }


def slots_of(run: Run) -> dict[int, str]:
    """Return which task began first in each slot."""
    first: dict[int, str] = {}
    for event in run.of_kind("started"):
        first.setdefault(event.slot or 0, event.task or "")
    return first


def test_the_second_of_three_slots_is_killed_while_all_run(begin: Begin) -> None:
    """The task in that slot, and no other, is killed and run again; the order names the slot."""
    described = scenario(**three_at_once(KILL | {"when": on_start(3)}))
    with begin(described) as session:
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    victim = slots_of(run)[SECOND]
    (order,) = run.of_kind("control")
    assert order.worker == "worker1"
    told = {name: (order.detail or {}).get(name) for name in ("verb", "slot", "task", "error")}
    assert told == {"verb": "kill_child", "slot": SECOND, "task": victim, "error": None}
    assert [event.task for event in run.of_kind("child_lost")] == [victim]
    assert executions(run) == {f"job/{n}": 2 if f"job/{n}" == victim else 1 for n in range(3)}
    assert verdicts(run) == {"done once": 3}
    assert len(Facts(run).child_recoveries_s) == 1


@ON_FAKE
def test_memory_runs_out_in_one_slot_only(engine: Engine, tmp_path: Path) -> None:
    """child_oom of a slot: of three executions at once only the one in that slot is killed."""
    leak = {"kind": "child_oom", "task": "job", "worker": "worker1", "slot": SECOND,
            "after_s": 0.1, "n": 1, "when": {"on": "time", "at_s": 0.0}}  # fmt: skip
    described = scenario(**three_at_once(leak, service_s=0.3))
    run = workbench.run(described, engine=engine, broker="fake", runs=tmp_path)
    assert_laws(run)
    assert [event.task for event in run.of_kind("child_lost")] == [slots_of(run)[SECOND]]


@ON_FAKE
def test_an_idle_child_is_killed_and_replaced(engine: Engine, tmp_path: Path) -> None:
    """No task is harmed, and the slot has another child; a slot that is not there is refused."""
    described = scenario(**three_at_once())
    with workbench.start(described, engine=engine, broker="fake", runs=tmp_path) as session:
        controls = session.controls
        session.wait_for(OnEvent(event="succeeded", nth=3))
        controls.kill_child("worker1", slot=2)
        with pytest.raises(ScenarioError, match="kill_child: slot is 3; allowed: 0 to 2"):
            controls.kill_child("worker1", slot=3)
        assert session.wait() == "drained"
    run = session.close()
    (order,) = run.of_kind("control")
    assert (order.detail or {})["slot"] == 2
    assert (order.detail or {})["task"] is None
    assert run.of_kind("child_lost") == []
    assert verdicts(run) == {"done once": 3}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"slot": 3}, "faults[0]: slot is 3; allowed: 0 to 2"),
        ({"slot": -1}, "faults[0].slot is -1: input should be greater than or equal to 0"),
        (
            {"kind": "child_oom", "task": "job", "after_s": 0.1, "worker": None, "slot": 1},
            "faults[0].slot is 1 without a worker; allowed: None",
        ),
        (
            {"kind": "child_oom", "task": "job", "after_s": 0.1, "worker": "worker1", "slot": 7},
            "faults[0]: slot is 7; allowed: 0 to 2",
        ),
    ],
)
def test_a_slot_that_is_not_there_is_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    """Refused before anything starts, with the place and what is allowed."""
    with pytest.raises(ScenarioError) as caught:
        scenario(**three_at_once(KILL | {"when": on_start(3)} | fields))
    assert str(caught.value) == sentence


def test_a_slot_whose_child_is_gone_is_one_sentence() -> None:
    """Between a death and the replacement there is nobody to kill in that slot."""
    with workbench.start(scenario(**three_at_once()), engine="model") as session:
        session.wait_for(OnEvent(event="started", nth=3))
        session.controls.kill_child("worker1", slot=SECOND)
        with pytest.raises(EngineError, match="no child process in slot 1 at this moment"):
            session.controls.kill_child("worker1", slot=SECOND)
        session.controls.kill_child("worker1", slot=0)


def test_without_a_slot_the_one_busy_longest_is_named() -> None:
    """Law: the order names the slot that it struck, chosen or not."""
    kill = {"kind": "kill_child", "worker": "worker1", "when": on_start(3)}
    run = workbench.run(scenario(**three_at_once(kill)), engine="model")
    (order,) = run.of_kind("control")
    assert (order.detail or {})["slot"] == 0
