"""Dependencies: what a scenario may say of them, how the line works, what capacity knows."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.capacity.offered import offered
from sandbox.dependencies import Dependency
from sandbox.engines.downstream import Line
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario


def scenario(**fields: Any) -> Scenario:
    calls = {"dependency": "db", "service": {"kind": "deterministic", "value_s": 1.0}}
    defaults: dict[str, Any] = {
        "name": "calls",
        "tasks": [{"name": "job", "calls": calls}],
        "workers": [{"concurrency": 8}],
        "dependencies": [{"name": "db", "capacity": 2}],
        "horizon_s": 10.0,
    }
    return Scenario(**(defaults | fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"dependencies": []}, "tasks[0].calls.dependency is 'db'; allowed: "),
        ({"dependencies": [{"name": "dbs"}]}, "tasks[0].calls.dependency is 'db'; allowed: 'dbs'"),
        ({"dependencies": [{"name": "db"}] * 2}, "dependencies has the name 'db' twice"),
        (
            {"dependencies": [{"name": "db", "outages": [{"from_s": 2.0, "to_s": 1.0}]}]},
            "dependencies[0].outages[0].to_s is 1.0 but must be above from_s = 2.0",
        ),
        (
            {
                "faults": [
                    {
                        "kind": "slow_dependency",
                        "dependency": "x",
                        "factor": 2.0,
                        "when": {"on": "time", "at_s": 1.0},
                    }
                ]
            },
            "faults[0]: dependency is 'x'; allowed: 'db'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(fields: dict[str, Any], sentence: str) -> None:
    """One sentence: the field, its value, what is allowed."""
    with pytest.raises(ScenarioError, match=r".") as caught:
        scenario(**fields)
    assert str(caught.value).startswith(sentence)


def test_a_scenario_with_calls_survives_json() -> None:
    """from_json reads back what to_json wrote."""
    assert Scenario.from_json(scenario().to_json()) == scenario()


def test_the_places_of_a_dependency_bound_the_load() -> None:
    """Two places and calls of 1 s serve 2 tasks a second, however many slots there are."""
    load = {"kind": "poisson", "task": "job", "rate_per_s": 3.0}
    found = offered(scenario(loads=[load]), Overheads().scaled(0.0))
    assert (found.tightest, found.utilisation) == ("places of db", 1.5)


class _Seen(Line[str]):
    """A line that writes down what it does."""

    def __init__(self, capacity: int) -> None:
        super().__init__(Dependency(name="db", capacity=capacity))
        self.said: list[str] = []

    def begin(self, call: str) -> None:
        self.said.append(f"{call} begins")

    def ended(self, call: str, outcome: str) -> None:
        self.said.append(f"{call} {outcome}")

    def changed(self, kind: str, how: str) -> None:
        self.said.append(f"{kind} {how}")

    def after(self, *steps: tuple[str, str]) -> list[str]:
        self.said.clear()
        for step, what in steps:
            getattr(self, step)(what)
        return list(self.said)


def test_the_line_is_first_in_first_out() -> None:
    """Who waits longest is served next; who has left is not."""
    line = _Seen(1)
    assert line.after(("arrive", "a"), ("arrive", "b"), ("arrive", "c")) == ["a begins"]
    assert line.after(("leave", "b"), ("serve_out", "a")) == ["b left", "a served", "c begins"]


def test_a_caller_that_hangs_up_frees_no_place() -> None:
    """An abandoned call is served to its end."""
    line = _Seen(1)
    line.after(("arrive", "a"), ("arrive", "b"))
    assert line.after(("leave", "a")) == []
    assert line.after(("serve_out", "a")) == ["a abandoned", "b begins"]


def test_an_outage_that_fails_ends_every_call() -> None:
    """Served, waiting, arriving: all refused; an end of service that comes later means nothing."""
    line = _Seen(1)
    line.after(("arrive", "a"), ("arrive", "b"))
    steps = (("go_down", "fail"), ("arrive", "c"), ("serve_out", "a"))
    assert line.after(*steps) == ["dependency_down fail", "a refused", "b refused", "c refused"]


def test_an_outage_that_hangs_begins_nothing_and_refuses_nothing() -> None:
    """What is being served ends; what waits is begun after the last of the outages."""
    line = _Seen(2)
    line.after(("arrive", "a"))
    assert line.after(("go_down", "hang"), ("arrive", "b"), ("serve_out", "a"))[1:] == ["a served"]
    line.after(("go_down", "fail"), ("arrive", "c"), ("go_down", "hang"), ("come_up", "fail"))
    assert line.after(("come_up", "hang"), ("arrive", "d")) == []
    assert line.after(("come_up", "hang")) == ["dependency_up hang", "d begins"]
