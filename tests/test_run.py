"""Run and fold: what a few hand-written events come to, and what no run may be."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sandbox
from sandbox.errors import RunError
from sandbox.fold import Fold
from sandbox.journeys import Attempt, Journey
from sandbox.overheads import Overheads
from sandbox.run import COLUMNS, FORMAT_VERSION, KINDS, Event, Run, broken_laws, first
from tests.test_scenario import laws, mutated, sentence_of, small

HOUR_S = 3600.0


def sent(t_s: float, task: str = "hi/0", **more: Any) -> Event:
    return Event(t_s, "sent", task, queue="celery", **more)


def on(t_s: float, kind: str, task: str = "hi/0", worker: str = "w1", **more: Any) -> Event:
    """Return what a worker does with a message, whose tag is the task's name unless given."""
    return Event(t_s, kind, task, worker=worker, **({"tag": task} | more))


def run_by(t_s: float, kind: str, task: str = "hi/0", worker: str = "w1", **more: Any) -> Event:
    """Return what one of a worker's processes does with a task."""
    return on(t_s, kind, task, worker, **({"slot": 0, "retry": 0} | more))


def exited(t_s: float, worker: str = "w1") -> Event:
    return Event(t_s, "worker_exited", worker=worker, detail={"signal": 9})


def skipped(t_s: float, seconds: float = HOUR_S) -> Event:
    return Event(t_s, "skipped", detail={"seconds": seconds})


def fold_of(*events: Event) -> Fold:
    return Fold().feed(events)


def run_of(*events: Event) -> Run:
    scenario = small(workers=[{"name": "w", "n_workers": 2, "concurrency": 2}])
    return Run(scenario, events, {"engine": "by hand"})


LATE_ACK = (
    sent(0.0),
    on(0.1, "delivered"),
    on(0.2, "received"),
    run_by(0.3, "started"),
    run_by(0.8, "succeeded"),
    on(0.9, "acked"),
)


def outcomes(fold: Fold) -> list[str | None]:
    return [attempt.outcome for attempt in fold.attempts]


def places(fold: Fold) -> tuple[int, int, int]:
    """Return how many messages are queued, unacknowledged, and how many executions run."""
    return fold.queued, fold.unacked, fold.running


@cache
def leadlawk() -> Run:
    """Return the model's run of LeadLawk: every kind of event that the model has."""
    return sandbox.run(sandbox.load("leadlawk"), engine="model", overheads=Overheads())


# --- the fold on a few events ---------------------------------------------------------------------


def test_a_task_with_late_ack_is_in_one_place_after_the_other() -> None:
    """Queue, unacked, running and unacked, unacked, gone."""
    steps = [places(fold_of(*LATE_ACK[: n + 1])) for n in range(len(LATE_ACK))]
    assert steps == [(1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 1), (0, 1, 0), (0, 0, 0)]
    drained = [fold_of(*LATE_ACK[:n]).drained for n in range(len(LATE_ACK) + 1)]
    assert drained == [True, False, False, False, False, False, True]


def test_an_attempt_carries_every_moment_of_its_way() -> None:
    """One delivery and the execution it led to are one row."""
    (attempt,) = fold_of(*LATE_ACK).attempts
    assert attempt == Attempt(
        task="hi/0", delivery=1, worker="w1", tag="hi/0", queue=None, sent_s=0.0,
        delivered_s=0.1, received_s=0.2, execution=1, retry=0, slot=0, started_s=0.3,
        ended_s=0.8, acked_s=0.9, outcome="succeeded",
    )  # fmt: skip


def test_an_early_ack_leaves_nothing_in_unacked_while_the_task_runs() -> None:
    """Acknowledged before it starts: only the execution is left to wait for."""
    events = (sent(0.0), on(0.1, "delivered"), on(0.2, "acked"), run_by(0.3, "started"))
    fold = fold_of(*events)
    assert places(fold) == (0, 0, 1)
    assert not fold.drained
    assert fold.feed([run_by(0.8, "succeeded")]).drained


