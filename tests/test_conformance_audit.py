"""Conformance: what the audit finds is equal in the model, on the fake and on Redis.

The ledger's rows are what the executions have done, an account's places are the broker's dump,
and every task that was published has one verdict.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sandbox.audit import Audit, audit
from sandbox.audit import verdicts as quick
from sandbox.faults import OnEvent
from sandbox.left import Left
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.conftest import Begin
from tests.test_conformance import (
    ACK_MODES,
    HOUR_S,
    burst,
    executions,
    finish,
    on_start,
    scenario,
    task,
)
from tests.test_conformance_lifecycle import QUICK_SWEEPS

HOLDS, BROKEN, OPEN = "holds", "violated", "unknown"
ALONE = [{"concurrency": 1, "prefetch_multiplier": 1}]


def told(found: Audit) -> tuple[str, ...]:
    return tuple(one.verdict for one in found.guarantees)


def assert_accounted(run: Run) -> Audit:
    """Hold a run against the laws that join ledger, dump and record; return its audit."""
    found = audit(run)
    assert run.ledger is not None and run.left is not None
    # Every task that was published has one verdict, and the quick way comes to the same.
    assert {event.task for event in run.of_kind("sent")} == found.tasks.keys()
    assert sum(found.counts().values()) == len(found.tasks)
    assert quick(run) == {name: account.verdict for name, account in found.tasks.items()}
    # The account's places are what the broker's dump holds, message by message.
    placed = Counter(
        (name, p.where, p.queue, p.step) if p.where == "queue" else (name, "unacked", p.tag, None)
        for name, account in found.tasks.items()
        for p in account.places
        if p.where in {"queue", "unacked", "eta", "rate"}
    )
    assert placed == Counter(map(_as_placed, run.left))
    # Of each task one effect counts, if any was applied.
    effects = Counter(effect.task for effect in run.ledger.effects)
    effective = Counter(effect.task for effect in run.ledger.effects if effect.effective)
    assert effective == Counter(effects.keys())
    for name, account in found.tasks.items():
        assert (account.n_effects, account.n_effective) == (effects[name], effective[name])
    return found


def _as_placed(left: Left) -> tuple[Any, ...]:
    if left.where == "queue":
        return (left.task, "queue", left.queue, left.step)
    return (left.task, "unacked", left.tag, None)


def assert_effects_are_successes(run: Run) -> None:
    """Each execution that succeeded has its row, on its worker; no other has one."""
    assert run.ledger is not None
    rows = Counter((e.task, e.worker, e.tag, e.retry) for e in run.ledger.effects)
    ended = Counter((e.task, e.worker, e.tag, e.retry) for e in run.of_kind("succeeded"))
    assert rows == ended


def ended(begin: Begin, described: Scenario) -> Run:
    with begin(described) as session:
        assert session.wait() == "deadline"
    return session.close()


# --- the ledger -------------------------------------------------------------------------------


def test_each_execution_that_succeeds_has_one_row(begin: Begin) -> None:
    """Some fail, some are retried: only a body that comes to its end applies its effect."""
    policy = {"kind": "self", "max_retries": 2, "countdown_s": 0.1}
    tasks = [task(service_s=0.05, p_failure=0.4, retries=[policy])]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(12)]))
    found = assert_accounted(run)
    assert_effects_are_successes(run)
    assert run.of_kind("retried") != []
    assert told(found) == (HOLDS, HOLDS, HOLDS)
    assert found.totals.effects == found.counts()["done once"]


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_other_pools_keep_the_same_ledger(begin: Begin, pool: str) -> None:
    """A process of threads, or one body at a time in the main process: a row each."""
    workers = [{"pool": pool, "concurrency": 1 if pool == "solo" else 2}]
    run = finish(begin, scenario(workers=workers, tasks=[task(service_s=0.05)]))
    assert_effects_are_successes(run)
    assert told(assert_accounted(run)) == (HOLDS, HOLDS, HOLDS)


def test_a_body_killed_by_its_hard_limit_applies_nothing(begin: Begin) -> None:
    """Given up without an end of its own: no row, and at least once is broken by this task alone."""
    tasks = [task("slow", 8.0, time_limit_s=0.6, acks_late=True), task("job", 0.05)]
    described = scenario(tasks=tasks, loads=[burst(1, "slow"), burst(2)])
    run = finish(begin, described)
    found = assert_accounted(run)
    assert_effects_are_successes(run)
    slow = found.tasks["slow/0"]
    assert (slow.verdict, slow.n_killed, slow.n_effects) == ("failed", 1, 0)
    assert told(found) == (BROKEN, HOLDS, BROKEN)
    assert found.at_least_once.tasks == ("slow/0",)


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_killed_worker_leaves_no_doubt(begin: Begin, mode: str) -> None:
    """Without a ledger nobody would know what the killed executions had done; with it they do."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="succeeded", nth=4 if mode == "early" else 6))
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    found = assert_accounted(run)
    assert_effects_are_successes(run)
    killed = [account for account in found.tasks.values() if account.n_killed]
    assert len(killed) == 2
    assert not any(account.effect_unknown for account in killed)
    assert told(found) == ((BROKEN if mode == "early" else HOLDS), HOLDS, told(found)[0])
    assert found.unknown_share == 0.0


