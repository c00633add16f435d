"""sandbox.audit: the verdict on hand-written runs of a few events, and where each task is."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import pytest

from sandbox.audit import VERDICTS, Account, Audit, audit, verdicts
from sandbox.guarantees import Guarantee
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

SCENARIO = Scenario(
    name="hand-written",
    tasks=[{"name": "hi"}],
    workers=[{"name": "w", "n_workers": 2, "concurrency": 2}],
    queues=["celery", "slow"],
    horizon_s=10.0,
)
SENT = Event(0.0, "sent", "hi/0", queue="celery")


def on(worker: str, at: float, kind: str, **more: Any) -> Event:
    """Return an event of hi/0 under its one delivery tag."""
    if kind in ("started", "succeeded", "failed", "retried"):
        more = {"slot": 0, "retry": 0} | more
    return Event(at, kind, "hi/0", worker=worker, tag="a", **more)


def gone(worker: str, at: float) -> Event:
    return Event(at, "worker_exited", worker=worker, detail={"signal": 9})


def dump(at: float, unacked: list[str] | None = None, **queues: list[str]) -> Event:
    return Event(at, "dump", detail={"queues": queues, "unacked": unacked or []})


def judged(*events: Event) -> Audit:
    return audit(Run(SCENARIO, events))


def verdict(*events: Event) -> Account:
    return judged(*events).tasks["hi/0"]


def kinds(task: Account) -> list[str]:
    return [event.kind for event in task.evidence]


DELIVERED, STARTED = on("w1", 0.1, "delivered"), on("w1", 0.2, "started")
DONE, ACKED = on("w1", 0.5, "succeeded"), on("w1", 0.6, "acked")


# --- verdicts ---------------------------------------------------------------------------------


def test_a_task_that_succeeded_once_is_done_once_and_gone() -> None:
    task = verdict(SENT, DELIVERED, STARTED, DONE, ACKED)
    assert (task.verdict, task.where, task.effect_unknown) == ("done once", "gone", False)
    assert kinds(task) == ["sent", "succeeded"]


AGAIN = (
    on("w1", 0.3, "restored"),
    on("w2", 0.4, "delivered"),
    on("w2", 0.45, "started"),
)


def test_a_task_that_succeeded_twice_is_done_more_than_once() -> None:
    twice = (on("w2", 0.7, "succeeded"), on("w2", 0.8, "acked"))
    task = verdict(SENT, DELIVERED, STARTED, *AGAIN, DONE, ACKED, *twice)
    assert (task.verdict, task.where) == ("done more than once", "gone")
    assert kinds(task) == ["sent", "started", "restored", "started", "succeeded", "succeeded"]


def test_a_killed_execution_and_one_success_are_done_once_with_the_effect_unknown() -> None:
    killed = (gone("w1", 0.25), *AGAIN, on("w2", 0.7, "succeeded"), on("w2", 0.8, "acked"))
    task = verdict(SENT, DELIVERED, STARTED, *killed)
    assert (task.verdict, task.where, task.effect_unknown) == ("done once", "gone", True)
    assert kinds(task) == ["sent", "started", "worker_exited", "succeeded"]


def test_a_task_whose_child_died_with_an_early_ack_failed() -> None:
    early = on("w1", 0.15, "acked")
    task = verdict(
        SENT, DELIVERED, early, STARTED, on("w1", 0.4, "child_lost"), on("w1", 0.41, "failed")
    )
    assert (task.verdict, task.where, task.effect_unknown) == ("failed", "gone", True)
    assert kinds(task) == ["sent", "started", "child_lost", "failed"]


def test_an_expired_task_is_revoked() -> None:
    task = verdict(SENT, DELIVERED, on("w1", 0.2, "revoked"), on("w1", 0.2, "acked"))
    assert (task.verdict, task.where, kinds(task)) == ("revoked", "gone", ["sent", "revoked"])


def test_a_task_acknowledged_early_by_a_worker_that_was_killed_is_lost() -> None:
    task = verdict(SENT, DELIVERED, on("w1", 0.15, "acked"), STARTED, gone("w1", 0.3))
    assert (task.verdict, task.where, task.effect_unknown) == ("lost", "gone", True)
    assert kinds(task) == ["sent", "delivered", "acked", "started", "worker_exited"]


def test_a_message_rejected_without_requeue_is_lost() -> None:
    task = verdict(SENT, DELIVERED, on("w1", 0.2, "rejected"))
    assert (task.verdict, kinds(task)) == ("lost", ["sent", "delivered", "rejected"])


def test_a_publish_that_is_unknown_and_left_no_trace_is_unknown() -> None:
    unsure = Event(0.1, "publish_unknown", "hi/0", queue="celery")
    task = verdict(SENT, unsure)
    assert (task.verdict, task.where) == ("unknown", "not known")
    assert kinds(task) == ["sent", "publish_unknown"]


@pytest.mark.parametrize("at", [0.05, 0.15])
def test_a_publish_that_is_unknown_but_was_delivered_is_judged_by_what_came_of_it(
    at: float,
) -> None:
    unsure = Event(at, "publish_unknown", "hi/0", queue="celery")
    events = sorted([SENT, unsure, DELIVERED], key=lambda event: event.t_s)
    back = verdict(*events, on("w1", 0.2, "requeued", queue="slow"))
    assert (back.verdict, back.where) == ("stuck", "queue slow")
    assert verdict(*events, STARTED, DONE, ACKED).verdict == "done once"


# --- where a stuck task is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ((), "queue celery"),
        ((DELIVERED,), "unacked of w1 (alive) since 0.100 s"),
        ((DELIVERED, gone("w1", 0.4)), "unacked of w1 (dead) since 0.100 s"),
        (
            (DELIVERED, gone("w1", 0.4), Event(0.9, "worker_ready", worker="w1")),
            "unacked of w1 (dead) since 0.100 s",
        ),
        ((DELIVERED, on("w1", 0.2, "rate_held")), "held for its rate on w1"),
        ((DELIVERED, on("w1", 0.2, "eta_held")), "held for its eta on w1"),
        ((DELIVERED, on("w1", 0.15, "acked"), STARTED), "running on w1 slot 0"),
        ((DELIVERED, STARTED), "running on w1 slot 0; unacked of w1 (alive) since 0.100 s"),
        (
            (DELIVERED, STARTED, on("w1", 0.3, "restored")),
            "running on w1 slot 0; queue celery",
        ),
        ((DELIVERED, on("w1", 0.3, "requeued", queue="slow")), "queue slow"),
    ],
)
def test_a_task_that_is_not_gone_at_the_end_is_stuck_and_somewhere(
    events: tuple[Event, ...], where: str
) -> None:
    task = verdict(SENT, *events)
    assert (task.verdict, task.where) == ("stuck", where)


# --- the broker's last dump overrules the events ----------------------------------------------


def test_a_queued_task_that_the_broker_does_not_hold_is_lost() -> None:
    """The hole between BRPOP and `unacked`: popped by a worker that died before noting it."""
    last = dump(9.0, celery=[])
    task = verdict(SENT, last)
    assert (task.verdict, task.where) == ("lost", "gone")
    assert task.evidence == (SENT, last)


def test_a_queued_task_that_the_broker_holds_is_stuck_there() -> None:
    task = verdict(SENT, dump(9.0, slow=["hi/0"]))
    assert (task.verdict, task.where, kinds(task)) == ("stuck", "queue slow", ["sent", "dump"])


def test_an_unacked_task_is_stuck_only_if_the_broker_has_it() -> None:
    crash = (SENT, DELIVERED, gone("w1", 0.4))
    kept = verdict(*crash, dump(9.0, ["hi/0"], celery=[]))
    assert (kept.verdict, kept.where) == ("stuck", "unacked of w1 (dead) since 0.100 s")
    assert verdict(*crash, dump(9.0, celery=[])).verdict == "lost"


def test_a_task_that_still_runs_is_not_lost_when_the_broker_does_not_have_it() -> None:
    running = verdict(SENT, DELIVERED, on("w1", 0.15, "acked"), STARTED, dump(9.0, celery=[]))
    assert (running.verdict, running.where) == ("stuck", "running on w1 slot 0")


def test_a_copy_that_a_living_worker_will_begin_is_not_lost_without_its_message() -> None:
    crash = (SENT, DELIVERED, on("w1", 0.3, "restored"))
    kept = verdict(*crash, dump(9.0, celery=[]))
    assert (kept.verdict, kept.where) == ("stuck", "in the memory of w1, without a message")
    assert verdict(*crash, gone("w1", 0.4), dump(9.0, celery=[])).verdict == "lost"


def test_a_task_that_the_events_lost_but_the_broker_holds_is_stuck() -> None:
    task = verdict(SENT, DELIVERED, on("w1", 0.2, "acked"), dump(9.0, ["hi/0"]))
    assert (task.verdict, task.where) == ("stuck", "unacked of an unknown worker")


def test_a_dump_says_nothing_of_what_moves_after_it() -> None:
    assert verdict(dump(-1.0, celery=[]), SENT).verdict == "stuck"


def test_a_task_that_only_the_dump_knows_is_stuck() -> None:
    found = judged(dump(9.0, celery=["hi/7"]))
    assert found.tasks["hi/7"].where == "queue celery"
    assert verdicts(Run(SCENARIO, (dump(9.0, celery=["hi/7"]),))) == {"hi/7": "stuck"}


# --- independence -----------------------------------------------------------------------------

CRASH = (
    SENT,
    DELIVERED,
    STARTED,
    Event(0.3, "control", "hi/0", worker="w1", detail={"verb": "kill_worker"}),
    gone("w1", 0.3),
)


def test_the_audit_never_reads_faults_or_control_events() -> None:
    fault = {"kind": "kill_worker", "worker": "w1", "when": {"on": "time", "at_s": 0.3}}
    with_faults = audit(Run(SCENARIO.but(faults=[fault]), CRASH))
    without = audit(Run(SCENARIO, tuple(e for e in CRASH if e.kind != "control")))
    assert with_faults == without


def test_the_quick_verdicts_are_those_of_the_audit() -> None:
    run = Run(SCENARIO, CRASH)
    assert verdicts(run) == {t.task: t.verdict for t in audit(run).tasks.values()}


# --- guarantees -------------------------------------------------------------------------------


def test_both_guarantees_hold_when_everything_was_done_once() -> None:
    found = judged(SENT, DELIVERED, STARTED, DONE, ACKED)
    assert (found.at_least_once.verdict, found.at_most_once.verdict) == ("holds", "holds")


def test_a_lost_task_violates_at_least_once_only() -> None:
    found = judged(SENT, DELIVERED, on("w1", 0.2, "rejected"))
    assert (found.at_least_once.verdict, found.at_least_once.tasks) == ("violated", ("hi/0",))
    assert found.at_most_once.verdict == "holds"


def test_a_task_given_up_because_its_child_died_violates_at_least_once() -> None:
    died = (on("w1", 0.4, "child_lost"), on("w1", 0.41, "failed"), on("w1", 0.42, "acked"))
    assert judged(SENT, DELIVERED, STARTED, *died).at_least_once.verdict == "violated"


def test_a_task_whose_body_raised_does_not() -> None:
    raised = (on("w1", 0.4, "failed"), on("w1", 0.42, "acked"))
    assert judged(SENT, DELIVERED, STARTED, *raised).at_least_once.verdict == "holds"


def test_an_unfinished_task_or_an_unsure_publish_leaves_at_least_once_open() -> None:
    stuck, unsure = judged(SENT), judged(SENT, Event(0.1, "publish_unknown", "hi/0"))
    for found in (stuck, unsure):
        assert found.at_least_once.verdict == "unknown" and found.at_least_once.cause
    assert stuck.at_least_once.cause != unsure.at_least_once.cause


def test_two_ends_violate_at_most_once_and_a_kill_leaves_it_open() -> None:
    end = (on("w2", 0.7, "succeeded"), on("w2", 0.8, "acked"))
    twice = judged(SENT, DELIVERED, STARTED, *AGAIN, DONE, *end)
    assert (twice.at_most_once.verdict, twice.at_most_once.tasks) == ("violated", ("hi/0",))
    killed = judged(SENT, DELIVERED, STARTED, gone("w1", 0.25), *AGAIN, *end)
    assert killed.at_most_once.verdict == "unknown"
    assert killed.at_least_once.verdict == "holds"


def test_a_message_that_is_left_of_a_done_task_leaves_at_most_once_open() -> None:
    found = judged(SENT, DELIVERED, STARTED, on("w1", 0.3, "restored"), DONE)
    assert (found.tasks["hi/0"].verdict, found.at_most_once.verdict) == ("done once", "unknown")


def test_retries_are_no_duplicates() -> None:
    retry = (on("w1", 0.5, "retried"), ACKED, Event(0.6, "sent", "hi/0", queue="celery"))
    second = [Event(0.7, "delivered", "hi/0", worker="w1", tag="b")]
    second += [
        Event(at, kind, "hi/0", worker="w1", slot=0, tag="b", retry=1)
        for at, kind in ((0.8, "started"), (0.9, "succeeded"))
    ]
    last = Event(1.0, "acked", "hi/0", worker="w1", tag="b")
    found = judged(SENT, DELIVERED, STARTED, *retry, *second, last)
    assert found.at_most_once == Guarantee("at most once", "holds")


# --- how it is shown --------------------------------------------------------------------------


def test_the_summary_counts_and_proves_what_is_not_done_once() -> None:
    found = judged(*CRASH)
    proof = "sent at 0.000 s; delivered at 0.100 s on w1; started at 0.200 s on w1; "
    assert str(found).splitlines() == [
        "audit of 'hand-written' on ?: 1 tasks, judged from the events",
        "  stuck                      1",
        "  published 0, delivered 1, started 1, succeeded 0, effects applied 0, effective 0",
        "  lost 0, duplicated 0, stuck 1, reordered 0, late 0",
        "  at least once: unknown for hi/0 (not finished when the run ended)",
        "  at most once: holds",
        "  effectively once: unknown for hi/0 (no ledger is kept of it)",
        "  hi/0: stuck, effect of a killed execution unknown; unacked of w1 (dead) since 0.100 s",
        f"    {proof}worker_exited at 0.300 s on w1",
    ]


def test_counts_frame_and_of_speak_of_the_same_tasks() -> None:
    found = judged(*CRASH)
    assert list(found.counts()) == list(VERDICTS) and found.counts()["stuck"] == 1
    assert found.of("stuck") == (found.tasks["hi/0"],)
    assert found.to_frame().loc["hi/0", "verdict"] == "stuck"
    with pytest.raises(ValueError, match="did you mean 'stuck'"):
        found.of("stuk")


@pytest.mark.parametrize("name", ["audit", "guarantees"])
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sandbox.{name}")).failed == 0