def test_a_delivered_message_is_reserved_until_it_starts() -> None:
    """In a living worker's memory: reserved. Begun, or its worker gone: not."""
    begun = (sent(0.0), on(0.1, "delivered"))
    assert fold_of(*begun).reserved == 1
    assert fold_of(*begun, run_by(0.2, "started")).reserved == 0
    assert fold_of(*begun, exited(0.2)).reserved == 0


def test_a_killed_worker_leaves_its_late_acked_message_in_unacked() -> None:
    """The execution is killed, the message is orphaned, and the run is not over."""
    fold = fold_of(*LATE_ACK[:4], exited(0.5))
    assert places(fold) == (0, 1, 0)
    assert (fold.orphaned, fold.drained, outcomes(fold)) == (1, False, ["killed"])
    assert fold.attempts[0].ended_s == 0.5


def test_a_restored_message_is_run_by_another_worker() -> None:
    """Killed, skipped, restored, delivered again, done: two rows, one success."""
    fold = fold_of(
        *LATE_ACK[:4], exited(0.5), skipped(1.0), on(1.1, "restored", worker="w2"),
        on(1.2, "delivered", worker="w2"), run_by(1.3, "started", worker="w2"),
        run_by(1.8, "succeeded", worker="w2"), on(1.9, "acked", worker="w2"),
    )  # fmt: skip
    journey = fold.journeys["hi/0"]
    assert fold.drained
    assert outcomes(fold) == ["killed", "succeeded"]
    assert (journey.n_deliveries, journey.n_executions, journey.n_killed) == (2, 2, 1)
    assert fold.scenario_time(1.3) == pytest.approx(1.3 + HOUR_S)
    assert fold.scenario_time(0.5) == 0.5


def test_a_killed_worker_with_early_ack_loses_what_it_ran() -> None:
    """Acknowledged and begun, then killed: nothing is left anywhere, and nothing succeeded."""
    fold = fold_of(
        sent(0.0), on(0.1, "delivered"), on(0.1, "acked"), run_by(0.2, "started"), exited(0.5)
    )
    assert fold.drained
    assert outcomes(fold) == ["killed"]
    assert fold.journeys["hi/0"].finished_s is None


def test_a_stale_ack_takes_the_message_from_its_new_owner() -> None:
    """Swept from a slow worker, delivered to another: the first one's ack removes the message."""
    fold = fold_of(
        *LATE_ACK[:4], on(0.4, "restored", worker="w2"), on(0.5, "delivered", worker="w2"),
        run_by(0.6, "started", worker="w2"), run_by(0.8, "succeeded"), on(0.9, "acked"),
    )  # fmt: skip
    assert places(fold) == (0, 0, 1)
    assert [attempt.acked_s for attempt in fold.attempts] == [0.9, None]
    fold.feed([run_by(1.2, "succeeded", worker="w2"), on(1.3, "acked", worker="w2")])
    assert fold.drained
    assert fold.journeys["hi/0"].n_succeeded == 2
    assert [attempt.acked_s for attempt in fold.attempts] == [0.9, 1.3]


def test_a_stale_ack_does_not_take_a_message_that_waits_in_its_queue() -> None:
    """Restored and not yet delivered again: the ack finds nothing in unacked."""
    fold = fold_of(*LATE_ACK[:4], on(0.4, "restored", worker="w2"), *LATE_ACK[4:])
    assert places(fold) == (1, 0, 0)
    assert not fold.drained


def test_a_worker_that_gets_its_own_message_again_takes_the_copies_in_turn() -> None:
    """After a sweep one worker can hold a message twice: two rows, each with its own times."""
    fold = fold_of(
        *LATE_ACK[:4], on(0.4, "restored"), on(0.5, "delivered"), on(0.55, "received"),
        run_by(0.6, "started", slot=1), run_by(0.8, "succeeded"), run_by(1.0, "succeeded", slot=1),
    )  # fmt: skip
    assert [attempt.received_s for attempt in fold.attempts] == [0.2, 0.55]
    assert [attempt.slot for attempt in fold.attempts] == [0, 1]
    assert [attempt.ended_s for attempt in fold.attempts] == [0.8, 1.0]