def test_a_second_effect_is_a_prevented_duplicate(begin: Begin) -> None:
    """A pause past the visibility timeout runs tasks twice: applied twice, and once effective."""
    resume = {"kind": "resume_worker", "worker": "worker1"}
    described = scenario(
        tasks=[task(service_s=0.5, acks_late=True)],
        broker=QUICK_SWEEPS,
        loads=[burst(4)],
        faults=[
            {"kind": "pause_worker", "worker": "worker1", "when": on_start(2)},
            resume | {"when": {"on": "event", "event": "succeeded", "nth": 4, "worker": "worker2"}},
        ],
    )
    run = finish(begin, described)
    found = assert_accounted(run)
    assert_effects_are_successes(run)
    assert (found.totals.duplicated, found.totals.effects, found.totals.effective) == (2, 6, 4)
    assert told(found) == (HOLDS, BROKEN, HOLDS)
    assert set(found.at_most_once.tasks) == {k for k, n in executions(run).items() if n == 2}


def test_a_task_that_failed_for_want_of_a_broker_has_done_its_work(begin: Begin) -> None:
    """Its result could not be stored: FAILURE, says Celery; its effect is in the ledger."""
    described = scenario(
        tasks=[task(service_s=0.5, acks_late=True)],
        workers=ALONE,
        loads=[burst(1)],
        faults=[{"kind": "stop_broker", "when": on_start(1), "down_s": 1.0}],
    )
    run = finish(begin, described)
    account = assert_accounted(run).tasks["job/0"]
    assert (account.verdict, account.state) == ("failed", "FAILURE")
    assert (account.n_succeeded, account.n_effects) == (0, 1)
    assert told(audit(run)) == (HOLDS, HOLDS, HOLDS)


# --- the dump ---------------------------------------------------------------------------------


def test_queued_messages_are_found_in_their_priority_steps(begin: Begin) -> None:
    """A queue that nobody serves: each message in the list of its step, back to front."""
    tasks = [task(), *(task(f"p{p}", queue="nobody", priority=p) for p in (0, 4, 9))]
    loads = [burst(1), *(burst(2, f"p{p}") for p in (0, 4, 9))]
    described = scenario(
        tasks=tasks, loads=loads, queues=["celery", "nobody"], horizon_s=0.5, deadline_s=1.0
    )
    run = ended(begin, described)
    found = assert_accounted(run)
    assert [(left.task, left.step) for left in run.left or ()] == [
        (f"p{p}/{n}", step) for p, step in ((0, 0), (4, 3), (9, 9)) for n in (1, 0)
    ]
    assert found.tasks["p4/1"].where == "queue nobody, priority step 3"
    assert told(found) == (OPEN, HOLDS, OPEN)
    assert found.totals.stuck == 6


