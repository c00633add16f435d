"""The audit on hand-written runs with a ledger: three guarantees, totals, and one account."""

from __future__ import annotations

import doctest
import importlib
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import systems, workbench
from sandbox.audit import Audit, audit, verdicts
from sandbox.errors import RunError
from sandbox.ledger import FILE, Effect, Ledger, first_effective
from sandbox.run import Event, Run
from sandbox.scenario import Scenario
from tests.test_audit import (
    ACKED,
    AGAIN,
    DELIVERED,
    DONE,
    SCENARIO,
    SENT,
    STARTED,
    dump,
    gone,
    on,
)

ONCE = (SENT, DELIVERED, STARTED, DONE, ACKED)
END = (on("w2", 0.7, "succeeded"), on("w2", 0.8, "acked"))
KILLED = (SENT, DELIVERED, STARTED, gone("w1", 0.25), *AGAIN, *END)
ONE = Effect("hi/0", 0.49, "w1", tag="a")
OTHER = Effect("hi/0", 0.69, "w2", tag="a")


def book(*effects: Effect) -> Ledger:
    return Ledger(first_effective(effects))


def judged(events: tuple[Event, ...], *effects: Effect) -> Audit:
    return audit(Run(SCENARIO, events, written=book(*effects)))


def told(found: Audit) -> tuple[str, ...]:
    return tuple(one.verdict for one in found.guarantees)


# --- the table: at least once, at most once, effectively once ---------------------------------

HOLDS, BROKEN, OPEN = "holds", "violated", "unknown"
FAILED = (SENT, DELIVERED, STARTED, on("w1", 0.5, "failed"), ACKED)
LOST_CHILD = (on("w1", 0.4, "child_lost"), on("w1", 0.41, "failed"), on("w1", 0.42, "acked"))
EARLY = (SENT, DELIVERED, on("w1", 0.15, "acked"), STARTED, gone("w1", 0.3))
RESTORED = on("w1", 0.3, "restored")
TABLE: dict[str, tuple[tuple[Event, ...], tuple[Effect, ...], str, tuple[str, ...]]] = {
    "done once": (ONCE, (ONE,), "done once", (HOLDS, HOLDS, HOLDS)),
    "done twice, the second prevented": (
        (SENT, DELIVERED, STARTED, *AGAIN, DONE, *END),
        (ONE, OTHER),
        "done more than once",
        (HOLDS, BROKEN, HOLDS),
    ),
    "killed before its effect, then done": (KILLED, (OTHER,), "done once", (HOLDS, HOLDS, HOLDS)),
    "killed after its effect, then done again": (
        KILLED,
        (Effect("hi/0", 0.24, "w1"), OTHER),
        "done more than once",
        (HOLDS, BROKEN, HOLDS),
    ),
    "killed under early ack, no effect": (EARLY, (), "lost", (BROKEN, HOLDS, BROKEN)),
    "killed under early ack, after its effect": (
        EARLY,
        (Effect("hi/0", 0.29, "w1"),),
        "done once",
        (HOLDS, HOLDS, HOLDS),
    ),
    "succeeded, says the recorder; the ledger has nothing": (
        ONCE,
        (),
        "lost",
        (BROKEN, HOLDS, BROKEN),
    ),
    "failed by itself": (FAILED, (), "failed", (HOLDS, HOLDS, HOLDS)),
    "failed because its result found no broker": (FAILED, (ONE,), "failed", (HOLDS, HOLDS, HOLDS)),
    "given up because its child died": (
        (SENT, DELIVERED, STARTED, *LOST_CHILD),
        (),
        "failed",
        (BROKEN, HOLDS, BROKEN),
    ),
    "expired": (
        (SENT, DELIVERED, on("w1", 0.2, "revoked"), on("w1", 0.2, "acked")),
        (),
        "revoked",
        (HOLDS, HOLDS, HOLDS),
    ),
    "stuck": ((SENT, DELIVERED), (), "stuck", (OPEN, HOLDS, OPEN)),
    "done, and its message is left": (
        (SENT, DELIVERED, STARTED, RESTORED, DONE),
        (ONE,),
        "done once",
        (HOLDS, OPEN, HOLDS),
    ),
    "not known whether published": (
        (SENT, Event(0.1, "publish_unknown", "hi/0")),
        (),
        "unknown",
        (OPEN, HOLDS, OPEN),
    ),
    "not known whether published, but it took effect": (
        (SENT, Event(0.1, "publish_unknown", "hi/0")),
        (ONE,),
        "done once",
        (HOLDS, HOLDS, HOLDS),
    ),
    "only the ledger knows it": ((), (ONE,), "done once", (HOLDS, HOLDS, HOLDS)),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_few_events_and_effects_have_their_verdicts(name: str) -> None:
    events, effects, verdict, guarantees = TABLE[name]
    found = judged(events, *effects)
    assert found.tasks["hi/0"].verdict == verdict
    assert told(found) == guarantees
    assert all(one.cause for one in found.guarantees if one.verdict != HOLDS)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[1]])