@pytest.mark.parametrize("requeue", [True, False])
def test_a_lost_child_ends_its_execution(requeue: bool) -> None:
    """Rejected, the message waits again; acknowledged, the task has failed for good."""
    events = [*LATE_ACK[:4], on(0.5, "child_lost")]
    if requeue:
        fold = fold_of(*events, on(0.5, "requeued"))
        assert places(fold) == (1, 0, 0)
    else:
        fold = fold_of(*events, on(0.5, "failed"), on(0.6, "acked"))
        assert places(fold) == (0, 0, 0)
        assert fold.journeys["hi/0"].n_failed == 1
    assert outcomes(fold) == ["killed"]
    assert fold.journeys["hi/0"].n_killed == 1


def test_a_retry_is_a_second_message_of_the_same_task() -> None:
    """The attempt ends as retried, the task only with its last attempt."""
    again: dict[str, Any] = {"tag": "second"}
    fold = fold_of(
        *LATE_ACK[:4], sent(0.7, retry=1), run_by(0.8, "retried"), on(0.9, "acked"),
        on(1.0, "delivered", **again), on(1.0, "eta_held", **again),
    )  # fmt: skip
    assert fold.journeys["hi/0"].finished_s is None
    assert fold.journeys["hi/0"].held == {"second": "eta"}
    fold.feed(
        [
            on(3.0, "eta_released", **again),
            run_by(3.1, "started", retry=1, **again),
            run_by(3.5, "succeeded", retry=1, **again),
            on(3.6, "acked", **again),
        ]
    )
    assert fold.drained
    assert outcomes(fold) == ["retried", "succeeded"]
    assert [attempt.retry for attempt in fold.attempts] == [0, 1]
    assert [attempt.sent_s for attempt in fold.attempts] == [0.0, 0.7]
    journey = fold.journeys["hi/0"]
    assert (journey.n_retried, journey.n_sent, journey.finished_s) == (1, 2, 3.5)
    assert journey.held == {}


def test_a_revoked_message_ends_without_an_execution() -> None:
    """Expired: dropped by the worker and acknowledged; it never ran."""
    fold = fold_of(*LATE_ACK[:3], on(0.3, "revoked"), on(0.3, "acked"))
    assert fold.drained
    assert outcomes(fold) == ["revoked"]
    assert (fold.journeys["hi/0"].n_revoked, fold.journeys["hi/0"].n_executions) == (1, 0)


def test_a_message_that_could_not_be_run_fails_without_an_execution() -> None:
    """An unknown task: failed and acknowledged, with no start; that breaks no law."""
    run = run_of(*LATE_ACK[:3], on(0.3, "failed"), on(0.3, "acked"))
    assert run.fold.drained
    assert broken_laws(run) == []


def test_an_unknown_publish_is_settled_by_a_delivery() -> None:
    """Not counted as queued; if it arrives after all, it is run like any other."""
    unsure = (sent(0.0), Event(0.1, "publish_unknown", "hi/0"))
    assert fold_of(*unsure).drained
    run = run_of(*unsure, *LATE_ACK[1:])
    assert run.fold.drained
    assert run.fold.journeys["hi/0"].n_queued == 0
    assert broken_laws(run) == []


def test_an_unknown_publish_that_arrived_first_leaves_no_ghost() -> None:
    """Delivered before the client gave up: the message is not counted twice."""
    late = Event(1.0, "publish_unknown", "hi/0")
    fold = fold_of(*LATE_ACK, late)
    assert fold.drained
    assert fold.queued == 0


