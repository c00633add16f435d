"""Subtasks: what a scenario refuses, what a parent and its child add to the load."""

from __future__ import annotations

from typing import Any

import pytest

import sandbox
from sandbox.capacity.closed_forms import closed_form
from sandbox.capacity.offered import offered
from sandbox.derive.from_run import fit
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.schedule import subtask_number

FREE = Overheads().scaled(0.0)


def one_second() -> dict[str, Any]:
    return {"kind": "deterministic", "value_s": 1.0}


def scenario(parent: dict[str, Any] | None = None, child: dict[str, Any] | None = None,
             **more: Any) -> Scenario:  # fmt: skip
    """Return albums that wait for photos, a second each, on eight slots."""
    fields: dict[str, Any] = {
        "name": "albums",
        "tasks": [
            {"name": "album", "service": one_second(), "waits_for": "photo"} | (parent or {}),
            {"name": "photo", "service": one_second()} | (child or {}),
        ],
        "workers": [{"concurrency": 8}],
        "loads": [{"kind": "poisson", "task": "album", "rate_per_s": 1.0}],
        "horizon_s": 100.0,
    }
    return Scenario(**(fields | more))


STOP = {"when": {"on": "time", "at_s": 1.0}}
DOOR = {"requests": {"kind": "burst", "task": "album", "n": 1}, "mode": "sync"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"parent": {"waits_for": "foto"}}, "tasks[0].waits_for is 'foto'; allowed: "),
        (
            {"parent": {"waits_for": "album"}},
            "tasks[0].waits_for is 'album', which waits for another itself",
        ),
        ({"child": {"ignore_result": True}}, "tasks[0].waits_for is 'photo', whose ignore_result"),
        (
            {"parent": {"calls": {"dependency": "db"}}, "dependencies": [{"name": "db"}]},
            "tasks[0].waits_for is 'photo', and calls is set too; allowed: one of the two",
        ),
        (
            {"faults": [{"kind": "stop_broker"} | STOP]},
            "faults[0]: stop_broker has no meaning yet with tasks[0].waits_for = 'photo'",
        ),
        (
            {"faults": [{"kind": "drop_connections"} | STOP]},
            "faults[0]: drop_connections has no meaning yet with tasks[0].waits_for = 'photo'",
        ),
        (
            {"front_door": DOOR, "loads": []},
            "front_door.requests.task is 'album', which waits for another task; a sync front door",
        ),
        (
            {"loads": [{"kind": "burst", "task": "album", "n": 600_000}]},
            "loads[0] would publish about 1.2e+06 tasks",
        ),
    ],
)
def test_what_cannot_wait_is_refused_by_its_field(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(**fields)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_verb_that_cuts_connections_is_refused_as_the_fault_is() -> None:
    """What a fault may not do, a hand may not do either."""
    with sandbox.start(scenario(), engine="model") as session:
        with pytest.raises(ScenarioError, match="drop_connections has no meaning yet"):
            session.controls.drop_connections()
        with pytest.raises(ScenarioError, match="stop_broker has no meaning yet"):
            session.controls.stop_broker()


def test_each_attempt_has_a_number_of_its_own() -> None:
    """Law: no two attempts of a type, and no two types, publish a subtask of one number."""
    tasks = [{"name": name, "waits_for": "photo"} for name in ("a", "b")] + [{"name": "photo"}]
    described = scenario(tasks=tasks, loads=[])
    ways = [(name, n, retry) for name in "ab" for n in (0, 999_999, 10**9) for retry in (0, 10_000)]
    numbers = {subtask_number(described, *way) for way in ways}
    assert len(numbers) == len(ways)
    assert min(numbers) >= 10**10
    assert max(numbers) < 2**63


def test_children_are_load_and_their_work_is_their_parents_wait() -> None:
    """One album a second keeps a slot 2 s, its photo one for 1 s: 3 of 8."""
    found = offered(scenario(), FREE)
    assert found.rates_per_s == {"album": 1.0, "photo": 1.0}
    assert found.utilisation == pytest.approx(3 / 8, abs=1e-7)


def test_retries_of_either_are_load() -> None:
    """A photo fails half the time, one retry: 1.5 attempts, a quarter fails for good.

    So an album's attempt lasts 2.5 s and fails a quarter of the time: 1.25 of them, each with
    1.5 s of photos.
    """
    retry = {"kind": "auto", "max_retries": 1, "countdown_s": 0.0}
    found = offered(scenario({"retries": [retry]}, {"p_failure": 0.5, "retries": [retry]}), FREE)
    assert found.rates_per_s["photo"] == pytest.approx(1.25)
    assert found.utilisation == pytest.approx(1.25 * (2.5 + 1.5) / 8, abs=1e-6)


def test_the_model_s_slots_are_as_busy_as_the_offered_load_says() -> None:
    """With slots enough, nobody waits for one: the fluid view is exact."""
    described = scenario(workers=[{"concurrency": 64}], horizon_s=1000.0, kind="steady",
                         warmup_s=100.0)  # fmt: skip
    run = sandbox.run(described, engine="model", overheads=FREE)
    measured = sandbox.measure(run).value("utilisation") * 64
    published = len([j for j in run.fold.journeys if j.startswith("album/")]) / 1000
    assert measured == pytest.approx(3 * published, rel=0.1)


def test_an_overload_by_children_is_named() -> None:
    """Three albums a second would need nine slots."""
    loads = [{"kind": "poisson", "task": "album", "rate_per_s": 3.0}]
    assert offered(scenario(loads=loads), FREE).note().startswith("unstable")


def test_a_queue_whose_tasks_wait_has_no_closed_form() -> None:
    pool = {"concurrency": 8, "prefetch_multiplier": 1}
    plain = {"acks_late": True}
    steady = scenario(plain, plain, kind="steady", workers=[pool])
    assert closed_form(steady, FREE).queue == ""
    alone = scenario(plain | {"waits_for": None}, plain, kind="steady", workers=[pool])
    assert closed_form(alone, FREE).queue == "M/D/8"


def test_a_fitted_run_leaves_subtasks_to_their_parents() -> None:
    """Their parents publish them; a parent's time is not all its own work."""
    fitted = fit(sandbox.run(scenario(), engine="model", overheads=FREE)).scenario
    assert [load.task for load in fitted.loads] == ["album"]
    assert fitted.task("album").waits_for == "photo"
    assert [note.what for note in fitted.not_derived if note.where == "tasks.album.service"] == [
        "an execution's time holds its wait for photo"
    ]


def test_json_without_the_field_stays_valid() -> None:
    """An old scenario waits for nothing."""
    described = scenario()
    assert Scenario.from_json(described.to_json()) == described
    assert "waits_for" in described.to_json()
    assert Scenario(name="old", tasks=[{"name": "t"}], workers=[{}], horizon_s=1.0).tasks[0] == (
        described.tasks[1].but(name="t", service={"kind": "deterministic", "value_s": 0.0})
    )
