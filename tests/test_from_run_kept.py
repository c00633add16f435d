"""Scenario.from_run: what stands around the tasks is kept as it was, and said to be."""

from __future__ import annotations

from typing import Any

import pytest

import sandbox
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

SECOND = {"kind": "deterministic", "value_s": 1.0}
BURST = {"kind": "burst", "task": "job", "n": 4}
JOB = {"name": "job", "service": SECOND}
CALLER = JOB | {"calls": {"dependency": "db", "service": SECOND}}
CHORD = {"kind": "chord", "task": "job", "n": 2, "body": "total"}
KEPT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "sync door": ({"front_door": {"requests": BURST, "mode": "sync"}}, ["front_door"]),
    "async door": ({"front_door": {"requests": BURST}}, ["front_door"]),
    "dependency": (
        {"tasks": [CALLER], "dependencies": [{"name": "db"}], "loads": [BURST]},
        ["dependencies", "tasks.job.service"],
    ),
    "chord": (
        {"tasks": [JOB, {"name": "total"}], "loads": [CHORD]},
        ["loads.job", "loads.total"],
    ),
    "group": ({"loads": [BURST | {"kind": "group"}]}, ["loads.job"]),
    "beat": ({"beat": [{"name": "tick", "task": "job", "every_s": 4.0}]}, ["beat"]),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_is_around_the_tasks_is_kept_and_said_to_be(case: str) -> None:
    """The fitted scenario is the run's own but for name and work, and runs to the same counts."""
    fields, places = KEPT[case]
    described = scenario(**fields)
    run = sandbox.run(described, engine="model", overheads=Overheads())
    found = Scenario.from_run(run)
    for field in ("front_door", "dependencies", "beat"):
        assert getattr(found, field) == getattr(described, field)
    assert [load for load in found.loads if load.kind in ("group", "chord")] == [
        load for load in described.loads if load.kind in ("group", "chord")
    ]
    told = {place for note in found.not_derived for place in note.where.split(", ")}
    assert set(places) <= told
    again = sandbox.measure(sandbox.run(found, engine="model", overheads=Overheads()))
    first = sandbox.measure(run)
    for name in ("published", "done", "executions"):
        assert again.value(name) == first.value(name)


def scenario(**fields: Any) -> Scenario:
    defaults: dict[str, Any] = {"name": "kept", "tasks": [JOB], "workers": [{}], "horizon_s": 10.0}
    return Scenario(**(defaults | fields))


def test_a_run_of_nothing_has_nothing_to_fit() -> None:
    """Neither a task nor a visitor."""
    run = sandbox.run(scenario(), engine="model", overheads=Overheads())
    with pytest.raises(ScenarioError, match="nothing to fit"):
        Scenario.from_run(run)