def test_rate_and_eta_holds_are_named_while_they_last() -> None:
    """held says why a message waits in a worker's memory; starting ends it."""
    journey = fold_of(*LATE_ACK[:3], on(0.25, "rate_held")).journeys["hi/0"]
    assert journey.held == {"hi/0": "rate"}
    released = fold_of(*LATE_ACK[:3], on(0.25, "rate_held"), on(0.28, "rate_released"))
    assert released.journeys["hi/0"].held == {}
    started = fold_of(*LATE_ACK[:3], on(0.25, "rate_held"), *LATE_ACK[3:4])
    assert started.journeys["hi/0"].held == {}


def test_a_worker_that_comes_back_is_a_new_life() -> None:
    """What its former life held stays orphaned no longer than its worker is away."""
    fold = fold_of(*LATE_ACK[:4], exited(0.5))
    assert fold.workers == {"w1": False}
    fold.feed([Event(2.0, "worker_ready", worker="w1")])
    assert fold.workers == {"w1": True}
    assert fold.running == 0


def test_the_last_words_of_a_dead_worker_count_but_break_nothing() -> None:
    """A child can outlive its main process by a moment: its success is a success."""
    run = run_of(*LATE_ACK[:4], exited(0.5), run_by(0.6, "succeeded"))
    assert run.fold.journeys["hi/0"].n_succeeded == 1
    assert outcomes(run.fold) == ["killed"]
    assert broken_laws(run) == []


# --- the fold on any events -----------------------------------------------------------------------

_TASKS = st.sampled_from(("hi/0", "hi/1"))
_EVENTS = st.builds(
    Event,
    t_s=st.integers(0, 9).map(float),
    kind=st.sampled_from(sorted(KINDS)),
    task=st.none() | _TASKS,
    worker=st.none() | st.sampled_from(("w1", "w2")),
    slot=st.none() | st.integers(0, 1),
    queue=st.none() | st.sampled_from(("celery", "名 6")),
    tag=st.none() | st.sampled_from(("a", "b")),
    retry=st.none() | st.integers(0, 2),
    detail=st.none() | st.just({"seconds": 5.0}),
)


@settings(laws, max_examples=300)
@given(st.lists(_EVENTS, max_size=25))
def test_the_fold_takes_any_events_in_any_order(events: list[Event]) -> None:
    """However odd a record is, it can be read; what does not fit is a problem, not a crash."""
    fold = Fold().feed(events)
    assert fold.n_events == len(events)
    assert fold.in_motion == sum(journey.in_motion for journey in fold.journeys.values())
    assert fold.drained == all(journey.gone for journey in fold.journeys.values())
    assert fold.running == sum(len(journey.running) for journey in fold.journeys.values())
    assert min(fold.queued, fold.unacked, fold.reserved, fold.orphaned) >= 0
    assert fold.orphaned + fold.reserved <= fold.unacked
    deliveries = [event for event in events if event.kind == "delivered" and event.task]
    assert len(fold.attempts) == len(deliveries)
    assert len(run_of(*events).attempts) == len(deliveries)
    assert all(isinstance(problem, str) for problem in broken_laws(run_of(*events)))


def test_feeding_one_by_one_is_feeding_all_at_once() -> None:
    """The live panel and the end of the run read the same state."""
    events = leadlawk().events
    one_by_one = Fold()
    for event in events:
        one_by_one.feed([event])
    assert one_by_one == Fold().feed(events) == leadlawk().fold


def test_a_model_run_accounts_for_every_delivery() -> None:
    """Deliveries, executions and ends of the journeys are those of the attempts."""
    fold = leadlawk().fold
    journeys = fold.journeys.values()
    assert sum(j.n_deliveries for j in journeys) == len(fold.attempts)
    started = [attempt for attempt in fold.attempts if attempt.started_s is not None]
    assert sum(j.n_executions for j in journeys) == len(started)
    assert all(attempt.outcome is not None for attempt in fold.attempts)
    assert sum(j.n_killed for j in journeys) == outcomes(fold).count("killed") > 0


# --- the attempts table -----------------------------------------------------------------------------