def test_unacknowledged_messages_are_found_with_their_owner(begin: Begin) -> None:
    """Those of a killed worker are its own, since their delivery, and nobody's to come."""
    described = scenario(
        tasks=[task(service_s=0.4, acks_late=True)],
        loads=[burst(4)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2)}],
        horizon_s=0.5,
        deadline_s=1.5,
    )
    run = ended(begin, described)
    found = assert_accounted(run)
    assert {left.worker for left in run.left or ()} == {"worker1"}
    stuck = found.of("stuck")
    assert len(stuck) == 2
    for account in stuck:
        (place,) = account.places
        (left,) = [one for one in run.left or () if one.task == account.task]
        assert (place.where, place.worker, place.alive) == ("unacked", "worker1", False)
        assert place.since_s == pytest.approx(left.since_s, abs=0.5)


def test_what_was_skipped_ages_the_broker_s_own_times_only(begin: Begin) -> None:
    """`unacked_index` has them an hour older; the recorder knows since when they are there."""
    described = scenario(
        tasks=[task(service_s=30.0, acks_late=True)],
        workers=ALONE,
        loads=[burst(1)],
        broker={"visibility_timeout_s": 3 * HOUR_S},
        horizon_s=0.5,
        deadline_s=2.0,
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="started"))
        session.controls.skip(HOUR_S)
        assert session.wait() == "deadline"
    run = session.close()
    assert_accounted(run)
    (left,) = run.left or ()
    running, unacked = audit(run).tasks["job/0"].places
    assert (running.where, running.slot, unacked.where) == ("running", 0, "unacked")
    assert unacked.since_s is not None and left.since_s is not None
    assert unacked.since_s - left.since_s == pytest.approx(HOUR_S, abs=0.5)


def test_what_is_held_is_named_with_what_holds_it(begin: Begin) -> None:
    """For its ETA, or by a rate limit: in a worker's memory, and in `unacked`."""
    tasks = [task("timed", 0.01, countdown_s=60.0), task("rated", 0.01, rate_limit="1/h")]
    described = scenario(
        tasks=tasks,
        workers=[{"concurrency": 2}],
        loads=[burst(2, "timed"), burst(2, "rated")],
        horizon_s=0.5,
        deadline_s=1.5,
    )
    run = ended(begin, described)
    found = assert_accounted(run)
    held = {name: [p.where for p in account.places] for name, account in found.tasks.items()}
    assert held == {"timed/0": ["eta"], "timed/1": ["eta"], "rated/0": [], "rated/1": ["rate"]}
    assert found.tasks["rated/1"].where == "held for its rate on worker1"


def test_a_task_that_was_rejected_names_who_did(begin: Begin) -> None:
    """acks_on_failure off: a failed task's message is rejected without requeue, and dropped."""
    tasks = [task(service_s=0.05, p_failure=1.0, acks_late=True, acks_on_failure=False)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)]))
    account = assert_accounted(run).tasks["job/0"]
    assert (account.verdict, account.state, account.in_motion) == ("failed", "FAILURE", False)
    assert [(p.where, p.worker) for p in account.places] == [
        ("rejected", run.of_kind("rejected")[0].worker)
    ]


# --- order ------------------------------------------------------------------------------------


def test_a_prefetched_task_is_overtaken(begin: Begin) -> None:
    """Behind a long body of its own worker, while the other one empties the queue."""
    tasks = [task("long", 1.2), task("short", 0.05)]
    workers = [{"n_workers": 2, "concurrency": 1, "prefetch_multiplier": 1}]
    described = scenario(tasks=tasks, workers=workers, loads=[burst(1, "long")])
    with begin(described) as session:
        session.wait_for(OnEvent(event="started"))
        session.controls.submit("short", 6)
        assert session.wait() == "drained"
    run = session.close()
    found = assert_accounted(run)
    busy = run.of_kind("started")[0].worker
    behind = {e.task for e in run.of_kind("delivered") if e.worker == busy and e.task != "long/0"}
    overtaken = {name for name, account in found.tasks.items() if account.overtaken_by}
    assert overtaken == behind and len(behind) == 1
