"""The schedule: which task is published when, numbered alike for both engines."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.draws import Exponential, draw_s
from sandbox.loads import Closed
from sandbox.scenario import Scenario
from sandbox.schedule import BY_HAND, Publication, closed_turns, schedule
from tests.test_scenario import laws, scenarios, small

TASKS = [{"name": "a"}, {"name": "b"}]


def poisson(task: str = "a", rate_per_s: float = 5.0, **more: Any) -> dict[str, Any]:
    return {"kind": "poisson", "task": task, "rate_per_s": rate_per_s} | more


def closed(task: str = "a", n_clients: int = 3) -> dict[str, Any]:
    think = {"kind": "exponential", "mean_s": 1.0}
    return {"kind": "closed", "task": task, "n_clients": n_clients, "think": think}


def of_type(scenario: Scenario, name: str) -> list[Publication]:
    return [one for one in schedule(scenario) if one.type == name]


@laws
@given(scenarios())
def test_tasks_are_numbered_per_type_in_the_order_of_their_times(scenario: Scenario) -> None:
    """Times ascend; the n-th publication of a type has the number n, counted from 0."""
    published = schedule(scenario)
    assert [one.at_s for one in published] == sorted(one.at_s for one in published)
    for name in scenario.task_names:
        mine = [one.n for one in published if one.type == name]
        assert mine == list(range(len(mine)))


@laws
@given(scenarios())
def test_the_schedule_is_the_union_of_its_sources(scenario: Scenario) -> None:
    """Every arrival of every open load and beat entry is there once, and nothing else is."""
    expected: Counter[tuple[float, str]] = Counter()
    for field, sources in (("load", scenario.loads), ("beat", scenario.beat)):
        for i, source in enumerate(sources):
            if not isinstance(source, Closed):
                times = source.arrivals_s(
                    scenario.horizon_s, seed=scenario.seed, stream=f"{field}{i}/arrival"
                )
                expected.update((at, source.task) for at in times)
    assert Counter((one.at_s, one.type) for one in schedule(scenario)) == expected


def test_changing_one_load_leaves_the_others_arrivals_alone() -> None:
    """Each load draws from a stream of its own: what another one does moves no arrival."""
    before = small(tasks=TASKS, loads=[poisson("a"), poisson("b")])
    for other in (poisson("a", 50.0), {"kind": "burst", "task": "a", "n": 9}, closed("a")):
        after = before.but(loads=[other, poisson("b")])
        assert of_type(after, "b") == of_type(before, "b")
        assert of_type(after, "a") != of_type(before, "a")


def test_adding_a_load_a_worker_or_a_fault_moves_no_arrival() -> None:
    """Only loads, beat, horizon and seed decide what is published."""
    before = small(tasks=TASKS, loads=[poisson("a")])
    fault = {"kind": "kill_worker", "worker": "worker1", "when": {"on": "time", "at_s": 1.0}}
    changes: tuple[dict[str, Any], ...] = (
        {"loads": [poisson("a"), poisson("b")]},
        {"beat": [{"name": "tick", "task": "b", "every_s": 1.0}]},
        {"workers": [{"n_workers": 3, "concurrency": 8}]},
        {"faults": [fault]},
        {"tasks": [{"name": "a", "acks_late": True}, {"name": "b"}]},
    )
    for change in changes:
        assert of_type(before.but(**change), "a") == of_type(before, "a")


def test_two_loads_alike_are_not_the_same_customers() -> None:
    """Equal loads at two places draw differently; another seed draws differently again."""
    twice = small(tasks=TASKS, loads=[poisson("a"), poisson("b")])
    times = [[one.at_s for one in of_type(twice, name)] for name in "ab"]
    assert times[0] != times[1]
    assert of_type(twice.but(seed=1), "a") != of_type(twice, "a")


def test_ties_are_published_in_the_order_of_the_scenario() -> None:
    """At one moment: loads in their order, then beat's entries."""
    burst: dict[str, Any] = {"kind": "burst", "n": 1, "at_s": 2.0}
    scenario = small(
        tasks=TASKS,
        loads=[burst | {"task": "b"}, burst | {"task": "a"}],
        beat=[{"name": "tick", "task": "b", "every_s": 2.0}],
        horizon_s=3.0,
    )
    assert schedule(scenario) == [(2.0, "b", 0), (2.0, "a", 0), (2.0, "b", 1)]


# --- closed loads ---------------------------------------------------------------------------------


@laws
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), min_size=1, max_size=5))
def test_the_numbers_of_closed_loads_are_disjoint(found: list[tuple[str, int]]) -> None:
    """No two turns of any client of any load share a number, nor with an open load or a hand."""
    scenario = small(
        tasks=TASKS, loads=[poisson("a"), *(closed(task, n) for task, n in found), poisson("b")]
    )
    used = Counter((one.type, one.n) for one in schedule(scenario))
    for turns in closed_turns(scenario):
        load = turns.load
        used.update(
            (load.task, turns.number(client, turn))
            for client in range(load.n_clients)
            for turn in range(50)
        )
    assert set(used.values()) == {1}
    assert all(n < BY_HAND for _, n in used)


def test_a_client_thinks_by_its_own_draw() -> None:
    """Client c's j-th think time is draw j·n + c of the load's stream, equal in both engines."""
    scenario = small(tasks=TASKS, loads=[poisson("b"), closed("a", 3)], seed=5)
    (turns,) = closed_turns(scenario)
    drawn = [turns.think_s(client, turn) for turn in range(4) for client in range(3)]
    think = Exponential(mean_s=1.0)
    assert drawn == [draw_s(think, 5, "load1/think", i) for i in range(12)]
    assert len(set(drawn)) == 12


def test_a_scenario_without_closed_loads_has_no_turns() -> None:
    """Open loads wait for nobody."""
    assert closed_turns(small(tasks=TASKS, loads=[poisson("a")])) == []
