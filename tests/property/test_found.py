"""What random schedules have found, each as the smallest scenario that showed it.

Bugs of ours that are mended, and ways of Celery and Redis that are now on the list.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.audit import audit
from sandbox.errors import ScenarioError
from sandbox.run import Run, broken_laws
from sandbox.scenario import Scenario
from tests.property.harness import Tally, on_the_model
from tests.property.laws import paths_taken, violations


def after(event: str, nth: int = 1, after_s: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"on": "event", "event": event, "nth": nth, "after_s": after_s} | more


def job(service_s: float = 0.5, name: str = "job", **more: Any) -> dict[str, Any]:
    return {"name": name, "service": {"kind": "deterministic", "value_s": service_s}} | more


def ran(*faults: dict[str, Any], n: int = 2, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "name": "found",
        "tasks": [job()],
        "workers": [{}],
        "loads": [{"kind": "burst", "task": "job", "n": n}],
        "broker": {"unacked_restore_interval_s": 0.5, "unacked_restore_throttle": 1},
        "faults": faults,
        "horizon_s": 4.0,
        "deadline_s": 60.0,
    }
    run = on_the_model(Scenario(**(fields | changes)))
    assert violations(run) == []
    return run


@pytest.mark.parametrize("fault", [{"kind": "drop_connections"}, {"kind": "flush"}])
def test_a_solo_worker_that_is_cut_while_it_works_comes_to_an_end(fault: dict[str, Any]) -> None:
    """The model called its reconnection again and again while the slot was not yet idle."""
    cut = {"kind": "drop_connections", "when": after("started", after_s=0.1)}
    run = ran(cut, fault | {"when": after("started", 2)}, workers=[{"pool": "solo"}])
    assert run.of_kind("disconnected") != []
    assert audit(run).counts()["done once"] + audit(run).counts()["done more than once"] == 2


def test_a_delivery_forgotten_unread_is_not_the_one_received() -> None:
    """Cut before the worker has read it: the fold took its second delivery's start for the first's."""
    run = ran({"kind": "drop_connections", "when": after("published")}, n=3)
    first, second = [a for a in run.fold.attempts if a.task == "job/0"]
    assert (first.outcome, first.received_s, first.started_s) == ("forgotten", None, None)
    assert second.outcome == "succeeded" and second.received_s is not None
    assert second.acked_s is not None and first.acked_s is None
    assert broken_laws(run) == []


def test_a_delivery_that_a_child_has_begins_though_main_forgot_it() -> None:
    """Cut between main's hand-over and the body's start: it runs, and its second delivery, too."""
    run = ran({"kind": "drop_connections", "when": after("received")}, n=1)
    first, second = run.fold.attempts
    assert first.started_s is not None and first.outcome == "succeeded"
    assert second.started_s is not None and second.outcome == "succeeded"
    assert audit(run).counts()["done more than once"] == 1
    assert paths_taken(run) == {"given back by its worker while it ran or waited": 1}


def test_what_a_replaced_bucket_holds_runs_though_main_forgot_it() -> None:
    """A new limit of one type replaces every bucket; a cut empties the new ones, not the old.

    celery/worker/consumer/consumer.py `Consumer.on_close`, `reset_rate_limits`.
    """
    run = ran(
        {"kind": "rate_limit", "task": "job", "rate": "5/s", "when": after("started", after_s=0.1)},
        {"kind": "drop_connections", "when": after("started", after_s=0.2)},
        tasks=[job(), job(name="other", rate_limit="2/s")],
        workers=[{"concurrency": 2}],
        loads=[{"kind": "burst", "task": "other", "n": 2}],
    )
    first, second = [a for a in run.fold.attempts if a.task == "other/1"]
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")
    assert audit(run).tasks["other/1"].verdict == "done more than once"


def test_a_stopped_worker_keeps_what_its_brpop_was_answered_with() -> None:
    """A listed hole, even under reject: out of Redis, in nobody's `unacked`, in a stopped socket."""
    run = ran(
        {"kind": "pause_worker", "worker": "worker1", "when": {"on": "time", "at_s": 0.0}},
        tasks=[job(acks_late=True, reject_on_worker_lost=True)],
        n=1,
    )
    assert audit(run).counts()["lost"] == 1
    assert paths_taken(run) == {"taken from its queue and not noted in unacked": 1}


def test_a_thread_whose_result_has_no_place_ends_without_a_word() -> None:
    """As on real workers: no signal is sent, and the ledger alone knows that the body has ended."""
    run = ran(
        {"kind": "cut_off", "worker": "worker1", "when": after("published", after_s=0.1)},
        workers=[{"pool": "threads", "prefetch_multiplier": 1}],
    )
    assert run.of_kind("succeeded", "failed") == []
    assert audit(run).counts()["done once"] >= 1


def test_two_copies_of_a_message_publish_the_same_retry_each() -> None:
    """Listed: both copies fail, and one retry number is sent twice, even under early ack."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.2}
    run = ran(
        {"kind": "sweep", "visibility_timeout_s": 0.1, "when": after("started")},
        tasks=[job(p_failure=1.0, retries=[policy])],
        n=2,
    )
    again = [account for account in audit(run).tasks.values() if account.n_sent > 2]
    assert len(again) == 1
    assert again[0].task in audit(run).at_most_once.tasks


def test_what_a_child_had_when_main_forgot_it_dies_with_its_worker() -> None:
    """Cut off between `received` and `started`, then killed: the slot is free for the next."""
    ran(
        {"kind": "drop_connections", "when": after("published", nth=2, after_s=0.0)},
        {"kind": "kill_worker", "worker": "worker1", "back_after_s": 1.0,
         "when": after("published", after_s=0.1)},
        workers=[{"prefetch_multiplier": 1}],
        loads=[{"kind": "closed", "task": "job", "n_clients": 2, "think": {"kind": "deterministic", "value_s": 0.3}}],
    )  # fmt: skip


def test_a_soft_limit_above_the_hard_one_is_refused() -> None:
    """Celery refuses each publish with it, which ended the client process on real workers."""
    with pytest.raises(ScenarioError, match=r"tasks\[0\].soft_time_limit_s is 0.5; allowed: up to"):
        ran(
            {"kind": "noop", "when": after("started")},
            tasks=[job(soft_time_limit_s=0.5, time_limit_s=0.25)],
        )
    equal = job(soft_time_limit_s=0.25, time_limit_s=0.25)
    assert ran({"kind": "noop", "when": after("started")}, tasks=[equal]).events


def test_a_tally_counts_what_was_drawn() -> None:
    """Kinds, ack modes, verdicts: the table that ``make property`` prints."""
    tally = Tally()
    tally.add(ran({"kind": "noop", "when": after("started")}))
    assert (tally.kinds, tally.modes, tally.verdicts) == (
        {"noop": 1}, {"early": 1}, {"done once": 2},
    )  # fmt: skip
    assert "1  noop" in str(tally)