def test_the_table_has_one_row_a_delivery_unfinished_ones_included() -> None:
    """Columns and types are the same for every run; what has not happened is missing."""
    table = run_of(*LATE_ACK, sent(1.0, "hi/1"), on(1.1, "delivered", "hi/1")).attempts
    assert list(table.columns) == list(COLUMNS)
    assert table["task"].tolist() == ["hi/0", "hi/1"]
    assert table["type"].tolist() == ["hi", "hi"]
    assert table["ended_s"].isna().tolist() == [False, True]
    assert table.loc[0, "ended_s"] == 0.8


def test_the_table_of_a_run_without_deliveries_has_its_columns_and_types() -> None:
    """Code that reads the table needs no special case for an empty run."""
    empty, full = run_of().attempts, run_of(*LATE_ACK).attempts
    assert list(empty.columns) == list(COLUMNS)
    assert empty.empty
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_events_are_found_by_kind() -> None:
    """of_kind keeps the order; first is its first, or None."""
    run = run_of(*LATE_ACK)
    assert [event.kind for event in run.of_kind("acked", "sent")] == ["sent", "acked"]
    assert first(run.events, "acked") == LATE_ACK[-1]
    assert first(run.events, "failed") is None


# --- the laws of every run --------------------------------------------------------------------------


def test_a_sound_run_breaks_no_law() -> None:
    """By hand, and the model's with every fault of LeadLawk in it."""
    assert broken_laws(run_of(*LATE_ACK)) == []
    assert broken_laws(run_of()) == []
    assert broken_laws(leadlawk()) == []


_BREAKS: dict[str, tuple[tuple[Event, ...], str]] = {
    "time runs backwards": ((*LATE_ACK[:3], sent(0.1, "hi/1")), "follows received at"),
    "delivered, never sent": (LATE_ACK[1:], "never sent"),
    "delivered twice, sent once": (
        (*LATE_ACK[:2], on(0.2, "delivered", tag="other")),
        "more often than it was sent",
    ),
    "started, never delivered": ((sent(0.0), run_by(0.3, "started")), "having been delivered"),
    "started twice, delivered once": (
        (*LATE_ACK[:4], run_by(0.5, "started", slot=1)),
        "having been delivered",
    ),
    "succeeded, never started": ((*LATE_ACK[:3], *LATE_ACK[4:]), "having been started"),
    "succeeded twice, started once": (
        (*LATE_ACK[:5], run_by(0.85, "succeeded")),
        "having been started",
    ),
    "retried, never started": ((*LATE_ACK[:3], run_by(0.5, "retried")), "having been started"),
    "two tasks in one slot": (
        (*LATE_ACK[:4], sent(0.4, "hi/1"), on(0.4, "delivered", "hi/1"),
         run_by(0.5, "started", "hi/1")),
        "in the slot that runs hi/0",
    ),
    "restored, not in unacked": ((*LATE_ACK, on(1.0, "restored")), "not in unacked"),
    "requeued before it was delivered": ((sent(0.0), on(0.1, "requeued")), "not in unacked"),
    "delivered before it was sent": (
        (sent(5.0), on(5.0, "delivered")._replace(t_s=4.0)),
        "is before sent_s",
    ),
    "ended before it started": ((*LATE_ACK[:4], run_by(0.25, "succeeded")), "is before started_s"),
}  # fmt: skip


@pytest.mark.parametrize("name", _BREAKS)
def test_each_broken_law_is_found_and_told(name: str) -> None:
    """A planted break gives a sentence that names it."""
    events, says = _BREAKS[name]
    problems = broken_laws(run_of(*events))
    assert any(says in problem for problem in problems), problems


@settings(laws, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(("sent", "delivered", "started")))
def test_no_event_of_a_tasks_way_can_be_left_out_unseen(n: int, kind: str) -> None:
    """A model run without one sending, delivery or start of a finished task breaks a law."""
    run = leadlawk()
    found = [i for i, event in enumerate(run.events) if event.kind == kind]
    i = found[n % len(found)]
    if kind == "started" and _killed(run.events[i]):
        return
    assert broken_laws(run.with_events(run.events[:i] + run.events[i + 1 :])) != []


