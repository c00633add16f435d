"""Metrics that a prediction shows of queues, pools, dependencies and the front door."""

from __future__ import annotations

import math
from typing import Any

import pytest

import sandbox
from sandbox import report, systems
from sandbox.calls import calls
from sandbox.capacity.goal import Goal
from sandbox.compare import compare
from sandbox.definitions import family
from sandbox.errors import ScenarioError
from sandbox.facts import Facts
from sandbox.little import littles_law
from sandbox.metrics import FAMILIES, METRICS, known, measure
from sandbox.overheads import Overheads
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from sandbox.visits import visits

FREE = Overheads().scaled(0.0)
SECOND = {"kind": "deterministic", "value_s": 1.0}
DB = {
    "tasks": [{"name": "t", "calls": {"dependency": "db", "service": SECOND}}],
    "workers": [{"concurrency": 4}],
    "loads": [{"kind": "burst", "task": "t", "n": 4}],
    "dependencies": [{"name": "db", "capacity": 2}],
}
DOOR = {
    "tasks": [{"name": "t", "service": SECOND}],
    "workers": [{"concurrency": 2}],
    "front_door": {
        "requests": {"kind": "burst", "task": "t", "n": 4}, "mode": "sync",
        "n_web_workers": 1, "most_waiting": 1,
    },
}  # fmt: skip


def scenario(**fields: Any) -> Scenario:
    return Scenario(**({"name": "parts", "horizon_s": 10.0} | fields))


def modelled(described: Scenario) -> Run:
    return sandbox.run(described, engine="model", overheads=FREE)


def test_the_mean_queue_is_little_s_law_of_the_wait_in_the_broker() -> None:
    """Eight at once for one slot, a second each, none taken ahead: 7, 6 … 0 wait."""
    described = scenario(
        tasks=[{"name": "t", "service": SECOND, "acks_late": True}],
        workers=[{"prefetch_multiplier": 1}], loads=[{"kind": "burst", "task": "t", "n": 8}],
    )  # fmt: skip
    run = modelled(described)
    metrics = measure(run)
    assert metrics.value("max_queue") == 7
    assert metrics.value("mean_queue") == pytest.approx(sum(range(8)) / 8)
    rate = metrics.value("throughput_per_s")
    assert metrics.value("mean_queue") == pytest.approx(rate * metrics.value("mean_wait_s"))
    assert littles_law(run)[0] == pytest.approx(metrics.value("mean_queue") + 1, rel=1e-9)


def test_a_broker_that_keeps_nothing_leaves_no_queue() -> None:
    """What was in it counts until then, and the average goes on to the last end."""
    described = scenario(tasks=[{"name": "t"}], workers=[{}])
    events = (
        Event(0.0, "sent", "t/0", queue="celery"),
        Event(0.0, "sent", "t/1", queue="celery"),
        Event(0.0, "delivered", "t/0", worker="worker1", tag="a"),
        Event(0.0, "started", "t/0", worker="worker1", slot=0, tag="a", retry=0),
        Event(1.0, "broker_stopped", detail={"keeps": False}),
        Event(4.0, "succeeded", "t/0", worker="worker1", slot=0, tag="a", retry=0),
    )
    assert measure(Run(described, events)).value("mean_queue") == pytest.approx(1 / 4)


def test_attempts_count_retries() -> None:
    """A task that always fails, with two retries: three attempts."""
    retry = {"kind": "self", "max_retries": 2, "countdown_s": 0.0}
    task = {"name": "t", "p_failure": 1.0, "retries": [retry]}
    loads = [{"kind": "burst", "task": "t", "n": 3}]
    run = modelled(scenario(tasks=[task], workers=[{}], loads=loads))
    assert measure(run).value("attempts_per_task") == 3.0


def test_each_pool_has_its_own_utilisation() -> None:
    """Law: the pools' utilisations, weighted by their slots, are that of all."""
    described = scenario(
        tasks=[{"name": n, "queue": n, "service": SECOND} for n in ("a", "b")],
        queues=["a", "b"],
        workers=[{"name": "one", "queues": ["a"]},
                 {"name": "three", "queues": ["b"], "concurrency": 3}],
        loads=[{"kind": "burst", "task": "a", "n": 4}, {"kind": "burst", "task": "b", "n": 3}],
    )  # fmt: skip
    metrics = measure(modelled(described))
    one, three = (metrics.value(f"pool_utilisation.{pool}") for pool in ("one", "three"))
    assert (one, three) == (pytest.approx(1.0), pytest.approx(0.25))
    assert metrics.value("utilisation") == pytest.approx((one + 3 * three) / 4)


