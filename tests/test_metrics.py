"""sandbox.metrics: each number on a run of a few hand-written events, and Little's law."""

from __future__ import annotations

import doctest
import importlib
import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from sandbox.audit import audit
from sandbox.definitions import Metric, Metrics, metric
from sandbox.little import littles_law
from sandbox.metrics import METRICS, known, measure
from sandbox.run import Event, Run
from sandbox.scenario import Scenario


def scenario(**changes: Any) -> Scenario:
    fields: dict[str, Any] = {
        "name": "hand-written",
        "tasks": [{"name": "hi"}],
        "workers": [{"name": "w", "n_workers": 2, "concurrency": 2}],
        "horizon_s": 10.0,
    }
    return Scenario(**(fields | changes))


def run_of(*events: Event, **changes: Any) -> Run:
    return Run(scenario(**changes), tuple(sorted(events, key=lambda event: event.t_s)))


def sent(at: float, task: str = "hi/0") -> Event:
    return Event(at, "sent", task, queue="celery")


def life(
    task: str, delivered: float, started: float, ended: float, kind: str = "succeeded", **at: Any
) -> list[Event]:
    """Return a delivery, the execution it leads to, and its late acknowledgement."""
    place: dict[str, Any] = {"worker": "w1", "slot": 0, "tag": task, "retry": 0} | at
    message = {"worker": place["worker"], "tag": place["tag"]}
    return [
        Event(delivered, "delivered", task, **message),
        Event(started, "started", task, **place),
        Event(ended, kind, task, **place),
        Event(ended, "acked", task, **message),
    ]


# --- the registry -----------------------------------------------------------------------------


def test_every_metric_has_one_sentence_of_meaning_and_a_unit_unless_a_share() -> None:
    for definition in METRICS.values():
        assert definition.meaning.strip().endswith(".")
        assert bool(definition.unit) == (definition.kind != "share")


def test_every_metric_of_an_empty_run_is_zero_or_undefined() -> None:
    metrics = measure(run_of())
    assert list(metrics) == list(METRICS)
    for one in metrics.values():
        assert one.value == 0 if one.kind == "count" else math.isnan(one.value)


def test_a_metric_that_is_defined_twice_fails_loudly() -> None:
    def done(facts: object) -> float:
        """Mean nothing."""
        return 0.0

    with pytest.raises(ImportError, match="done is defined twice"):
        metric("tasks", "count")(done)


def test_an_unknown_metric_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'mean_wait_s'"):
        known("mean_wait")


def test_equal_metrics_compare_equal_with_nan_and_after_pickling() -> None:
    metrics = measure(run_of(sent(0.0)))
    assert metrics == measure(run_of(sent(0.0))) == pickle.loads(pickle.dumps(metrics))
    assert Metric("a", float("nan"), "s", "time", "-") == Metric("a", math.nan, "s", "time", "-")
    assert metrics != measure(run_of(sent(0.0), sent(0.0, "hi/1")))


def test_the_frame_has_a_row_a_metric_with_its_unit() -> None:
    frame = measure(run_of(sent(0.0))).to_frame()
    assert list(frame.index) == list(METRICS)
    assert frame.loc["published", "value"] == 1 and frame.loc["published", "unit"] == "tasks"


# --- tasks ------------------------------------------------------------------------------------


def test_the_fates_of_tasks_add_up_to_the_published_and_are_those_of_the_audit() -> None:
    run = run_of(
        *(sent(0.0, f"hi/{i}") for i in range(5)),
        *life("hi/0", 0.1, 0.2, 1.0),
        *life("hi/1", 0.1, 0.2, 1.0, "failed", slot=1),
        Event(0.1, "delivered", "hi/2", worker="w2", tag="c"),
        Event(0.2, "revoked", "hi/2", worker="w2", tag="c"),
        Event(0.3, "acked", "hi/2", worker="w2", tag="c"),
        Event(0.1, "delivered", "hi/3", worker="w2", tag="d"),
        Event(0.2, "acked", "hi/3", worker="w2", tag="d"),
    )
    metrics = measure(run)
    fates = ("done", "failed", "revoked", "lost", "stuck")
    assert [metrics.value(name) for name in fates] == [1, 1, 1, 1, 1]
    assert metrics.value("published") == len(audit(run).tasks) == 5


