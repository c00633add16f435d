"""The grid of semantics: its laws, the model against stored live facts, a few rows live.

``make conformance`` runs all of it on real workers and stores what they did.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from proof.conformance import HEAD, line
from proof.facts import FACTS, differences, facts_of
from proof.grid import ALLOWED, NOISE, Outcome, predicted
from proof.known import KNOWN
from proof.pairs import all_pairs, pairs_of
from proof.row import Row
from proof.rows import ALL, ROWS, paired
from proof.semantics import SEMANTICS
from proof.stored import facts_stored, outcomes_stored, overheads_stored
from sandbox.run import broken_laws
from tests.conftest import Begin

FAULT_KINDS = {
    "drop_connections", "fail_dependency", "kill_child", "kill_worker", "pause_worker",
    "plant_mutex", "quit_worker", "rate_limit", "resume_worker", "skip", "slow_dependency",
    "start_beat", "start_broker", "start_worker", "stop_broker", "sweep", "terminate_worker",
}  # fmt: skip

# Quick rows without a race, one of each kind of thing that Celery fixes.
LIVE = (
    "four priority steps",
    "a retry without a countdown",
    "a worker killed, late ack, then an hour",
    "a warm shutdown, early ack",
)


# --- the table -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEMANTICS)
def test_every_semantic_has_two_rows(name: str) -> None:
    """One scenario could agree by luck."""
    assert sum(name in row.shows for row in ALL) >= 2


def test_rows_show_known_semantics_and_fix_known_facts() -> None:
    """A row's words are those of the tables, and its name is its own."""
    assert len(ROWS) == len(ALL) >= 40
    assert {name for row in ALL for name in row.shows} <= SEMANTICS.keys()
    assert {name for row in ALL for name in row.fixed} <= FACTS.keys()


def test_every_fault_is_in_two_rows() -> None:
    """What can be broken is broken in two ways."""
    for kind in FAULT_KINDS:
        rows = [row for row in ALL if kind in {fault.kind for fault in row.scenario.faults}]
        assert len(rows) >= 2, kind


def test_every_pair_of_ack_mode_prefetch_and_fault_meets() -> None:
    """All pairs, and in fewer rows than all combinations."""
    rows = all_pairs(paired.COLUMNS)
    met = set().union(*map(pairs_of, rows))
    for a, b in (("ack", "prefetch"), ("ack", "fault"), ("fault", "prefetch")):
        values = {pair for pair in met if (pair[0][0], pair[1][0]) == (a, b)}
        assert len(values) == len(paired.COLUMNS[a]) * len(paired.COLUMNS[b])
    assert len(rows) < math.prod(map(len, paired.COLUMNS.values())) / 2


def test_live_rows_are_short() -> None:
    """5 s live, 15 s where the row says so; the model knows how long beforehand."""
    for row in ALL:
        seconds = predicted(row, overheads_stored()).events[-1].t_s
        assert seconds <= (10.0 if row.slow else 5.5), row.name


# --- the model and what real workers did ---------------------------------------------------


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_the_model_does_what_real_workers_did(row: Row) -> None:
    """The stored live run of each row has the facts of the model, and the model keeps the laws."""
    run = predicted(row, overheads_stored())
    assert broken_laws(run) == []
    assert differences(facts_stored(row), facts_of(run, row.fixed)) == []


@pytest.mark.parametrize("name", LIVE)
def test_a_few_rows_live(begin: Begin, name: str) -> None:
    """What was stored is still so, on each engine."""
    row = ROWS[name]
    with begin(row.scenario) as session:
        session.wait()
    run = session.close()
    assert broken_laws(run) == []
    assert differences(facts_stored(row), facts_of(run, row.fixed)) == []


# --- the page ------------------------------------------------------------------------------


def test_every_row_has_been_live() -> None:
    """What the page shows is every row on Redis, and at least a third of them on the fake."""
    on_redis = [row for row in ALL if row.on_redis]
    shown = outcomes_stored(ALL)
    assert {one.row.name for one in shown if one.broker == "redis"} == {r.name for r in on_redis}
    assert 3 * sum(one.broker == "fake" for one in shown) >= len(on_redis)
    assert [line(one) for one in shown if one.unlike] == []


def test_a_time_that_is_off_needs_noise_to_be_excused() -> None:
    """Beyond the share a row differs, unless it varies that much by itself; the verdict says so."""
    row, off = ALL[0], {"throughput_per_s": 2 * ALLOWED["throughput_per_s"]}
    outcome: Callable[..., Outcome] = lambda noise: Outcome(row, "redis", 1.0, {}, (), off, noise)  # noqa: E731
    assert outcome({}).verdict == "differs: throughput_per_s"
    assert outcome({"throughput_per_s": 0.01}).verdict == "differs: throughput_per_s"
    wide = outcome({"throughput_per_s": 2.1 * ALLOWED["throughput_per_s"] / NOISE})
    assert wide.verdict.startswith("equal, times within three times the noise")
    assert line(wide).count("|") == HEAD.splitlines()[0].count("|")


def test_a_row_whose_facts_differ_says_which() -> None:
    """The verdict names the fact, and both values."""
    told = differences({"order": ["a/0", "b/0"]}, {"order": ["b/0", "a/0"]})
    assert told == ["order[0]: a/0 but b/0", "order[1]: b/0 but a/0"]


def test_at_most_five_differences_are_known() -> None:
    """A model with more of them is to be mended instead."""
    assert 1 <= len(KNOWN) <= 5
