"""Conformance, acks and losses: what becomes of a message whose attempt ended badly.

Like test_conformance: the bodies do not know their engine, and faults fire on events.
Compare celery/worker/request.py, ``on_failure``, ``on_timeout`` and ``_retry_worker_lost``.
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
    on_start,
    order,
    scenario,
    task,
    verdicts,
)  # fmt: skip

ONE: list[dict[str, Any]] = [{"concurrency": 1, "prefetch_multiplier": 1}]
LATE: dict[str, Any] = {"acks_late": True}
REJECT = LATE | {"reject_on_worker_lost": True}
RETRY: dict[str, Any] = {
    "retry_on_worker_lost": True, "default_retry_delay_s": 0.3, "max_retries": 1,
}  # fmt: skip


def kills(n: int) -> list[dict[str, Any]]:
    """Kill the child of worker1 during each of the first ``n`` executions."""
    return [
        {"kind": "kill_child", "worker": "worker1", "when": on_start(nth + 1)} for nth in range(n)
    ]


def told(run: Run, key: str, *kinds: str) -> list[str]:
    """Return the kinds of a task's events, in order, of those that are asked for."""
    return [e.kind for e in run.of_kind(*kinds) if e.task == key]


# --- acks_on_failure -----------------------------------------------------------------------


@pytest.mark.parametrize(("flag", "end"), [(True, "acked"), (False, "rejected")])
def test_acks_on_failure_decides_how_a_failed_message_goes(
    begin: Begin, flag: bool, end: str
) -> None:
    """Late ack and a failure: acknowledged, or rejected without requeue; once, gone either way."""
    tasks = [task(service_s=0.05, p_failure=1.0, acks_on_failure=flag, **LATE)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(3)], workers=ONE))
    assert executions(run) == {f"job/{n}": 1 for n in range(3)}
    assert verdicts(run) == {"failed": 3}
    assert told(run, "job/0", "acked", "rejected", "requeued") == [end]


def test_acks_on_failure_is_not_asked_under_early_ack(begin: Begin) -> None:
    """Early ack: the message is gone before its body begins, so nothing is rejected."""
    tasks = [task(service_s=0.05, p_failure=1.0, acks_on_failure=False)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(2)], workers=ONE))
    assert told(run, "job/0", "acked", "rejected") == ["acked"]
    assert verdicts(run) == {"failed": 2}


def test_a_retried_failure_is_acknowledged_all_the_same(begin: Begin) -> None:
    """acks_on_failure=False concerns the last failure; a retry acknowledges before it."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.1}
    tasks = [task(service_s=0.05, p_failure=1.0, acks_on_failure=False, retries=[policy], **LATE)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)], workers=ONE))
    assert told(run, "job/0", "acked", "rejected") == ["acked", "rejected"]


def test_acks_on_failure_takes_a_lost_child_too(begin: Begin) -> None:
    """WorkerLostError is a failure: with acks_on_failure=False it is rejected, and gone."""
    tasks = [task(service_s=0.6, acks_on_failure=False, **LATE)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(2)], workers=ONE, faults=kills(1)))
    assert told(run, "job/0", "child_lost", "acked", "rejected", "requeued") == [
        "child_lost", "rejected",
    ]  # fmt: skip
    assert verdicts(run) == {"done once": 1, "failed": 1}


# --- acks_on_timeout -----------------------------------------------------------------------


def test_without_acks_on_timeout_a_hard_limit_loops_for_ever(begin: Begin) -> None:
    """reject(requeue) without a count: to the back of the queue, killed again, until the end."""
    tasks = [
        task("slow", 9.0, time_limit_s=0.5, acks_on_timeout=False, **LATE),
        task("job", 0.05, **LATE),
    ]
    # Nobody waits for the third end: a killed process may be replaced only at the 5 s tick.
    described = scenario(tasks=tasks, loads=[burst(1, "slow"), burst(2)], workers=ONE)
    with begin(described) as session:
        session.wait_for(OnEvent(event="started", task="slow", nth=3), timeout_s=20.0)
    run = session.close()
    assert_laws(run)
    assert order(run) == ["slow/0", "job/0", "job/1", "slow/0", "slow/0"]
    assert len(told(run, "slow/0", "requeued")) == 2
    assert len(told(run, "slow/0", "failed")) == 2
    assert told(run, "slow/0", "acked", "rejected") == []


def test_acks_on_timeout_is_not_asked_under_early_ack(begin: Begin) -> None:
    """Early ack: nothing is left to requeue, so a hard limit ends the task."""
    tasks = [task(service_s=9.0, time_limit_s=0.5, acks_on_timeout=False)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)], workers=ONE))
    assert executions(run) == {"job/0": 1}
    assert verdicts(run) == {"failed": 1}


# --- retry_on_worker_lost and reject_on_worker_lost ----------------------------------------


@pytest.mark.parametrize("mode", [{}, LATE, REJECT])
def test_a_lost_worker_is_retried_under_every_ack_mode(begin: Begin, mode: dict[str, Any]) -> None:
    """retry_on_worker_lost goes first, even under early ack: a retry, after the delay."""
    tasks = [task(service_s=0.6, **mode, **RETRY)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(2)], workers=ONE, faults=kills(1)))
    assert executions(run) == {"job/0": 2, "job/1": 1}
    assert verdicts(run) == {"done once": 2}
    assert told(run, "job/0", "child_lost", "retried", "requeued", "failed") == [
        "child_lost", "retried",
    ]  # fmt: skip
    assert [e.retry for e in run.of_kind("started") if e.task == "job/0"] == [0, 1]
    again = run.of_kind("eta_released")
    assert [e.task for e in again] == ["job/0"]
    assert again[0].t_s - run.of_kind("child_lost")[0].t_s >= 0.3 - 0.02


@pytest.mark.parametrize("mode", [{}, REJECT])
def test_lost_workers_count_against_max_retries(begin: Begin, mode: dict[str, Any]) -> None:
    """max_retries=1: lost twice is FAILURE, and reject_on_worker_lost does not requeue it."""
    tasks = [task(service_s=0.6, **mode, **RETRY)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)], workers=ONE, faults=kills(2)))
    assert executions(run) == {"job/0": 2}
    assert verdicts(run) == {"failed": 1}
    assert told(run, "job/0", "child_lost", "retried", "requeued", "failed") == [
        "child_lost", "retried", "child_lost", "failed",
    ]  # fmt: skip


def test_a_poison_pill_is_requeued_without_a_count(begin: Begin) -> None:
    """reject_on_worker_lost: as often as its child dies; max_retries is not asked (V8)."""
    tasks = [task(service_s=0.6, max_retries=1, **REJECT)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)], workers=ONE, faults=kills(3)))
    assert executions(run) == {"job/0": 4}
    assert verdicts(run) == {"done once": 1}
    assert len(run.of_kind("requeued")) == 3
    assert {e.retry for e in run.of_kind("started")} == {0}


def test_a_killed_worker_is_not_retried_by_anybody(begin: Begin) -> None:
    """retry_on_worker_lost is the main process's doing: when that dies, early ack loses."""
    fault = {"kind": "kill_worker", "worker": "worker1", "when": on_start(1)}
    described = scenario(
        tasks=[task(service_s=0.6, **RETRY)], loads=[burst(1)], workers=ONE, faults=[fault]
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="worker_exited", worker="worker1"))
        session.wait()
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"lost": 1}
    assert run.of_kind("retried") == []