def test_deleting_one_row_of_the_ledger_changes_a_verdict(name: str, tmp_path: Path) -> None:
    """By hand, in the file of a stored run: the audit believes the ledger, and nothing else."""
    events, effects, _, _ = TABLE[name]
    folder = Run(SCENARIO, events, written=book(*effects)).save(tmp_path)
    before = audit(Run.load(folder))
    with closing(sqlite3.connect(folder / FILE)) as base:
        base.execute("DELETE FROM effects WHERE number = (SELECT max(number) FROM effects)")
        base.commit()
    after = audit(Run.load(folder))
    assert before.to_dict() != after.to_dict()
    same = before.counts() == after.counts() and told(before) == told(after)
    assert same == (name == "failed because its result found no broker")


def test_two_effects_that_both_count_violate_effectively_once() -> None:
    both = Ledger((ONE, OTHER))
    found = audit(Run(SCENARIO, (SENT, DELIVERED, STARTED, *AGAIN, DONE, *END), written=both))
    assert found.effectively_once.verdict == BROKEN


def test_an_effect_that_does_not_count_violates_effectively_once() -> None:
    found = audit(Run(SCENARIO, ONCE, written=Ledger((ONE._replace(effective=False),))))
    assert told(found) == (HOLDS, HOLDS, BROKEN)


# --- unknown has a named cause ----------------------------------------------------------------


def test_without_a_ledger_effectively_once_is_unknown_and_says_why() -> None:
    found = audit(Run(SCENARIO, ONCE))
    assert found.effectively_once.open == {"no ledger is kept of it": ("hi/0",)}
    assert found.unknown_share == 1.0


def test_a_type_whose_bodies_write_nothing_is_judged_by_the_events() -> None:
    of_others = Ledger((), kept=frozenset({"other"}))
    found = audit(Run(SCENARIO, ONCE, written=of_others))
    assert found.tasks["hi/0"].verdict == "done once" and found.tasks["hi/0"].effects is None


def test_a_violated_guarantee_still_names_what_is_unknown() -> None:
    other = Event(0.0, "sent", "hi/1", queue="celery")
    found = judged((other, *EARLY))
    assert found.at_least_once.tasks == ("hi/0",)
    assert found.at_least_once.open_tasks == ("hi/1",)
    assert found.unknown_share == 0.5


# --- independence -----------------------------------------------------------------------------


