"""Conformance, countdowns: what a worker holds in its memory until its time.

Like test_conformance: the bodies do not know their engine, and faults fire on events.
Compare celery/worker/strategy.py and consumer.py, ``apply_eta_task`` and ``_limit_post_eta``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sandbox.faults import OnEvent
from sandbox.run import Run
from tests.conftest import Begin
from tests.test_conformance import (
    HOUR_S,
    assert_laws,
    burst,
    executions,
    finish,
    order,
    scenario,
    task,
    verdicts,
)  # fmt: skip

CONNECT_S = 0.3  # what the first publish may take to reach the broker, on a busy machine
ONE: list[dict[str, Any]] = [{"concurrency": 1, "prefetch_multiplier": 1}]
ACKS: list[dict[str, Any]] = [{}, {"acks_late": True}]


def before(run: Run, kind: str, first: str) -> int:
    """Return how many events of a kind come before the first of another."""
    end = run.of_kind(first)[0].t_s
    return sum(event.t_s < end for event in run.of_kind(kind))


def held(worker: str, nth: int) -> dict[str, Any]:
    return {"on": "event", "event": "received", "nth": nth, "after_s": 0.1, "worker": worker}


@pytest.mark.parametrize("acks", ACKS)
def test_held_tasks_do_not_count_against_prefetch(begin_full: Begin, acks: dict[str, Any]) -> None:
    """Each raises the credit by one: a worker with credit 1 holds all six (P5)."""
    tasks = [task(service_s=0.05, countdown_s=1.0, **acks)]
    run = finish(begin_full, scenario(tasks=tasks, workers=ONE, loads=[burst(6)]))
    assert before(run, "eta_held", "started") == 6
    assert verdicts(run) == {"done once": 6}
    sent = {e.task: e.t_s for e in run.of_kind("sent")}
    # The countdown is counted from before the client has a connection, `sent` from after.
    assert all(e.t_s - sent[e.task] >= 1.0 - CONNECT_S for e in run.of_kind("started"))


def test_a_held_task_does_not_take_a_process(begin_full: Begin) -> None:
    """What comes later and need not wait is done first, in its own order."""
    tasks = [task("later", 0.05, countdown_s=1.0), task("job", 0.05)]
    described = scenario(tasks=tasks, workers=ONE, loads=[burst(2, "later"), burst(2, at_s=0.1)])
    run = finish(begin_full, described)
    assert order(run) == ["job/0", "job/1", "later/0", "later/1"]


@pytest.mark.parametrize("acks", ACKS)
def test_a_countdown_beyond_the_timeout_multiplies(begin_full: Begin, acks: dict[str, Any]) -> None:
    """V2: each timeout gives a worker one more copy; all of them run when the time has come."""
    broker = {
        "visibility_timeout_s": 1.0, "unacked_restore_interval_s": 0.1, "unacked_restore_throttle": 1,
    }  # fmt: skip
    tasks = [task(service_s=0.05, countdown_s=2.5, **acks)]
    described = scenario(tasks=tasks, workers=ONE, loads=[burst(2)], broker=broker)
    run = finish(begin_full, described)
    assert executions(run) == {"job/0": 3, "job/1": 3}
    assert verdicts(run) == {"done more than once": 2}
    assert len(run.of_kind("restored")) == 4


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_expires_before_the_countdown_never_runs(begin_full: Begin, pool: str) -> None:
    """T15: received in time, held, and dropped when its time comes, in every pool."""
    tasks = [task(service_s=0.05, countdown_s=0.8, expires_s=0.4)]
    workers = [{"pool": pool, "concurrency": 1}]
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=[burst(2)]))
    assert executions(run) == {}
    assert verdicts(run) == {"revoked": 2}
    kinds = [
        e.kind for e in run.of_kind("eta_held", "eta_released", "revoked") if e.task == "job/0"
    ]
    assert kinds == ["eta_held", "eta_released", "revoked"]


def test_a_retry_keeps_the_first_expiry(begin_full: Begin) -> None:
    """The retry's countdown ends after ``expires``: one attempt, and the retry is dropped."""
    policy = {"kind": "self", "max_retries": 3, "countdown_s": 1.0}
    tasks = [task(service_s=0.05, p_failure=1.0, expires_s=0.6, retries=[policy])]
    run = finish(begin_full, scenario(tasks=tasks, workers=ONE, loads=[burst(2)]))
    assert executions(run) == {"job/0": 1, "job/1": 1}
    assert verdicts(run) == {"revoked": 2}