def _killed(start: Event) -> bool:
    """Whether this execution was killed: without its start it only seems never to have run."""
    (attempt,) = [
        a for a in leadlawk().fold.attempts if (a.task, a.started_s) == (start.task, start.t_s)
    ]
    return attempt.outcome == "killed"


def test_a_shuffled_run_breaks_laws() -> None:
    """Events out of their order are never taken for a sound run."""
    events = list(LATE_ACK)
    for seed in range(50):
        random.Random(seed).shuffle(events)
        if tuple(events) != LATE_ACK:
            assert broken_laws(run_of(*events)) != []


# --- save and load ------------------------------------------------------------------------------------


def test_a_saved_run_loads_as_an_equal_one(tmp_path: Path) -> None:
    """Scenario, events and info come back; so does everything derived from them."""
    run = leadlawk()
    assert Run.load(run.save(tmp_path / "deep" / "run")) == run
    assert Run.load(tmp_path / "deep" / "run").fold == run.fold


@laws
@given(st.lists(_EVENTS, max_size=10))
def test_any_events_survive_save_and_load(tmp_path: Path, events: list[Event]) -> None:
    """Every field of every event, missing ones included."""
    assert Run.load(run_of(*events).save(tmp_path)).events == tuple(events)


def test_saving_again_replaces_the_record(tmp_path: Path) -> None:
    """A shorter run leaves nothing of a longer one behind."""
    run_of(*LATE_ACK).save(tmp_path)
    assert Run.load(run_of(sent(0.0)).save(tmp_path)).events == (sent(0.0),)


def test_a_run_is_named_without_what_changes_between_machines() -> None:
    """Its repr is the same everywhere, so that notebooks can be compared."""
    assert repr(run_of()) == "<Run of 'small' on by hand>"
    assert run_of().ended == "stopped"


def stored(folder: Path) -> Path:
    return run_of(*LATE_ACK, skipped(1.0), exited(2.0)).save(folder)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"t_s": ' + "9" * 5000 + "}", "is not JSON"),
        ("[]", "needs at least t_s and kind"),
        ('{"t_s": 1.0}', "needs at least t_s and kind"),
        (
            '{"t_s": 1.0, "kind": "exploded"}',
            "kind is 'exploded'; allowed: ",
        ),
        (
            '{"t_s": 1.0, "kind": "sent", "tusk": "hi/0"}',
            "unknown key 'tusk'; allowed: one of 'detail', 'kind'",
        ),
        ('{"t_s": "1.0", "kind": "sent"}', "t_s is '1.0'; allowed: int or float"),
        ('{"t_s": true, "kind": "sent"}', "t_s is True"),
        ('{"t_s": NaN, "kind": "sent"}', "t_s is nan, which is no time"),
        ('{"t_s": -Infinity, "kind": "sent"}', "t_s is -inf, which is no time"),
        ('{"t_s": 1' + "0" * 400 + ', "kind": "sent"}', "which is no time"),
        ('{"t_s": 1.0, "kind": null}', "kind is None"),
        ('{"t_s": 1.0, "kind": "sent", "task": 7}', "task is 7; allowed: str"),
        ('{"t_s": 1.0, "kind": "started", "slot": 0.5}', "slot is 0.5; allowed: int"),
        ('{"t_s": 1.0, "kind": "started", "slot": -1}', "slot is -1; allowed: 0 to"),
        ('{"t_s": 1.0, "kind": "started", "retry": 1' + "0" * 30 + "}", "allowed: 0 to"),
        ('{"t_s": 1.0, "kind": "sent", "task": "a\\nb"}', r"task is 'a\nb'; allowed: one line of"),
        ('{"t_s": 1.0, "kind": "sent", "task": "' + "x" * 301 + '"}', "up to 300 characters"),
        ('{"t_s": 1.0, "kind": "sample", "detail": []}', "detail is []; allowed: dict"),
        ('{"t_s": 1.0, "kind": "skipped", "detail": {"seconds": "x"}}', "detail.seconds is 'x'"),
        ('{"t_s": 1.0, "kind": "skipped", "detail": {"seconds": null}}', "detail.seconds is None"),
        ('{"t_s": 1.0, "kind": "control", "detail": {"arguments": 3}}', "detail.arguments is 3"),
        ('{"t_s": 1.0, "kind": "dump", "detail": {"queues": {"a": 1}}}', "detail.queues is"),
        ('{"t_s": 1.0, "kind": "dump", "detail": {"unacked": [1]}}', "detail.unacked is [1]"),
        ('{"t_s": 1.0, "kind": "worker_exited", "detail": {"signal": "KILL"}}', "detail.signal is"),
    ],
)
def test_a_wrong_line_is_named_with_its_place(tmp_path: Path, line: str, says: str) -> None:
    """File, line, field, value and what is allowed, in one sentence."""
    events = stored(tmp_path) / "events.jsonl"
    lines = events.read_text().splitlines()
    events.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(RunError) as caught:
        Run.load(tmp_path)
    said = sentence_of(caught)
    assert says in said
    assert said.startswith(f"{events}:3")


