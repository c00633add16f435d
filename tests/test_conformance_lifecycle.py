"""Conformance: what becomes of a worker's messages when it is stopped, quit or cut off."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.run import Run
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

QUICK_SWEEPS = {
    "visibility_timeout_s": 2.0,
    "unacked_restore_interval_s": 0.5,
    "unacked_restore_throttle": 1,
}


def on(event: str, nth: int = 1, after_s: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"on": "event", "event": event, "nth": nth, "after_s": after_s} | more


def at_of(run: Run, verb: str) -> float:
    """Return when a verb was carried out (s)."""
    return next(e.t_s for e in run.of_kind("control") if (e.detail or {})["verb"] == verb)


# --- pause and resume ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_pause_past_the_visibility_timeout_runs_tasks_twice(begin: Begin, mode: str) -> None:
    """Early ack: the two prefetched ones run twice; late ack: the two that ran."""
    n_elsewhere = 6 if mode == "early" else 8
    resume = {"kind": "resume_worker", "worker": "worker1"}
    described = scenario(
        tasks=[task(service_s=0.5, **ACK_MODES[mode])],
        broker=QUICK_SWEEPS,
        faults=[
            {"kind": "pause_worker", "worker": "worker1", "when": on_start(2)},
            resume | {"when": on("succeeded", n_elsewhere, 0.1, worker="worker2")},
        ],
    )
    run = finish(begin, described)
    before = [e.task for e in run.of_kind("started") if e.t_s < at_of(run, "pause_worker")]
    twice = {key for key, n in executions(run).items() if n == 2}
    mine = {e.task for e in run.of_kind("started") if e.worker == "worker1"}
    assert len(run.of_kind("restored")) == 2
    assert verdicts(run) == {"done once": 6, "done more than once": 2}
    assert twice <= mine
    assert len(mine) == (4 if mode == "early" else 2)
    assert twice.isdisjoint(before) == (mode == "early")


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_short_pause_only_delays(begin: Begin, mode: str) -> None:
    """A pause within the visibility timeout: each task once, and nobody restores anything."""
    described = scenario(
        tasks=[task(**ACK_MODES[mode])],
        faults=[{"kind": "pause_worker", "worker": "worker1", "when": on_start(2), "for_s": 0.8}],
    )
    run = finish(begin, described)
    resumed_s = at_of(run, "resume_worker")
    mine = [e.t_s for e in run.of_kind("succeeded") if e.worker == "worker1"]
    assert min(mine) >= resumed_s
    assert verdicts(run) == {"done once": 8}
    assert run.of_kind("restored") == []


def test_a_sleep_ends_in_a_pause_and_a_computation_does_not(begin: Begin) -> None:
    """A wait goes by the clock on the wall; what a processor has not done is done afterwards."""
    tasks = [task("nap", 0.6), task("burn", 0.6, work="cpu")]
    pause = {"kind": "pause_worker", "worker": "worker1", "when": on_start(2), "for_s": 1.0}
    described = scenario(
        tasks=tasks,
        loads=[burst(1, "burn"), burst(1, "nap")],
        workers=[{"concurrency": 2}],
        faults=[pause],
    )
    run = finish(begin, described)
    ends = {e.task: e.t_s for e in run.of_kind("succeeded")}
    resumed_s = at_of(run, "resume_worker")
    assert list(ends) == ["nap/0", "burn/0"]
    assert ends["nap/0"] >= resumed_s
    assert ends["burn/0"] >= resumed_s + 0.3


def test_what_a_paused_worker_can_be_told(begin: Begin) -> None:
    """SIGKILL acts on a stopped process; what needs its main process is refused, in one sentence."""
    described = scenario(tasks=[task(acks_late=True)], loads=[burst(2)], workers=[{}])
    with begin(described) as session:
        controls = session.controls
        with pytest.raises(EngineError, match=r"resume_worker: worker1 is not paused$"):
            controls.resume_worker("worker1")
        session.wait_for(OnEvent(event="started"))
        controls.pause_worker("worker1")
        for verb in (controls.pause_worker, controls.terminate_worker, controls.kill_child):
            with pytest.raises(EngineError, match=r"worker1 is paused; resume it first$"):
                verb("worker1")
        controls.kill_worker("worker1")
        session.wait_for(OnEvent(event="worker_exited"))
        controls.start_worker("worker1")
        controls.skip(3600.0)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 2}


def test_a_rate_limit_reaches_a_paused_worker_when_it_goes_on(begin: Begin) -> None:
    """A broadcast waits in the worker's socket; what it takes after the pause is limited."""
    described = scenario(tasks=[task(service_s=0.01)], loads=[], workers=[{}])
    with begin(described) as session:
        session.controls.pause_worker("worker1")
        session.controls.rate_limit("job", "4/s")
        session.controls.resume_worker("worker1")
        session.wait(0.3)
        session.controls.submit("job", 3)
        session.wait_for(OnEvent(event="succeeded", nth=3))
    run = session.close()
    starts = [e.t_s for e in run.of_kind("started")]
    assert len(order(run)) == 3
    assert starts[-1] - starts[0] >= 2 * 0.25 - 0.05