class Faultless:
    """A scenario that does not let anybody read its faults."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario

    def __getattr__(self, name: str) -> Any:
        if name == "faults":
            raise AssertionError("the audit has read the faults")
        return getattr(self._scenario, name)


@pytest.mark.parametrize("name", TABLE)
def test_the_audit_never_reads_the_faults(name: str) -> None:
    events, effects, _, _ = TABLE[name]
    fault = {"kind": "kill_worker", "worker": "w1", "when": {"on": "time", "at_s": 0.3}}
    run = Run(SCENARIO.but(faults=[fault]), events, written=book(*effects))
    closed = replace(run, scenario=Faultless(run.scenario))  # type: ignore[arg-type]
    assert audit(closed) == audit(run) == audit(replace(run, scenario=SCENARIO))
    assert verdicts(run) == {t.task: t.verdict for t in audit(run).tasks.values()}


# --- the account ------------------------------------------------------------------------------


def test_an_account_counts_what_happened() -> None:
    published = Event(0.01, "published", "hi/0")
    found = judged((SENT, published, *KILLED[1:]), OTHER).tasks["hi/0"]
    counts = (found.n_sent, found.n_published, found.n_delivered, found.n_started)
    assert counts == (1, 1, 2, 2)
    assert (found.n_succeeded, found.n_killed, found.n_effects, found.n_effective) == (1, 1, 1, 1)
    assert (found.state, found.effect_unknown) == ("SUCCESS", False)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((SENT,), "PENDING"),
        ((SENT, DELIVERED, on("w1", 0.15, "received")), "RECEIVED"),
        ((SENT, DELIVERED, STARTED), "STARTED"),
        ((SENT, DELIVERED, STARTED, on("w1", 0.5, "retried")), "RETRY"),
        ((SENT, DELIVERED, on("w1", 0.2, "rejected")), "REJECTED"),
        ((SENT, DELIVERED, on("w1", 0.2, "revoked")), "REVOKED"),
        (FAILED, "FAILURE"),
        ((*ONCE[:4], *AGAIN), "SUCCESS"),
    ],
)
def test_the_state_is_what_celery_calls_the_last_thing_known(
    events: tuple[Event, ...], state: str
) -> None:
    assert judged(events).tasks["hi/0"].state == state


def test_a_place_has_what_the_dump_and_the_recorder_know_of_it() -> None:
    held = {"queues": {"slow": ["hi/1"]}, "steps": {"slow": [3]}, "unacked": ["hi/0"]}
    last = Event(9.0, "dump", detail=held | {"tags": ["a"], "since_s": [-3599.9]})
    sent = Event(0.0, "sent", "hi/1", queue="slow")
    found = judged((SENT, sent, DELIVERED, gone("w1", 0.4), last))
    (mine,), (other,) = (found.tasks[task].places for task in ("hi/0", "hi/1"))
    assert (mine.where, mine.worker, mine.alive, mine.tag) == ("unacked", "w1", False, "a")
    assert mine.since_s == 0.1
    assert (other.where, other.queue, other.step, other.since_s) == ("queue", "slow", 3, 0.0)
    assert str(other) == "queue slow, priority step 3"


def test_what_was_rejected_is_named_with_who_rejected_it() -> None:
    found = judged((SENT, DELIVERED, on("w1", 0.2, "rejected"), dump(9.0, celery=[])))
    assert found.tasks["hi/0"].where == "rejected by w1 since 0.200 s"
    assert not found.tasks["hi/0"].in_motion


def test_the_whole_account_can_be_read() -> None:
    text = judged(KILLED, Effect("hi/0", 0.24, "w1"), OTHER).account("hi/0").told()
    assert "started 2, succeeded 1, killed 1" in text
    assert "effect applied 2, effective 1" in text
    assert "effect at 0.690 s on w2, a prevented duplicate" in text
    assert "worker_exited at 0.250 s on w1" in text


def test_a_task_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RunError, match="did you mean 'hi/0'"):
        judged((SENT, Event(0.0, "sent", "other/1"))).account("hi/00")


# --- totals: reordered and late ---------------------------------------------------------------


def way(n: int, sent: float, began: float, ended: float, **more: Any) -> list[Event]:
    """Return a task's events: published 0.01 s after it was sent, delivered 0.01 s before it began."""
    key, tag = f"hi/{n}", f"t{n}"
    at = {"worker": "w1", "tag": tag}
    return [
        Event(sent, "sent", key, **({"queue": "celery"} | more)),
        Event(sent + 0.01, "published", key),
        Event(began - 0.01, "delivered", key, **at),
        Event(began, "started", key, slot=n, **at),
        Event(ended, "succeeded", key, slot=n, **at),
        Event(ended + 0.01, "acked", key, **at),
    ]


def ran(*ways: list[Event], **edits: Any) -> Run:
    events = sorted((e for each in ways for e in each), key=lambda event: event.t_s)
    return Run(SCENARIO.but(**edits), tuple(events))


def test_a_task_is_reordered_when_a_later_one_had_ended_before_it_began() -> None:
    found = audit(ran(way(0, 0.0, 2.0, 2.5), way(1, 0.5, 1.0, 1.5)))
    assert found.tasks["hi/0"].overtaken_by == "hi/1"
    assert (found.tasks["hi/1"].overtaken_by, found.totals.reordered) == (None, 1)


@pytest.mark.parametrize(
    "other",
    [
        way(1, 0.5, 1.0, 2.2),  # it overlaps: with two processes nobody can tell
        way(1, 0.005, 1.0, 1.5),  # sent while the first was being published
        way(1, 0.5, 1.0, 1.5, queue="slow"),  # another list
        way(1, 0.5, 3.0, 3.5),  # behind it
    ],
)
def test_otherwise_it_is_not(other: list[Event]) -> None:
    assert audit(ran(way(0, 0.0, 2.0, 2.5), other)).totals.reordered == 0


def test_a_task_with_an_eta_is_not_overtaken() -> None:
    held = way(0, 0.0, 2.0, 2.5, detail={"eta_s": 2.0})
    assert audit(ran(held, way(1, 0.5, 1.0, 1.5))).totals.reordered == 0


