"""The judges of ``make soak``, on samples and runs made by hand: each can say no."""

from __future__ import annotations

import doctest
import mmap
import os
from collections import Counter
from dataclasses import replace

import pytest

from proof.soak import judge, page
from proof.soak.chaos import _WEIGHTS, LEFT_OUT, Chaos
from proof.soak.system import FILLERS, system
from proof.soak.watch import Lives, Minutes, Sample, pss_mb
from sandbox.audit import audit
from sandbox.engines import VERBS
from sandbox.engines.commands import check
from sandbox.errors import ScenarioError
from sandbox.run import Event, Run

MINUTES_S = 1200.0


def minutes(*, grown_mb: float = 0.0, spike: int | None = None, n: int = 21) -> list[Sample]:
    """Return a sample a minute; ``grown_mb``: by how much the proxy grows in each."""
    return [
        Sample(
            60.0 * i,
            {"parent": 30.0, "proxy": 12.0 + grown_mb * i, "workers": 0.0 if i == spike else 200.0},
            {"parent": 10, "proxy": 60},
        )
        for i in range(n)
    ]


# --- memory ---------------------------------------------------------------------------------


def lives(*, grown_mb: float = 0.0, aging_mb: float = 3.0) -> Lives:
    """Return main processes, one a minute: larger by ``aging_mb`` after a minute of life each."""
    found = Lives()
    for pid in range(20):
        for age_s in range(0, 61, 5):
            mb = 19.0 + aging_mb * age_s / 60 + grown_mb * pid
            found.add(pid, is_main=True, at_s=60.0 * pid + age_s, age_s=age_s, mb=mb)
    return found


def memory(samples: list[Sample], of_workers: Lives | None = None) -> judge.Criterion:
    return judge.memory(samples, of_workers or Lives(), 3, 5, MINUTES_S)


@pytest.mark.parametrize(("mb", "holds"), [(0.0, True), (0.49, True), (0.51, False), (5.0, False)])
def test_what_grows_by_more_than_half_a_megabyte_a_minute_fails(mb: float, holds: bool) -> None:
    found = memory(minutes(grown_mb=mb))
    assert found.holds is holds
    assert f"proxy {mb:+.2f}" in found.found


def test_a_minute_of_another_kind_is_no_growth() -> None:
    """The last one, which would tilt a least-squares line."""
    odd = minutes()
    odd[-1].memory["proxy"] = 90.0
    assert memory(odd).holds
    odd = minutes(grown_mb=0.6)
    odd[-1].memory["proxy"] = 0.0
    assert memory(odd).holds is False


def test_workers_that_are_younger_or_older_are_not_held_to_have_grown() -> None:
    """Each grows by 3 MB in its first minute; none is larger than those before it."""
    assert "workers at equal age +0.00" in memory(minutes(), lives()).found
    assert "a main process 19.0 MB → 21.5 MB after 40 s" in memory(minutes(), lives()).found


@pytest.mark.parametrize(("mb", "holds"), [(0.1, True), (0.2, False)])
def test_workers_that_start_larger_each_time_fail(mb: float, holds: bool) -> None:
    """By so much a minute, times the three of them."""
    found = memory(minutes(), lives(grown_mb=mb))
    assert found.holds is holds
    assert f"workers at equal age {3 * mb:+.2f}" in found.found


def test_the_first_quarter_does_not_count() -> None:
    """Caches fill."""
    warm = minutes(grown_mb=5.0, n=5)
    rest = [replace(one, at_s=one.at_s + 300.0) for one in minutes(n=16)]
    assert memory([*warm, *rest]).holds


def test_a_short_soak_tells_its_slope_and_judges_nothing() -> None:
    assert judge.memory(minutes(grown_mb=5.0, n=3), Lives(), 3, 5, 120.0).holds is None


def test_a_minute_is_the_median_of_its_samples() -> None:
    found = Minutes()
    for at_s, mb in ((1.0, 1.0), (30.0, 2.0), (59.0, 90.0), (61.0, 4.0)):
        found.add(Sample(at_s, {"parent": mb}, {"parent": 3}))
    found.close()
    assert [one.memory["parent"] for one in found.minutes] == [2.0, 4.0]


def test_only_samples_of_all_processes_are_compared() -> None:
    """A worker that is down is no memory given back; a minute without a whole one has what it has."""
    part = [Sample(1.0, {"workers": 50.0}, {}, whole=False)] * 5
    found = Minutes()
    for one in (*part, Sample(2.0, {"workers": 200.0}, {}), replace(part[0], at_s=61.0)):
        found.add(one)
    found.close()
    assert [one.memory["workers"] for one in found.minutes] == [200.0, 50.0]