def test_a_redelivered_message_that_runs_again_is_counted_once_in_each_way() -> None:
    run = run_of(
        sent(0.0),
        Event(0.1, "delivered", "hi/0", worker="w1", tag="a"),
        Event(0.2, "started", "hi/0", worker="w1", slot=0, tag="a", retry=0),
        Event(0.3, "restored", "hi/0", worker="w1", tag="a"),
        *life("hi/0", 0.4, 0.5, 0.9, worker="w2", tag="a"),
        Event(1.0, "succeeded", "hi/0", worker="w1", slot=0, tag="a", retry=0),
    )
    metrics = measure(run)
    names = ("executions", "redelivered", "ran_twice", "duplicated", "done", "retried")
    assert [metrics.value(name) for name in names] == [2, 1, 1, 1, 1, 0]


def test_a_retry_is_neither_a_redelivery_nor_a_second_run() -> None:
    run = run_of(
        sent(0.0),
        *life("hi/0", 0.1, 0.2, 0.5, "retried", tag="a"),
        sent(0.4),
        *life("hi/0", 0.6, 0.7, 1.0, tag="b", retry=1),
    )
    metrics = measure(run)
    names = ("executions", "redelivered", "ran_twice", "retried", "done")
    assert [metrics.value(name) for name in names] == [2, 0, 0, 1, 1]


# --- speed ------------------------------------------------------------------------------------

PAIR = (
    sent(1.0),
    sent(2.0, "hi/1"),
    *life("hi/0", 1.0, 1.5, 2.5),
    *life("hi/1", 2.0, 3.0, 5.0, slot=1),
    Event(9.0, "ended"),
)


def test_speed_of_two_tasks() -> None:
    metrics = measure(run_of(*PAIR))
    expected = {
        "makespan_s": 4.0,
        "throughput_per_s": 0.5,
        "mean_wait_s": 0.75,
        "mean_latency_s": 2.25,
        "p50_latency_s": 2.25,
        "mean_service_s": 1.5,
        "utilisation": 3.0 / (4 * 4.0),
    }
    assert {name: metrics.value(name) for name in expected} == pytest.approx(expected)


def test_a_worker_that_is_down_offers_no_slots() -> None:
    down = Event(2.0, "worker_exited", worker="w2", detail={"signal": 9})
    back = Event(4.0, "worker_ready", worker="w2")
    assert measure(run_of(*PAIR, down)).value("utilisation") == pytest.approx(3.0 / 10)
    assert measure(run_of(*PAIR, down, back)).value("utilisation") == pytest.approx(3.0 / 12)


def test_an_execution_that_never_ends_keeps_its_slot_busy_until_the_end_of_the_run() -> None:
    endless = life("hi/0", 0.0, 0.0, 99.0)[:2]
    metrics = measure(run_of(sent(0.0), *endless, Event(8.0, "ended")))
    assert metrics.value("utilisation") == pytest.approx(8.0 / (4 * 8.0))
    assert math.isnan(metrics.value("makespan_s"))


def test_a_steady_scenario_leaves_out_what_was_sent_in_its_warm_up() -> None:
    metrics = measure(run_of(*PAIR, kind="steady", warmup_s=1.5))
    assert metrics.value("published") == metrics.value("done") == 1
    assert metrics.value("mean_latency_s") == 3.0
    # hi/0 reaches half a second into the window [2, 5] and keeps its slot busy there.
    assert metrics.value("utilisation") == pytest.approx((2.0 + 0.5) / (4 * 3.0))


def test_the_longest_queue_counts_what_is_in_the_broker_only() -> None:
    run = run_of(
        *(sent(0.1 * i, f"hi/{i}") for i in range(3)),
        Event(0.15, "delivered", "hi/0", worker="w1", tag="a"),
        Event(0.30, "requeued", "hi/0", worker="w1", tag="a"),
    )
    assert measure(run).value("max_queue") == 3


# --- recovery ---------------------------------------------------------------------------------


