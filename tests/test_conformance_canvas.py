"""Conformance: groups and chords, equal in the model and as celery.group and celery.chord."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.chords import chords
from sandbox.faults import OnEvent
from sandbox.run import Run
from tests.conftest import Begin
from tests.test_conformance import (
    ACK_MODES,
    HOUR_S,
    assert_laws,
    executions,
    finish,
    killed_then_an_hour,
    on_start,
    scenario,
    task,
    verdicts,
)

BODY = "total/0"


def chord(n: int = 4, **more: Any) -> dict[str, Any]:
    return {"kind": "chord", "task": "job", "n": n, "body": "total"} | more


def total() -> dict[str, Any]:
    return task("total", 0.05)


def bodies(run: Run) -> list[str]:
    """Return the keys of the bodies that were published."""
    return [event.task for event in run.of_kind("sent") if event.task.startswith("total/")]


def test_a_group_is_its_tasks(begin: Begin) -> None:
    """Each of a group's tasks runs once; what is between them and the workers is a queue."""
    run = finish(begin, scenario(loads=[{"kind": "group", "task": "job", "n": 5}]))
    assert executions(run) == {f"job/{n}": 1 for n in range(5)}
    assert verdicts(run) == {"done once": 5}


def test_a_chord_s_body_runs_after_its_whole_header(begin: Begin) -> None:
    """The worker that finishes the last header task publishes the body, before it reports it."""
    run = finish(begin, scenario(tasks=[task(), total()], loads=[chord()]))
    assert verdicts(run) == {"done once": 5}
    assert bodies(run) == [BODY]
    sent = next(event for event in run.of_kind("sent") if event.task == BODY)
    assert sent.worker is not None
    headers = [event for event in run.of_kind("succeeded") if event.task != BODY]
    assert sent.t_s <= max(event.t_s for event in headers)
    assert len([event for event in headers if event.t_s < sent.t_s]) == 3
    started = next(event for event in run.of_kind("started") if event.task == BODY)
    assert started.t_s >= sent.t_s


def test_two_chords_have_a_body_each(begin: Begin) -> None:
    """Numbers: headers by time, bodies by position; a burst of the same type keeps its own."""
    loads = [
        chord(2, at_s=0.3),
        {"kind": "burst", "task": "job", "n": 1, "at_s": 0.1},
        chord(2, at_s=0.2),
    ]
    run = finish(begin, scenario(tasks=[task(service_s=0.1), total()], loads=loads))
    assert verdicts(run) == {"done once": 7}
    assert sorted(bodies(run)) == ["total/0", "total/1"]


def test_a_failing_header_fails_the_chord(begin: Begin) -> None:
    """C2: the header runs to its end, the body is FAILURE and never published."""
    run = finish(begin, scenario(tasks=[task(p_failure=0.5), total()], loads=[chord()], seed=3))
    assert 0 < verdicts(run)["failed"] < 4
    assert bodies(run) == []
    assert [event.task for event in run.of_kind("chord_failed")] == [BODY]
    assert [(found.fate, found.missing) for found in chords(run)] == [("failed", ())]


def test_a_retried_header_holds_the_body_back(begin: Begin) -> None:
    """A retry is no result: the body waits for the last attempt."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.4}
    tasks = [task(service_s=0.05, p_failure=0.5, retries=[policy]), total()]
    # With this seed each header task fails at most once.
    run = finish(begin, scenario(tasks=tasks, loads=[chord()], seed=seed_of_one_retry()))
    assert verdicts(run) == {"done once": 5}
    assert run.of_kind("retried")
    last = max(event.t_s for event in run.of_kind("started") if event.task != BODY)
    assert next(e.t_s for e in run.of_kind("sent") if e.task == BODY) > last


def seed_of_one_retry() -> int:
    """Return the first seed with which some of four first attempts fail, and no second ones."""
    from sandbox.draws import uniform

    def fails(seed: int, n: int, retry: int) -> bool:
        return uniform(seed, "job/failure", n, retry=retry) < 0.5

    def fits(seed: int) -> bool:
        first = [n for n in range(4) if fails(seed, n, 0)]
        return bool(first) and not any(fails(seed, n, 1) for n in first)

    return next(seed for seed in range(1000) if fits(seed))


def test_an_expired_header_fails_the_chord(begin: Begin) -> None:
    """A revoked header task is an exception to the chord, as a failed one is."""
    tasks = [task(service_s=0.8, acks_late=True, expires_s=0.5), total()]
    workers = [{"concurrency": 2, "prefetch_multiplier": 1}]
    run = finish(begin, scenario(tasks=tasks, workers=workers, loads=[chord()]))
    assert verdicts(run) == {"done once": 2, "revoked": 2}
    assert bodies(run) == []
    assert [event.task for event in run.of_kind("chord_failed")] == [BODY]


@pytest.mark.parametrize("mode", ["early", "reject"])
def test_a_killed_child_in_a_header(begin: Begin, mode: str) -> None:
    """The main process reports the lost task to the chord; only reject runs it again."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode]), total()],
        loads=[chord(8)],
        faults=[{"kind": "kill_child", "worker": "worker1", "when": on_start(2)}],
    )
    run = finish(begin, described)
    assert len(run.of_kind("child_lost")) == 1
    if mode == "reject":
        assert verdicts(run) == {"done once": 9}
        assert bodies(run) == [BODY]
    else:
        assert verdicts(run) == {"done once": 7, "failed": 1}
        assert bodies(run) == []
        assert len(run.of_kind("chord_failed")) == 1


def test_a_lost_header_leaves_the_body_out_for_ever(begin: Begin) -> None:
    """Early ack, its worker killed: no result, no failure, no body, however long one waits."""
    run = after_a_killed_worker(begin, "early")
    assert verdicts(run) == {"done once": 10, "lost": 2}
    assert bodies(run) == []
    assert run.of_kind("chord_failed") == []
    assert [(found.fate, len(found.missing)) for found in chords(run)] == [("waits", 2)]


def test_a_redelivered_header_completes_the_chord(begin: Begin) -> None:
    """acks_late, its worker killed, the hour skipped: the header runs again, then the body."""
    run = after_a_killed_worker(begin, "late")
    assert verdicts(run) == {"done once": 13}
    assert bodies(run) == [BODY]


def after_a_killed_worker(begin: Begin, mode: str) -> Run:
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode]), total()],
        # Enough for either worker to have two at once, whoever is quicker.
        loads=[chord(12)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
    )
    return killed_then_an_hour(begin, described, mode)


def test_a_header_task_that_runs_twice_counts_once(begin: Begin) -> None:
    """A sweep while the header runs: its tasks succeed twice, the body is published once."""
    described = scenario(
        tasks=[task(service_s=0.8, acks_late=True), total()],
        loads=[chord(2)],
        workers=[{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 1}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="started", nth=2))
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 1, "done more than once": 2}
    assert bodies(run) == [BODY]