def test_descriptors_are_held_against_the_most_of_the_first_half() -> None:
    found = Minutes(settled_s=300.0)
    for at_s, n in ((10.0, 8), (290.0, 12), (310.0, 30)):
        found.add(Sample(at_s, {}, {"proxy": n}))
    assert found.most == {"proxy": 12}


def test_the_memory_of_a_process_is_the_kernel_s_own_figure() -> None:
    """What it holds to itself is in it."""
    before = pss_mb(os.getpid())
    # Not of what this process had before, and has been given back.
    with mmap.mmap(-1, 20_000_000) as held:
        held.write(b"x" * len(held))
        assert pss_mb(os.getpid()) > before + 15


def test_the_example_of_the_slope_runs() -> None:
    """It is the one that says how much may be anything."""
    assert doctest.testmod(judge).failed == 0


# --- descriptors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "more", "holds"),
    [
        ("supervisor", 1, True), ("supervisor", 2, False), ("parent", 2, False),
        ("proxy", 16, True), ("proxy", 17, False), ("broker", 9, False), ("parent", -3, True),
    ],
)  # fmt: skip
def test_a_descriptor_left_open_fails_beyond_the_named_allowance(
    role: str, more: int, holds: bool
) -> None:
    found = judge.descriptors({role: 20}, {role: 20 + more}, MINUTES_S)
    assert (found.holds, f"grown: {role}" in found.found) == (holds, not holds)


@pytest.mark.parametrize(
    ("role", "now", "holds"), [("proxy", 98, True), ("proxy", 99, False), ("parent", 22, False)]
)
def test_pools_that_a_short_run_did_not_fill_are_held_against_full_ones(
    role: str, now: int, holds: bool
) -> None:
    """Of 82 descriptors and 16 more; what has no pool is held against itself."""
    assert judge.descriptors({role: 20}, {role: now}, 120.0).holds is holds


# --- tasks ----------------------------------------------------------------------------------

SOAK = system(60.0, seed=1)
SENT = Event(0.0, "sent", "crunch/0", queue="celery")


def on(worker: str, at: float, kind: str, tag: str = "a", **more: object) -> Event:
    slot = {"slot": 0, "retry": 0} if kind in ("started", "succeeded") else {}
    return Event(at, kind, "crunch/0", worker=worker, tag=tag, **(slot | more))  # type: ignore[arg-type]


def gone(worker: str, at: float) -> Event:
    return Event(at, "worker_exited", worker=worker, detail={"signal": 9})


def dump(at: float) -> Event:
    return Event(at, "dump", detail={"queues": {"celery": []}, "unacked": []})


DELIVERED, STARTED = on("worker1", 0.1, "delivered"), on("worker1", 0.2, "started")
SECOND = (
    on("worker2", 0.4, "delivered"), on("worker2", 0.5, "started"), on("worker2", 0.9, "succeeded")
)  # fmt: skip
PATHS = {
    "acknowledged early, and killed midway": (
        SENT, DELIVERED, on("worker1", 0.15, "acked"), STARTED, gone("worker1", 0.3), dump(9.0),
    ),
    "in the broker when that lost what it had": (
        SENT, Event(0.05, "broker_flushed"), dump(9.0),
    ),
    "taken from its queue by a connection that was lost before it was noted in unacked": (
        SENT, gone("worker1", 0.3), dump(9.0),
    ),
    "rejected without requeue": (SENT, DELIVERED, on("worker1", 0.2, "rejected"), dump(9.0)),
    "its publish call failed": (SENT, Event(0.1, "publish_unknown", "crunch/0"), dump(9.0)),
    "given back to its queue while it ran": (
        SENT, DELIVERED, STARTED, on("worker1", 0.3, "restored"), *SECOND,
        on("worker1", 1.0, "succeeded"), dump(9.0),
    ),
}  # fmt: skip
UNEXPLAINED = {
    "lost, and nothing happened to anybody": (SENT, dump(9.0)),
    "lost, and the broker was emptied before it was there": (
        Event(-1.0, "broker_flushed"), SENT, dump(9.0),
    ),
    "lost, though acknowledged by a worker that lives": (
        SENT, DELIVERED, on("worker1", 0.15, "acked"), dump(9.0),
    ),
    "run twice, and it never went back": (
        SENT, DELIVERED, STARTED, *SECOND, on("worker1", 1.0, "succeeded"), dump(9.0),
    ),
    "stuck at the end": (SENT,),
    "never delivered, and what was lost was lost long after the next one was taken": (
        SENT, Event(0.1, "sent", "crunch/1", queue="celery"),
        Event(0.2, "delivered", "crunch/1", worker="worker1", tag="b"),
        Event(0.3, "acked", "crunch/1", worker="worker1", tag="b"),
        Event(0.3, "started", "crunch/1", worker="worker1", slot=0, retry=0, tag="b"),
        Event(0.4, "succeeded", "crunch/1", worker="worker1", slot=0, retry=0, tag="b"),
        gone("worker1", 30.0), dump(40.0),
    ),
}  # fmt: skip