def test_a_task_is_late_that_began_after_its_expiry() -> None:
    expiring = [{"name": "hi", "expires_s": 1.0}]
    found = audit(ran(way(0, 0.0, 1.5, 2.0), way(1, 0.0, 0.9, 2.0), tasks=expiring))
    assert found.tasks["hi/0"].late_s == pytest.approx(0.5)
    assert found.totals.late == 1


def test_a_task_is_late_that_began_later_after_it_was_due_than_was_asked_for() -> None:
    timed = way(1, 0.0, 2.0, 2.5, detail={"eta_s": 1.8})
    waiting = [Event(0.0, "sent", "hi/2", queue="celery")]
    run = ran(way(0, 0.0, 2.0, 2.5), timed, waiting)
    found = audit(run, late_s=1.0)
    assert found.tasks["hi/0"].late_s == pytest.approx(1.0)
    assert found.tasks["hi/1"].late_s is None
    assert found.tasks["hi/2"].late_s == pytest.approx(2.51 - 1.0)
    assert audit(run).totals.late == 0


# --- the ledger's file ------------------------------------------------------------------------


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    for one in (book(ONE, OTHER), Ledger((), frozenset({"hi"})), Ledger(())):
        one.save(tmp_path / FILE)
        assert Ledger.load(tmp_path / FILE) == one


def test_the_file_does_not_take_a_second_effective_row(tmp_path: Path) -> None:
    """The unique constraint is SQLite's own."""
    with pytest.raises(sqlite3.IntegrityError):
        Ledger((ONE, OTHER)).save(tmp_path / FILE)


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("UPDATE effects SET t_s = 'soon'", "t_s is 'soon'; allowed: a time in seconds"),
        ("UPDATE effects SET task = ''", "task is ''"),
        ("UPDATE effects SET pid = -1", "pid is -1"),
        ("UPDATE effects SET effective = 2", "effective is 2; allowed: 0 or 1"),
        ("DROP TABLE effects", "is not a ledger: it lacks a table of ours"),
        ("ALTER TABLE effects RENAME COLUMN tag TO name", "is not a ledger: no such column"),
        (
            "ALTER TABLE kept RENAME TO other; CREATE VIEW kept AS WITH RECURSIVE n(type) AS "
            "(SELECT 'a' UNION ALL SELECT type FROM n) SELECT type FROM n",
            "is not a ledger: it lacks a table of ours",
        ),
    ],
)
def test_a_ledger_that_is_wrong_is_refused_in_a_sentence(
    sql: str, wrong: str, tmp_path: Path
) -> None:
    book(ONE).save(tmp_path / FILE)
    with closing(sqlite3.connect(tmp_path / FILE)) as base:
        base.executescript(sql)
        base.commit()
    with pytest.raises(RunError, match=wrong):
        Ledger.load(tmp_path / FILE)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database, but long enough to look into" * 9)
    with pytest.raises(RunError, match="is not a ledger"):
        Ledger.load(tmp_path / FILE)


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_file_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    """Some bytes are others, or the end is missing: a ledger, or one sentence, and nothing else."""
    chance, path = random.Random(seed), tmp_path / FILE
    book(*(Effect(f"hi/{n}", float(n), "w1", n) for n in range(40))).save(path)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
    try:
        assert isinstance(Ledger.load(path), Ledger)
    except RunError as exc:
        assert len(str(exc).splitlines()) == 1


@pytest.mark.parametrize("name", systems.all_systems())
def test_of_a_built_in_system_hardly_anything_is_unknown(name: str) -> None:
    """At most 5 % of its tasks, in the model, with all its faults, with none, with each one alone.

    Its ledger and its dump leave no doubt. A kill alone, without the restart that belongs to it,
    may end at the deadline: what waits then is stuck, and whether it would be done is open.
    """
    whole = systems.load(name)
    for faults in (whole.faults, (), *((fault,) for fault in whole.faults)):
        run = workbench.run(whole.but(faults=faults), engine="model")
        found = audit(run)
        assert len(found.tasks) > 10
        assert found.counts()["unknown"] <= 0.05 * len(found.tasks), faults
        if run.ended == "drained" or len(faults) != 1:
            assert found.unknown_share <= 0.05, faults


NAMES = ["ledger", "left", "guarantees", "audit"] + [
    f"audit.{name}" for name in ("account", "clues", "evidence", "order", "places", "totals")
]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"sandbox.{name}")).failed == 0