def edit_head(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        head = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(head | changes))

    return edit


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


_DEEP = b'{"format_version": 1, "info": {}, "scenario": ' + b"[" * 950 + b"]" * 950 + b"}"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove("run.json"), "is not a stored run"),
        (remove("events.jsonl"), "is not a stored run"),
        (write("run.json", b""), "is not a stored run"),
        (write("run.json", b"\xff\xfe"), "is not a stored run"),
        (write("run.json", b"9" * 5000), "is not a stored run"),
        (write("run.json", b"[" * 100_000), "is not a stored run"),
        (write("run.json", _DEEP), "run.json"),
        (write("run.json", b"[]"), f"not of format_version {FORMAT_VERSION}"),
        (write("events.jsonl", b"\xff\xfe"), "is not a stored run"),
        (edit_head(format_version=99), f"not of format_version {FORMAT_VERSION}"),
        (edit_head(scenario=None), "the scenario is a NoneType"),
        (edit_head(scenario={"schema_version": 1, "nam": "x"}), "did you mean 'name'?"),
        (edit_head(info=[]), "info is list"),
    ],
)
def test_a_folder_that_holds_no_run_is_refused_in_one_sentence(
    tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    """A missing, unreadable or foreign file: which one, and what is wrong with it."""
    damage(stored(tmp_path))
    with pytest.raises(RunError) as caught:
        Run.load(tmp_path)
    said = sentence_of(caught)
    assert says in said
    assert said.startswith(str(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Neither a missing folder nor a file is a stored run."""
    (tmp_path / "file").write_text("x")
    for wrong in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(RunError, match="is not a stored run"):
            Run.load(wrong)


_LINES = [{k: v for k, v in event._asdict().items() if v is not None}
          for event in (*LATE_ACK, skipped(1.0), exited(2.0),
                        Event(3.0, "control", detail={"verb": "skip", "arguments": {}}),
                        Event(4.0, "dump", detail={"queues": {"celery": []}, "unacked": []}))]  # fmt: skip


@settings(laws, max_examples=300)
@given(mutated({"events": copy.deepcopy(_LINES)}))
def test_a_mutated_record_is_a_run_or_one_sentence(tmp_path: Path, data: Any) -> None:
    """What loads can be folded, tabled and judged; what does not is RunError and no other."""
    folder = stored(tmp_path)
    lines = data.get("events", []) if isinstance(data, dict) else []
    lines = lines if isinstance(lines, list) else [lines]
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    try:
        run = Run.load(folder)
    except RunError as exc:
        assert len(sentence_of(exc)) < 1000
        return
    broken_laws(run)
    assert len(run.attempts) == len(run.fold.attempts)
    sandbox.measure(run)
    sandbox.audit(run).counts()


def test_a_journey_without_events_is_gone() -> None:
    """No message and no execution: nothing to wait for."""
    assert Journey("hi/0").gone