def test_a_dependency_s_calls_and_places() -> None:
    """Four calls of a second, two at a time: two waited one second, and no place idled."""
    run = modelled(scenario(**DB))
    metrics = measure(run)
    assert metrics.value("calls.db") == calls(run)["db"].calls == 4
    assert metrics.value("mean_call_wait_s.db") == pytest.approx(0.5)
    assert metrics.value("dependency_utilisation.db") == pytest.approx(1.0)


def test_what_a_dependency_did_in_the_warm_up_is_cut() -> None:
    """The seconds after it of a call that was begun before count, and its end."""
    run = modelled(scenario(**DB))
    assert calls(run, 1.5)["db"].busy_s == pytest.approx(2 * 0.5)
    assert calls(run, 1.5)["db"].calls == 2


def test_a_front_door_s_answers() -> None:
    """Four at once, one web worker, one may wait: two answers in two seconds, two refused."""
    run = modelled(scenario(**DOOR))
    metrics = measure(run)
    values = {name: metrics.value(f"{name}.t") for name in ("requests", "refused", "gave_up")}
    assert values == {"requests": 4, "refused": 2, "gave_up": 0}
    assert metrics.value("answers_per_s.t") == pytest.approx(1.0)
    assert metrics.value("p50_answer_s.t") == pytest.approx(1.5)
    assert metrics.value("p95_answer_s.t") == pytest.approx(visits(run).latency_s(0.95))
    assert visits(run, 0.5).n_requests == 0


@pytest.mark.parametrize("fields", [DB, DOOR], ids=["dependency", "front door"])
def test_a_prediction_s_table_has_the_parts_with_interval_and_unit(fields: dict[str, Any]) -> None:
    prediction = sandbox.predict(scenario(**fields), budget_s=0.01, overheads=FREE)
    frame = prediction.to_frame()
    own = [name for name in frame.index if "." in name]
    assert {name.partition(".")[0] for name in own} <= set(FAMILIES)
    assert own
    for name in own:
        assert frame.loc[name, "low"] <= frame.loc[name, "mean"] <= frame.loc[name, "high"]
        assert frame.loc[name, "unit"] == known(name).unit
    told = report.prediction(prediction)
    assert all(f"\n{name} " in told for name in own)


def test_a_count_of_requests_is_bounded_by_the_requests() -> None:
    """None of them gave up in any replication: a bound on the share, not certainty."""
    prediction = sandbox.predict(scenario(**DOOR), budget_s=0.01, overheads=FREE)
    assert prediction.mean("gave_up.t") == 0
    assert prediction.half_width("gave_up.t") > 0


@pytest.mark.parametrize("name", sorted(systems.all_systems()))
def test_the_prediction_of_a_system_says_what_matters(name: str) -> None:
    """Throughput, percentiles, queue depth, utilisation, attempts, lost and duplicated."""
    prediction = sandbox.predict(systems.load(name), budget_s=0.01)
    names = set(prediction.to_frame().index)
    assert names >= {
        "throughput_per_s", "p50_latency_s", "p95_latency_s", "p99_latency_s", "mean_queue",
        "max_queue", "utilisation", "attempts_per_task", "lost", "duplicated",
    }  # fmt: skip
    if len(prediction.scenario.workers) > 1:
        assert names >= {f"pool_utilisation.{pool.name}" for pool in prediction.scenario.workers}


def test_what_follows_from_other_rows_is_compared_only_where_asked() -> None:
    described = scenario(**DB)
    prediction = sandbox.predict(described, budget_s=0.01, overheads=FREE)
    run = modelled(described)
    usual = {row.name for row in compare(run, prediction).rows}
    assert not usual & {name for name, d in METRICS.items() if not d.compared}
    assert not any("." in name for name in usual)
    asked = compare(run, prediction, rows=["calls.db", "mean_queue"])
    assert [row.verdict for row in asked.rows] == ["agree", "agree"]


def test_a_goal_may_be_a_part_s() -> None:
    goal = Goal.read("dependency_utilisation.db < 0.8")
    assert (goal.metric, goal.limit) == ("dependency_utilisation.db", 0.8)
    with pytest.raises(ScenarioError, match=r"metric is 'dependency_use\.db'; allowed: "):
        Goal.read("dependency_use.db < 0.8")


def test_an_unknown_family_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'pool_utilisation\.NAME'"):
        known("pool_utilization.NAME")


def test_a_family_defined_twice_fails_loudly() -> None:
    def again(_facts: Facts, _part: str) -> float:
        """Mean nothing."""
        return math.nan

    again.__name__ = "calls"
    with pytest.raises(ImportError, match="calls is defined twice"):
        family("calls", "count", lambda _: ())(again)


def test_every_family_has_one_sentence_of_meaning_and_a_unit_unless_a_share() -> None:
    for found in FAMILIES.values():
        assert found.meaning.strip().endswith(".")
        assert bool(found.unit) == (found.kind != "share")
