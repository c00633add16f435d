"""Conformance, prefetch and pools: how much a worker takes ahead, and with how many processes.

Like test_conformance: the bodies do not know their engine, and faults fire on events.
Compare celery/worker/components.py, consumer/tasks.py, consumer.py and autoscale.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import OnEvent
from sandbox.run import Run
from tests.conftest import Begin
from tests.test_conformance import (
    assert_laws,
    burst,
    executions,
    finish,
    order,
    scenario,
    task,
    verdicts,
)  # fmt: skip


def pool(**fields: Any) -> list[dict[str, Any]]:
    return [{"concurrency": 1} | fields]


def ahead(run: Run) -> int:
    """Return how many messages have been taken before the first task is done."""
    end = run.of_kind("succeeded")[0].t_s
    return sum(event.t_s < end for event in run.of_kind("delivered"))


# --- how much is taken ahead ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "late", "n"),
    [
        ({"prefetch_multiplier": 4}, False, 5),
        ({"prefetch_multiplier": 4}, True, 4),
        ({"prefetch_multiplier": 1}, False, 2),
        ({"prefetch_multiplier": 1}, True, 1),
        ({"prefetch_multiplier": 0}, False, 9),
        ({"prefetch_multiplier": 0}, True, 9),
        ({"prefetch_multiplier": 4, "disable_prefetch": True}, False, 1),
        ({"prefetch_multiplier": 0, "disable_prefetch": True}, True, 1),
        ({"prefetch_multiplier": 4, "disable_prefetch": True, "pool": "threads"}, False, 1),
        ({"prefetch_multiplier": 4, "disable_prefetch": True, "pool": "solo"}, True, 1),
    ],
)
def test_what_a_worker_takes_ahead(
    begin_full: Begin, settings: dict[str, Any], late: bool, n: int
) -> None:
    """P1, P3: 1 × 4, and the running one too under early ack; 0 is all; disabled is none."""
    tasks = [task(service_s=0.5, acks_late=late), task("last", 0.01, acks_late=late)]
    loads = [burst(1), burst(8, "last")]
    run = finish(begin_full, scenario(tasks=tasks, workers=pool(**settings), loads=loads))
    assert ahead(run) == n
    assert verdicts(run) == {"done once": 9}


def test_unlimited_prefetch_leaves_nothing_for_others(begin_full: Begin) -> None:
    """P3: with multiplier 0 the worker that is there takes all; one that comes later idles."""
    described = scenario(
        tasks=[task(service_s=0.2)],
        workers=[{"n_workers": 2, "concurrency": 1, "prefetch_multiplier": 0}],
        loads=[],
    )
    with begin_full(described) as session:
        session.controls.terminate_worker("worker2")
        session.wait_for(OnEvent(event="worker_exited", worker="worker2"))
        session.controls.submit("job", 10)
        session.wait_for(OnEvent(event="started", nth=1))
        session.wait_for(OnEvent(event="received", nth=10))
        session.controls.start_worker("worker2")
        session.wait_for(OnEvent(event="succeeded", nth=10))
    run = session.close()
    assert_laws(run)
    assert {e.worker for e in run.of_kind("started")} == {"worker1"}


HIGH = {
    # (multiplier, late, disabled): how many of the low ones go before the high one
    (4, False, False): 5,
    (4, True, False): 4,
    (1, False, False): 2,
    (1, True, False): 1,
    (4, False, True): 1,
}


@pytest.mark.parametrize("how", HIGH)
def test_prefetched_tasks_go_before_a_higher_priority(
    begin_full: Begin, how: tuple[int, bool, bool]
) -> None:
    """P2, P9: what is in the worker already goes first, also with multiplier 1, early ack."""
    multiplier, late, disabled = how
    tasks = [
        task("first", 0.6, priority=9, acks_late=late),
        task("low", 0.02, priority=9, acks_late=late),
        task("high", 0.02, acks_late=late),
    ]
    loads = [burst(1, "first"), burst(7, "low"), burst(1, "high", 0.3)]
    workers = pool(prefetch_multiplier=multiplier, disable_prefetch=disabled)
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=loads))
    assert order(run).index("high/0") == HIGH[how]


@pytest.mark.parametrize("disabled", [False, True])
def test_rate_limited_tasks_block_the_window(begin_full: Begin, disabled: bool) -> None:
    """P12: held ones keep their credit, also without prefetch: free ones wait for a token."""
    tasks = [task("limited", 0.01, rate_limit="2/s"), task("free", 0.01)]
    loads = [burst(6, "limited"), burst(2, "free", 0.2)]
    workers = pool(disable_prefetch=disabled)
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=loads))
    assert order(run) == [
        "limited/0", "limited/1", "limited/2", "free/0", "free/1",
        "limited/3", "limited/4", "limited/5",
    ]  # fmt: skip


def test_a_rate_limit_saves_nothing_up(begin_full: Begin) -> None:
    """P13: after an idle second the bucket holds one token, as ever."""
    tasks = [task(service_s=0.01, rate_limit="2/s")]
    loads = [burst(1), burst(3, at_s=1.5)]
    run = finish(begin_full, scenario(tasks=tasks, workers=pool(), loads=loads))
    starts = [e.t_s for e in run.of_kind("started")]
    assert starts[-1] - starts[1] >= 2 * 0.5 - 0.15


def test_rate_limited_beyond_the_timeout_runs_twice(begin_full: Begin) -> None:
    """P14: the wait in the bucket counts as unacknowledged, and nothing renews it."""
    broker = {
        "visibility_timeout_s": 1.6, "unacked_restore_interval_s": 0.1, "unacked_restore_throttle": 1,
    }  # fmt: skip
    tasks = [task(service_s=0.01, rate_limit="1/s")]
    described = scenario(tasks=tasks, workers=pool(), loads=[burst(4)], broker=broker)
    run = finish(begin_full, described)
    assert executions(run) == {"job/0": 1, "job/1": 1, "job/2": 2, "job/3": 2}
    assert verdicts(run) == {"done once": 2, "done more than once": 2}


# --- autoscale -----------------------------------------------------------------------------


@pytest.mark.parametrize("acks", [{}, {"acks_late": True}])
def test_autoscale_adds_a_process_for_each_reserved_task(
    begin_full: Begin, acks: dict[str, Any]
) -> None:
    """P15: from 1 to 3 as three tasks are reserved, also with multiplier 1 and late ack."""
    tasks = [task(service_s=0.8, **acks)]
    workers = [{"autoscale": (3, 1), "prefetch_multiplier": 1}]
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=[burst(6)]))
    assert [e.detail["processes"] for e in run.of_kind("scaled")] == [2, 3]
    assert {e.slot for e in run.of_kind("started")} == {0, 1, 2}
    assert verdicts(run) == {"done once": 6}


def test_autoscale_prefetches_for_the_most(begin_full: Begin) -> None:
    """The credit is that of three processes while there is one: 3 × 2."""
    tasks = [task(service_s=0.6, acks_late=True)]
    workers = [{"autoscale": (3, 1), "prefetch_multiplier": 2}]
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=[burst(9)]))
    assert ahead(run) == 6


def test_autoscale_takes_processes_away_at_a_tick(begin_full: Begin) -> None:
    """Nothing received for the keepalive: back to the fewest; never while tasks come."""
    workers = [{"autoscale": (3, 1), "autoscale_keepalive_s": 1.0}]
    with begin_full(scenario(tasks=[task()], workers=workers, loads=[burst(3)])) as session:
        session.wait_for(OnEvent(event="scaled", nth=3))
        session.controls.submit("job", 3)
        session.wait_for(OnEvent(event="succeeded", nth=6))
    run = session.close()
    assert_laws(run)
    assert [e.detail["processes"] for e in run.of_kind("scaled")] == [2, 3, 1, 2, 3]


def test_held_tasks_are_not_reserved(begin_full: Begin) -> None:
    """Tasks that come due do not call the autoscaler: one process takes them in turn."""
    tasks = [task(service_s=0.3, countdown_s=0.5)]
    workers = [{"autoscale": (3, 1)}]
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=[burst(3)]))
    assert {e.slot for e in run.of_kind("started")} == {0}
    assert run.of_kind("scaled") == []
