"""Goodput: each event counts in its own stretch, and what nobody waits for is told apart."""

from __future__ import annotations

import pytest

from sandbox.dependencies import Call, Dependency, Outage
from sandbox.draws import Deterministic
from sandbox.loads import Burst
from sandbox.pictures.goodput import goodput_table
from sandbox.run import Event, Run
from sandbox.scenario import Scenario, TaskType, WorkerPool
from sandbox.tasks import SelfRetry
from sandbox.workbench import run


def scenario() -> Scenario:
    """Return four payments at once, of which three are served in time, and one more later."""
    call = Call(dependency="bank", service=Deterministic(value_s=1.0), timeout_s=3.5)
    return Scenario(
        name="pay",
        tasks=(TaskType(name="pay", calls=call),),
        workers=(WorkerPool(concurrency=4),),
        loads=(Burst(task="pay", n=4), Burst(task="pay", n=1, at_s=5.0)),
        dependencies=(Dependency(name="bank"),),
        horizon_s=9.0,
    )


def test_what_is_served_to_nobody_is_no_goodput() -> None:
    total = goodput_table(run(scenario(), engine="model"), every_s=20.0).loc["0"]
    assert dict(total) == {
        "sent": 5, "attempts": 5, "served": 4, "served to nobody": 1, "done": 4,
    }  # fmt: skip


def test_a_retry_is_an_attempt_and_not_another_task() -> None:
    refusing = Dependency(name="bank", outages=(Outage(from_s=0.0, to_s=9.0),))
    task = scenario().tasks[0].but(retries=[SelfRetry(max_retries=2, countdown_s=0.1)])
    down = run(scenario().but(dependencies=[refusing], tasks=[task]), engine="model")
    total = goodput_table(down, every_s=20.0).loc["0"]
    assert (total["sent"], total["attempts"], total["done"]) == (5, 15, 0)


def test_each_event_counts_in_its_own_stretch_and_empty_ones_are_left_out() -> None:
    events = (Event(0.0, "sent", "pay/0"), Event(25.0, "sent", "pay/1"), Event(25.0, "sweep"))
    table = goodput_table(Run(scenario(), events), every_s=10.0)
    assert list(table["sent"].items()) == [("0", 1), ("20", 1)]


def test_a_stretch_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: above 0"):
        goodput_table(Run(scenario(), ()), every_s=0.0)
