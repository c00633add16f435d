"""Conformance: children out of memory, killed one by one while their workers live on."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import workbench
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from tests.conftest import Begin
from tests.test_conformance import (
    ACK_MODES,
    burst,
    executions,
    finish,
    scenario,
    task,
    verdicts,
)

ONCE = {"kind": "child_oom", "task": "big", "after_s": 0.1, "when": {"on": "time", "at_s": 0.0}}


def leaking(mode: str) -> dict[str, Any]:
    """Return fields: one big task in this ack mode, once the fault is there."""
    return {
        "tasks": [task("big", 0.3, **ACK_MODES[mode])],
        "workers": [{"concurrency": 2, "prefetch_multiplier": 1}],
        "loads": [burst(1, "big", 0.2)],
        "faults": [ONCE],
        "deadline_s": 15.0,
    }


def test_a_child_out_of_memory_is_one_execution_killed(begin: Begin) -> None:
    """Early and late it has failed; rejected it comes back and is done. No worker ends.

    Who works for less goes on for ever, and a processor's work counts as a wait does.
    """
    names = [*ACK_MODES, "burnt", "small"]
    described = scenario(
        tasks=[
            *(task(name, 0.3, **mode) for name, mode in ACK_MODES.items()),
            task("burnt", 0.3, work="cpu"),
            task("small", 0.05),
        ],
        workers=[{"concurrency": 5, "prefetch_multiplier": 1}],
        loads=[burst(1, name, 0.2) for name in names],
        faults=[
            *(ONCE | {"task": name} for name in names[:-1]),
            ONCE | {"task": "small", "n": None},
        ],
        deadline_s=15.0,
    )
    run = finish(begin, described)
    assert executions(run) == {f"{name}/0": 2 if name == "reject" else 1 for name in names}
    killed = ["burnt/0", "early/0", "late/0", "reject/0"]
    assert sorted(e.task for e in run.of_kind("child_lost")) == killed
    assert [e.task for e in run.of_kind("requeued")] == ["reject/0"]
    assert sorted(e.task for e in run.of_kind("failed")) == killed[:-1]
    assert run.of_kind("worker_exited") == []
    assert verdicts(run) == {"done once": 2, "failed": 3}


def test_it_is_killed_at_the_moment_that_is_given() -> None:
    """Counted in the body's own work, so a call after it is never made."""
    described = scenario(
        tasks=[task("big", 0.3, calls={"dependency": "db"})],
        dependencies=[{"name": "db"}],
        loads=[burst(3, "big", 0.1)],
        workers=[{"concurrency": 1}],
        faults=[ONCE | {"n": 2}],
    )
    run = workbench.run(described, engine="model", overheads=Overheads())
    assert len(run.of_kind("called")) == 1
    lost = {a.task: a for a in run.fold.attempts if a.outcome != "succeeded"}
    assert set(lost) == {"big/0", "big/1"}
    assert verdicts(run) == {"done once": 1, "failed": 2}


def test_without_an_end_it_comes_back_for_ever_where_it_is_rejected() -> None:
    """acks_late + reject_on_worker_lost: requeued without a count, a poison message."""
    described = scenario(**leaking("reject") | {"faults": [ONCE | {"n": None}]})
    run = workbench.run(described, engine="model", overheads=Overheads())
    assert run.ended == "deadline"
    assert len(run.of_kind("requeued")) > 2
    assert verdicts(run)["stuck"] == 1


@pytest.mark.parametrize(
    ("fault", "fields", "says"),
    [
        ({"task": "bog"}, {}, r"^faults\[0\]: task is 'bog'; allowed: .*did you mean 'big'"),
        ({"after_s": 0.0}, {}, r"^faults\[0\]\.after_s is 0\.0"),
        ({}, {"workers": [{"pool": "threads"}]}, r"^faults\[0\]: worker pool 'worker', a threads"),
    ],
)
def test_where_no_child_can_run_out_is_refused(
    fault: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    """A wrong name, a time that is none, a pool without children."""
    with pytest.raises(ScenarioError, match=says):
        scenario(**leaking("late") | {"faults": [ONCE | fault]} | fields)


def test_by_hand_it_is_checked_alike() -> None:
    """The same sentences from the controls; a later order takes the place of an earlier one."""
    described = scenario(**leaking("early") | {"faults": [ONCE | {"n": None}]})
    with workbench.start(described, engine="model", overheads=Overheads()) as session:
        for wrong, says in (
            (("bog", 0.1), r"^child_oom: task is 'bog'"),
            (("big", -1.0), r"^child_oom: after_s is -1\.0; allowed: a number above 0"),
            (("big", 0.1, 0), r"^child_oom: n is 0; allowed: a number above 0"),
        ):
            with pytest.raises(ScenarioError, match=says):
                session.controls.child_oom(*wrong)
        session.wait(0.01)
        session.controls.child_oom("big", 9.0)
        session.wait()
    assert verdicts(session.close()) == {"done once": 1}