def child_killed(*more: Event) -> Run:
    return run_of(
        sent(0.0),
        *life("hi/0", 0.0, 0.1, 99.0, tag="a")[:2],
        Event(1.0, "control", worker="w1", detail={"verb": "kill_child"}),
        Event(1.2, "child_lost", "hi/0", worker="w1", tag="a"),
        *more,
    )


def test_a_child_recovers_when_the_task_it_ran_starts_again() -> None:
    again = life("hi/0", 1.3, 1.75, 2.0, tag="a")
    requeued = Event(1.25, "requeued", "hi/0", worker="w1", tag="a")
    assert measure(child_killed(requeued, *again)).value("child_recovery_s") == 0.75
    assert math.isnan(measure(child_killed()).value("child_recovery_s"))


def test_a_kill_that_was_refused_or_hit_an_idle_child_recovers_nothing() -> None:
    refused = Event(0.5, "control", worker="w1", detail={"verb": "kill_child", "error": "no"})
    idle = Event(0.5, "control", worker="w2", detail={"verb": "kill_child"})
    assert math.isnan(measure(child_killed(refused, idle)).value("child_recovery_s"))


def worker_gone(detail: dict[str, int], *more: Event) -> Metrics:
    run = run_of(
        sent(0.0),
        sent(0.0, "hi/1"),
        *life("hi/0", 0.0, 0.1, 99.0, tag="a")[:2],
        Event(0.0, "delivered", "hi/1", worker="w1", tag="b"),
        Event(1.0, "worker_exited", worker="w1", detail=detail),
        Event(2.0, "skipped", detail={"seconds": 3600.0}),
        Event(2.1, "restored", "hi/0", tag="a"),
        Event(2.1, "restored", "hi/1", tag="b"),
        *life("hi/0", 2.2, 2.5, 3.0, worker="w2", tag="a"),
        *life("hi/1", 2.2, 3.0, 4.0, worker="w2", tag="b"),
        *more,
    )
    return measure(run)


def test_a_worker_has_recovered_when_the_last_message_it_held_starts_skipped_time_included() -> (
    None
):
    metrics = worker_gone({"signal": 9})
    assert metrics.value("worker_recovery_s") == pytest.approx(3602.0)
    assert metrics.value("makespan_s") == 4.0  # run time: the hour is not in it


def test_a_warm_shutdown_is_no_death() -> None:
    assert math.isnan(worker_gone({"exit": 0}).value("worker_recovery_s"))


# --- Little's law -----------------------------------------------------------------------------


def random_run(seed: int, n: int = 200) -> Run:
    """Return tasks of which some succeed, some fail, some expire and some never end."""
    rng = np.random.default_rng(seed)
    events = [Event(-0.1, "worker_ready", worker="w1"), Event(300.0, "ended")]
    for i, at in enumerate(np.cumsum(rng.exponential(1.0, n)).tolist()):
        task, waits = f"hi/{i}", rng.exponential(3.0, 2).tolist()
        kind = ("succeeded", "failed", "revoked", None)[int(rng.integers(4))]
        whole = life(task, at, at + waits[0], at + sum(waits), kind or "succeeded", slot=i)
        if kind == "revoked":
            del whole[1]
        events += [sent(at, task), *(whole if kind else whole[:2])]
    return run_of(*(event for event in events if event.t_s <= 300.0))


@pytest.mark.parametrize("seed", range(5))
def test_littles_law_holds_exactly_with_unfinished_tasks_included(seed: int) -> None:
    average, product = littles_law(random_run(seed))
    assert average == product > 0


def test_littles_law_of_a_run_of_no_length_is_undefined() -> None:
    assert all(math.isnan(value) for value in littles_law(run_of(sent(0.0))))


# --- documentation and imports ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["metrics", "little", "facts"])
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sandbox.{name}")).failed == 0


def test_neither_engines_nor_slow_libraries_are_imported() -> None:
    slow = "scipy pandas simpy celery redis kombu sandbox.engines.model sandbox.engines.live matplotlib"
    code = (
        "import sys, sandbox.compare, sandbox.audit\n"
        f"print(sorted(set(sys.modules) & set({slow.split()})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