def causes(events: tuple[Event, ...]) -> list[str | None]:
    run = Run(SOAK, events)
    return list(judge.explained(audit(run), run).values())


@pytest.mark.parametrize("cause", PATHS)
def test_each_path_is_found_in_the_evidence(cause: str) -> None:
    assert causes(PATHS[cause]) == [cause]


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_without_a_path_a_task_is_unexplained_and_the_soak_fails(name: str) -> None:
    assert causes(UNEXPLAINED[name]) == [None]
    run = Run(SOAK, UNEXPLAINED[name])
    assert judge.accounted(audit(run), run, 120.0)[1].holds is False


def test_a_fault_explains_nothing() -> None:
    """An order to flush is no evidence that anything was flushed."""
    order = Event(0.05, "control", detail={"verb": "flush"})
    assert causes((SENT, order, dump(9.0))) == [None]


@pytest.mark.parametrize(("seconds", "holds"), [(MINUTES_S, False), (120.0, None)])
def test_more_than_one_unknown_in_twenty_fails_where_there_are_tasks_enough(
    seconds: float, holds: bool | None
) -> None:
    """In two minutes there are a hundred or so: one bad moment of the broker is told, not judged."""
    run = Run(SOAK, PATHS["its publish call failed"])
    found = judge.accounted(audit(run), run, seconds)
    assert [one.holds for one in found] == [True, True, holds]


def test_a_process_or_a_file_that_is_left_fails() -> None:
    assert [one.holds for one in judge.leftovers([], [])] == [True, True]
    assert [one.holds for one in judge.leftovers([17], ["tmp/x"])] == [False, False]


# --- the system and its faults ----------------------------------------------------------------


def test_every_verb_is_used_or_left_out_for_a_reason() -> None:
    """Those that mend what another breaks are used with it."""
    healing = {
        "free_memory", "mend_link", "resume_broker", "resume_worker", "start_broker",
        "start_worker", "submit",
    }  # fmt: skip
    assert _WEIGHTS.keys() | LEFT_OUT.keys() | healing == set(VERBS)
    assert not _WEIGHTS.keys() & LEFT_OUT.keys()


@pytest.mark.parametrize("verb", _WEIGHTS)
def test_the_system_refuses_none_of_the_faults(verb: str) -> None:
    arguments: dict[str, object] = {"worker": "worker1"} if "worker" in verb else {}
    check(SOAK, verb, arguments or {"worker": "worker1", "dependency": "db", "task": "sleep"})
    assert hasattr(Chaos, f"_{verb}") or verb in {"kill_worker", "terminate_worker", "quit_worker"}


def test_what_is_left_out_is_refused() -> None:
    with pytest.raises(ScenarioError, match="retries"):
        check(SOAK, "fill_memory", {})


def test_early_and_late_acks_compute_and_keep_no_results() -> None:
    kinds = [SOAK.task(name) for name in FILLERS]
    assert {kind.acks_late for kind in kinds} == {True, False}
    assert all(kind.work == "cpu" and kind.ignore_result for kind in kinds)


def test_the_page_says_what_was_found() -> None:
    criteria = [judge.Criterion("one", "0", "3", False), judge.Criterion("two", "1", "1", None)]
    facts = page.Facts(
        n_events=10, kinds=Counter(sample=3), counts={"done once": 2}, totals="a\nb",
        guarantees=["at least once: holds"], causes=Counter(), faults=Counter(flush=2),
        refused=Counter(), revived=Counter(), cores=1.5, idle_cores=0.1, n_processes=9, took_s=60.0,
    )  # fmt: skip
    text = page.written(60.0, 7, criteria, facts, minutes(n=2))
    for words in ("seed 7", "**fails**", "told only", "- flush: 2", "10 a minute", "12.0 (60)"):
        assert words in text, words
