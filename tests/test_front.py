"""The front door, groups and chords: what a scenario may say of them, and how they are numbered."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.capacity.offered import lasting_rates_per_s
from sandbox.errors import ScenarioError
from sandbox.scenario import Scenario
from sandbox.schedule import canvases, closed_turns, schedule

BURST: dict[str, Any] = {"kind": "burst", "task": "job", "n": 2}
CHORD: dict[str, Any] = {"kind": "chord", "task": "job", "n": 2, "body": "total"}
POISSON: dict[str, Any] = {"kind": "poisson", "task": "job", "rate_per_s": 3.0}


def scenario(**fields: Any) -> Scenario:
    defaults: dict[str, Any] = {
        "name": "web",
        "tasks": [{"name": "job"}, {"name": "total"}],
        "workers": [{}],
        "horizon_s": 10.0,
    }
    return Scenario(**(defaults | fields))


def door(mode: str = "async", **more: Any) -> dict[str, Any]:
    return {"requests": BURST, "mode": mode} | more


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"front_door": door(requests=BURST | {"task": "x"})}, "front_door.task is 'x'; allowed: "),
        (
            {"front_door": door(), "loads": [BURST]},
            "front_door.requests.task is 'job', which a load or beat publishes too",
        ),
        (
            {"front_door": door(requests=BURST | {"n": 200_000})},
            "front_door.requests would be about 2e+05; allowed: up to 100,000",
        ),
        (
            {"front_door": door("sync"), "tasks": [{"name": "job", "work": "cpu"}]},
            "front_door.requests.task is 'job', whose work is cpu",
        ),
        (
            {"front_door": door(), "tasks": [{"name": "job", "ignore_result": True}]},
            "front_door.requests.task is 'job', whose ignore_result is True",
        ),
        ({"loads": [CHORD | {"body": "totl"}]}, "loads[0].body is 'totl'; allowed: one of"),
        ({"loads": [CHORD | {"n": 1}]}, "loads[0].n is 1: "),
        (
            {
                "loads": [CHORD],
                "tasks": [{"name": "job", "ignore_result": True}, {"name": "total"}],
            },
            "loads[0].task is 'job', whose ignore_result is True; a chord counts results",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(fields: dict[str, Any], sentence: str) -> None:
    """One sentence: the field, its value, what is allowed."""
    with pytest.raises(ScenarioError, match=r".") as caught:
        scenario(**fields)
    assert str(caught.value).startswith(sentence)


def test_they_survive_json() -> None:
    """from_json reads back what to_json wrote."""
    group = {"kind": "group", "task": "total", "n": 3, "at_s": 1.0}
    whole = scenario(front_door=door(), loads=[group, CHORD | {"task": "total"}])
    assert Scenario.from_json(whole.to_json()) == whole


def test_every_task_has_a_number_of_its_own() -> None:
    """Headers by time, then bodies, then the clients of closed loads: no number twice."""
    loads = [
        CHORD | {"at_s": 2.0},
        {"kind": "closed", "task": "total", "n_clients": 1},
        BURST | {"at_s": 1.0},
        {"kind": "group", "task": "job", "n": 3, "at_s": 1.0},
        CHORD,
        {"kind": "burst", "task": "total", "n": 4},
    ]
    beat = [{"name": "often", "task": "job", "every_s": 1.5}]
    whole = scenario(loads=loads, beat=beat)
    planned = schedule(whole)
    for canvas in canvases(whole):
        own = [p for p in planned if f"{p.type}/{p.n}" in canvas.keys]
        assert len({p.at_s for p in own}) == 1
    found = {canvas.first: (canvas.n, canvas.body) for canvas in canvases(whole)}
    assert found == {0: (2, ("total", 5)), 4: (3, None), 8: (2, ("total", 4))}
    assert closed_turns(whole)[0].number(0, 0) == 6


def test_capacity_knows_what_comes_through_an_async_door() -> None:
    """A sync door publishes nothing."""
    rates = [
        lasting_rates_per_s(scenario(front_door=door(mode, requests=POISSON)))["job"]
        for mode in ("async", "sync")
    ]
    assert rates == [3.0, 0.0]