@pytest.mark.parametrize("acks", ACKS)
def test_sigterm_gives_back_what_is_held(begin_full: Begin, acks: dict[str, Any]) -> None:
    """S3: a warm shutdown restores held tasks; the other worker holds them until their time."""
    tasks = [task(service_s=0.05, countdown_s=2.0, **acks)]
    described = scenario(
        tasks=tasks,
        workers=[{"n_workers": 2, "concurrency": 1}],
        faults=[{"kind": "terminate_worker", "worker": "worker1", "when": held("worker1", 2)}],
    )
    run = finish(begin_full, described)
    by = Counter(e.worker for e in run.of_kind("eta_held"))
    assert executions(run) == {f"job/{n}": 1 for n in range(8)}
    assert {e.worker for e in run.of_kind("started")} == {"worker2"}
    assert by["worker2"] == 8
    assert len(run.of_kind("restored")) == by["worker1"] >= 2


def test_sigkill_strands_what_is_held(begin_full: Begin) -> None:
    """Held tasks of a killed worker stay in `unacked` until the timeout, past their time."""
    kill = {"kind": "kill_worker", "worker": "worker1", "when": held("worker1", 8)}
    described = scenario(
        tasks=[task(service_s=0.05, countdown_s=1.0)],
        workers=ONE,
        faults=[kill | {"back_after_s": 0.2}],
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_ready", worker="worker1"))
        assert session.wait(1.5) == "timeout"
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert executions(run) == {f"job/{n}": 1 for n in range(8)}
    skipped_s = run.of_kind("skipped")[0].t_s
    assert min(e.t_s for e in run.of_kind("started")) > skipped_s
    assert len(run.of_kind("restored")) == 8


def test_after_its_countdown_a_task_waits_for_its_rate_limit(begin_full: Begin) -> None:
    """Held twice: for the ETA, then for a token; starts are as far apart as the rate says."""
    tasks = [task(service_s=0.01, countdown_s=0.5, rate_limit="4/s")]
    run = finish(begin_full, scenario(tasks=tasks, workers=ONE, loads=[burst(4)]))
    kinds = [e.kind for e in run.events if e.task == "job/3" and "held" in e.kind]
    assert kinds == ["eta_held", "rate_held"]
    starts = [e.t_s for e in run.of_kind("started")]
    assert starts[0] >= 0.5 - CONNECT_S
    assert starts[-1] - starts[0] >= 3 * 0.25 - 0.15
    assert verdicts(run) == {"done once": 4}


# --- worker_eta_task_limit -----------------------------------------------------------------


def test_an_eta_limit_leaves_the_rest_in_the_queue(begin_full: Begin) -> None:
    """eta_task_limit=3: credit 1 rises to 3 at most, so three are held and three wait."""
    workers = [ONE[0] | {"eta_task_limit": 3}]
    tasks = [task(service_s=0.3, countdown_s=0.8, acks_late=True)]
    run = finish(begin_full, scenario(tasks=tasks, workers=workers, loads=[burst(6)]))
    assert before(run, "eta_held", "started") == 3
    assert verdicts(run) == {"done once": 6}


def test_an_eta_limit_that_is_reached_costs_credit_for_good(begin_full: Begin) -> None:
    """kombu takes one off for each task held, also where none was added: 4 becomes 1."""
    workers = [{"concurrency": 1, "prefetch_multiplier": 4, "eta_task_limit": 5}]
    tasks = [task("held", 0.02, countdown_s=0.5, acks_late=True), task("job", 0.4, acks_late=True)]
    described = scenario(tasks=tasks, workers=workers, loads=[burst(5, "held")])
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="succeeded", task="held", nth=5))
        session.controls.submit("job", 6)
        session.wait_for(OnEvent(event="succeeded", task="job", nth=1))
        session.wait()
    run = session.close()
    assert_laws(run)
    end = next(e.t_s for e in run.of_kind("succeeded") if e.task == "job/1000000000")
    jobs = [e for e in run.of_kind("delivered") if e.task.startswith("job/")]
    assert sum(e.t_s < end for e in jobs) == 1
