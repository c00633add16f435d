"""Conformance: what becomes of messages when memory runs out, or the broker's is emptied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.errors import EngineError, ScenarioError
from sandbox.faults import OnEvent
from tests.conftest import Begin
from tests.test_conformance import (
    ACK_MODES,
    assert_laws,
    burst,
    executions,
    finish,
    on_start,
    order,
    scenario,
    task,
    verdicts,
)
from tests.test_conformance_lifecycle import at_of

ALONE = [{"concurrency": 1, "prefetch_multiplier": 2}]


# --- everything deleted ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_flush_loses_what_is_queued(begin_full: Begin, mode: str) -> None:
    """What runs and what was prefetched is done, what comes later too; the queue is gone."""
    described = scenario(
        tasks=[task(service_s=0.7, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(6), burst(1, at_s=1.6)],
        faults=[{"kind": "flush", "when": on_start(1, 0.35)}],
    )
    run = finish(begin_full, described)
    flushed_s = run.of_kind("broker_flushed")[0].t_s
    held = {e.task for e in run.of_kind("delivered") if e.t_s < flushed_s}
    assert len(held) == (3 if mode == "early" else 2)
    assert set(order(run)) == held | {"job/6"}
    assert set(executions(run).values()) == {1}
    assert verdicts(run) == {"done once": len(held) + 1, "lost": 6 - len(held)}
    assert run.of_kind("disconnected", "failed", "restored") == []


def test_after_a_flush_there_is_nothing_to_give_back(begin_full: Begin) -> None:
    """acks_late + reject_on_worker_lost: what a dead child ran is lost, not requeued."""
    described = scenario(
        tasks=[task(service_s=3.0, **ACK_MODES["reject"])],
        workers=ALONE,
        loads=[burst(1)],
        faults=[
            {"kind": "flush", "when": on_start(1)},
            {"kind": "kill_child", "worker": "worker1", "when": on_start(1, 0.3)},
        ],
        deadline_s=9.0,
    )
    run = finish(begin_full, described)
    assert len(run.of_kind("child_lost")) == 1
    assert run.of_kind("requeued") == []
    assert verdicts(run) == {"lost": 1}


# --- a body that ends more than itself -----------------------------------------------------------


def crashing(
    crash: str, mode: str, service_s: float = 0.2, job_s: float = 0.5
) -> list[dict[str, Any]]:
    mode_ = ACK_MODES[mode]
    return [task("bad", service_s, crash=crash, **mode_), task(service_s=job_s, **mode_)]


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_poison_message_fails_after_one_attempt(begin_full: Begin, mode: str) -> None:
    """Its process is gone, its worker goes on; the others are done once."""
    described = scenario(
        tasks=crashing("child", mode),
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
        loads=[burst(2)],
        faults=[{"kind": "poison", "task": "bad", "when": on_start(1)}],
        deadline_s=9.0,
    )
    run = finish(begin_full, described)
    assert executions(run) == {"job/0": 1, "job/1": 1, poisoned(run): 1}
    assert verdicts(run) == {"done once": 2, "failed": 1}
    assert [e.task for e in run.of_kind("child_lost")] == [poisoned(run)]


def poisoned(run: Any) -> str:
    return next(e.task for e in run.of_kind("sent") if e.task.startswith("bad/"))


def test_a_poison_message_comes_back_for_ever_where_it_is_rejected(begin_full: Begin) -> None:
    """acks_late + reject_on_worker_lost: requeued without a count, and run again."""
    described = scenario(
        tasks=crashing("child", "reject", 0.05),
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
        loads=[],
        faults=[{"kind": "poison", "task": "bad", "when": {"on": "time", "at_s": 0.1}}],
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="started", nth=2), 12.0)
    run = session.close()
    assert_laws(run)
    assert len(run.of_kind("requeued")) >= 1
    assert run.of_kind("failed") == []
    assert verdicts(run) == {"stuck": 1}


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_memory_error_ends_its_whole_worker(begin_full: Begin, mode: str) -> None:
    """Exit code 1, once what runs is done; the rest goes back, late with the one that raised."""
    described = scenario(
        tasks=crashing("memory", mode, service_s=1.0, job_s=2.0),
        workers=[{"concurrency": 2, "prefetch_multiplier": 2}],
        loads=[burst(1), burst(1, "bad", 0.4), burst(3, at_s=0.8)],
        deadline_s=7.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        session.wait(0.2)
    run = session.close()
    assert_laws(run)
    assert [e.detail for e in run.of_kind("worker_exited")] == [{"exit": 1}]
    assert order(run) == ["job/0", "bad/0"]
    assert [e.task for e in run.of_kind("failed")] == ["bad/0"]
    # It may hold four messages, and under late ack those that run are among them.
    held = ["job/1", "job/2", "job/3"] if mode == "early" else ["bad/0", "job/1", "job/2"]
    assert [e.task for e in run.of_kind("restored")] == held
    assert verdicts(run) == {"done once": 1, "failed": 1, "stuck": 3}


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_memory_error_ends_one_worker_after_the_other(begin_full: Begin, mode: str) -> None:
    """Early ack: the message is gone with the first; late: it goes back and ends the next."""
    n_exits = 1 if mode == "early" else 2
    described = scenario(
        tasks=crashing("memory", mode),
        workers=[{"n_workers": 2, "prefetch_multiplier": 1}],
        loads=[],
        faults=[{"kind": "memory_error", "task": "bad", "when": {"on": "time", "at_s": 0.1}}],
        deadline_s=5.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited", nth=n_exits))
        if mode == "early":
            assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert len(run.of_kind("worker_exited")) == len(run.of_kind("started")) == n_exits
    assert verdicts(run) == {"failed": 1}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"workers": [{"pool": "threads"}]}, r"^tasks\[0\]\.crash is 'child', but worker pool"),
        (
            {"faults": [{"kind": "poison", "task": "job", "when": on_start(1)}]},
            r"^faults\[0\]: task 'job' has crash = None; poison needs 'child'$",
        ),
        (
            {"faults": [{"kind": "memory_error", "task": "bad", "when": on_start(1)}]},
            r"^faults\[0\]: task 'bad' has crash = 'child'; memory_error needs 'memory'$",
        ),
        (
            {"tasks": [task("bad", crash="child", p_failure=0.5), task()]},
            r"^tasks\[0\]\.p_failure has no meaning with crash = 'child'",
        ),
    ],
)
def test_what_a_crash_does_not_go_with(fields: dict[str, Any], says: str) -> None:
    """Refused by the name of the field, in one sentence."""
    with pytest.raises(ScenarioError, match=says):
        scenario(**({"tasks": crashing("child", "early")} | fields))


# --- a rolling deployment ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_deployment_within_its_grace_loses_nothing(begin_full: Begin, mode: str) -> None:
    """Each worker in turn: what runs ends, what was prefetched goes back, each task runs once."""
    described = scenario(
        tasks=[task(service_s=0.3, **ACK_MODES[mode])],
        workers=[{"n_workers": 2, "prefetch_multiplier": 2}],
        loads=[burst(8)],
        faults=[{"kind": "deploy", "grace_s": 5.0, "when": on_start(1)}],
    )
    run = finish(begin_full, described)
    ends = [
        (e.kind, e.worker) for e in run.of_kind("worker_exited", "worker_ready") if e.t_s > 0.02
    ]
    assert ends == [
        ("worker_exited", "worker1"), ("worker_ready", "worker1"),
        ("worker_exited", "worker2"), ("worker_ready", "worker2"),
    ]  # fmt: skip
    assert [e.detail for e in run.of_kind("worker_exited")] == [{"exit": 0}] * 2
    assert verdicts(run) == {"done once": 8}
    assert set(executions(run).values()) == {1}


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_task_longer_than_the_grace_is_killed(begin_full: Begin, mode: str) -> None:
    """Early ack loses it; late, it waits in `unacked` for the visibility timeout."""
    described = scenario(
        tasks=[task(service_s=3.0, **ACK_MODES[mode])],
        workers=[{"prefetch_multiplier": 1}],
        loads=[burst(1)],
        faults=[{"kind": "deploy", "grace_s": 0.5, "when": on_start(1)}],
        deadline_s=4.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        session.wait(1.5)
    run = session.close()
    assert_laws(run)
    assert [e.detail for e in run.of_kind("worker_exited")] == [{"signal": 9}]
    verbs = [(e.detail or {})["verb"] for e in run.of_kind("control")]
    assert verbs == ["deploy", "terminate_worker", "kill_worker", "start_worker"]
    assert at_of(run, "kill_worker") >= at_of(run, "terminate_worker") + 0.5 - 0.01
    assert verdicts(run) == ({"lost": 1} if mode == "early" else {"stuck": 1})


# --- a broker that is full ---------------------------------------------------------------------


def full(for_s: float | None = None, nth: int = 1, after_s: float = 0.1) -> dict[str, Any]:
    return {"kind": "maxmemory", "for_s": for_s, "when": on_start(nth, after_s)}


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_worker_ends_at_its_first_acknowledgement(begin_full: Begin, mode: str) -> None:
    """noeviction: it gives back what it held; early, the next task has begun and runs again."""
    described = scenario(
        tasks=[task(service_s=0.25, ignore_result=True, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(5)],
        faults=[full(0.6)],
        deadline_s=8.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        session.controls.start_worker("worker1")
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert [e.detail for e in run.of_kind("worker_exited")] == [{"exit": 1}]
    again = "job/1" if mode == "early" else "job/0"
    held = ["job/1", "job/2"] if mode == "early" else ["job/0", "job/1"]
    assert [e.task for e in run.of_kind("restored")] == held
    assert {key for key, n in executions(run).items() if n == 2} == {again}
    assert verdicts(run) == {"done once": 4, "done more than once": 1}


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_result_that_has_no_room(begin_full: Begin, mode: str) -> None:
    """The task has failed; early, its worker goes on, late it ends and gives the task back."""
    described = scenario(
        tasks=[task(service_s=0.4, **ACK_MODES[mode])],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1}],
        loads=[burst(1)],
        faults=[full(0.7)],
        deadline_s=4.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="failed" if mode == "early" else "worker_exited"))
        session.wait(0.2)
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"failed": 1}
    assert executions(run) == {"job/0": 1}
    assert [e.task for e in run.of_kind("restored")] == ([] if mode == "early" else ["job/0"])
    assert len(run.of_kind("worker_exited")) == (0 if mode == "early" else 1)


def test_a_full_broker_refuses_what_is_published(begin_full: Begin) -> None:
    """An idle worker goes on, and runs what is published when there is room again."""
    described = scenario(
        tasks=[task(service_s=0.05)],
        workers=ALONE,
        loads=[burst(1), burst(2, at_s=0.8), burst(1, at_s=1.8)],
        faults=[
            {
                "kind": "maxmemory",
                "for_s": 0.8,
                "when": {"on": "event", "event": "succeeded", "after_s": 0.4},
            }
        ],
    )
    with begin_full(described) as session:
        assert session.wait() == "drained"
    run = session.close()
    assert [e.task for e in run.of_kind("publish_unknown")] == ["job/1", "job/2"]
    assert verdicts(run) == {"done once": 2, "unknown": 2}
    assert run.of_kind("worker_exited") == []


@pytest.mark.parametrize("mode", ["early", "late"])
def test_what_cannot_be_given_back_stays_in_unacked(begin_full: Begin, mode: str) -> None:
    """Full until after the worker's exit: nothing is restored, and a sweep has to find it."""
    described = scenario(
        tasks=[task(service_s=0.3, ignore_result=True, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(2)],
        faults=[full()],
        deadline_s=4.0,
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        with pytest.raises(EngineError, match=r"^skip: the broker's memory is full; free it"):
            session.controls.skip(1.0)
        session.controls.free_memory()
    run = session.close()
    assert run.of_kind("restored") == []
    stuck = {"early": {"done once": 2}, "late": {"done once": 1, "stuck": 1}}
    assert verdicts(run) == stuck[mode]


@pytest.mark.parametrize("mode", ACK_MODES)
def test_eviction_takes_whole_lists_without_an_error(begin_full: Begin, mode: str) -> None:
    """allkeys-lru: what is queued is lost as in a flush, and nobody is told."""
    described = scenario(
        tasks=[task(service_s=0.4, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(6), burst(1, at_s=1.6)],
        faults=[{"kind": "maxmemory", "policy": "allkeys-lru", "when": on_start(1)}],
    )
    run = finish(begin_full, described)
    held = 3 if mode == "early" else 2
    assert verdicts(run) == {"done once": held + 1, "lost": 6 - held}
    assert run.of_kind("failed", "worker_exited", "publish_unknown") == []


def test_where_memory_cannot_be_limited(tmp_path: Path) -> None:
    """The fake has no maxmemory, and a broker at a URL is not ours to fill or to flush."""
    with workbench.start(scenario(loads=[]), broker="fake", runs=tmp_path) as session:
        for verb in (session.controls.fill_memory, session.controls.evict):
            with pytest.raises(EngineError, match=r"the fake broker has no maxmemory; allowed"):
                verb()
        url = session.broker.url  # type: ignore[attr-defined] # a live session has one
        with workbench.start(scenario(loads=[]), broker=url, runs=tmp_path) as guest:
            controls = guest.controls
            for refused in (
                controls.fill_memory, controls.evict, controls.flush, controls.pause_broker,
                lambda: controls.bandwidth(1000.0),
            ):  # fmt: skip
                with pytest.raises(EngineError, match=r"the broker is not the sandbox's own"):
                    refused()
            controls.cut_off("worker1")
            controls.latency(0.1)
