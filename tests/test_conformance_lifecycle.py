"""Conformance: what becomes of a worker's messages when it is stopped, quit or cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proof.rows import ROWS
from proof.rows.stopping import past_the_timeout
from sandbox import workbench
from sandbox.errors import EngineError, SandboxError
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
    run = finish(begin, scenario(**past_the_timeout(mode)))
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


# --- cold and soft shutdown ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_worker_that_quits_gives_back_what_it_has_not_acknowledged(
    begin: Begin, mode: str
) -> None:
    """SIGQUIT: early ack loses the two that ran; late ack loses nothing and runs them twice."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        faults=[{"kind": "quit_worker", "worker": "worker1", "when": on_start(2)}],
    )
    run = finish(begin, described)
    lost = {e.task for e in run.of_kind("child_lost")}
    assert len(lost) == 2
    assert len(run.of_kind("restored")) == 2
    assert {e.worker for e in run.of_kind("restored")} == {"worker1"}
    if mode == "early":
        assert verdicts(run) == {"done once": 6, "lost": 2}
        assert set(executions(run).values()) == {1}
    else:
        assert verdicts(run) == {"done once": 8}
        assert {key for key, n in executions(run).items() if n == 2} == lost


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_soft_shutdown_lets_short_tasks_end(begin: Begin, mode: str) -> None:
    """What ends within the timeout is done; nothing else begins meanwhile; the rest is cancelled."""
    tasks = [task("long", 5.0, **ACK_MODES[mode]), task("short", 0.4, **ACK_MODES[mode])]
    described = scenario(
        tasks=tasks,
        loads=[burst(1, "short"), burst(1, "long"), burst(2, "short", 0.05)],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1, "soft_shutdown_timeout_s": 1.0}],
        faults=[{"kind": "quit_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
        horizon_s=1.0,
        deadline_s=3.5,
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        session.wait(0.3)
    run = session.close()
    assert_laws(run)
    quit_s = at_of(run, "quit_worker")
    assert order(run) == ["short/0", "long/0"] or order(run) == ["long/0", "short/0"]
    assert [e.task for e in run.of_kind("child_lost")] == ["long/0"]
    assert run.of_kind("worker_exited")[0].t_s >= quit_s + 1.0
    restored = {e.task for e in run.of_kind("restored")}
    acked = {e.task: e.t_s for e in run.of_kind("acked")}
    if mode == "early":
        assert verdicts(run) == {"done once": 1, "lost": 1, "stuck": 2}
        assert restored == {"short/1", "short/2"}
    else:
        assert verdicts(run) == {"done once": 1, "stuck": 3}
        assert restored == {"long/0"}
        assert acked["short/0"] >= quit_s + 1.0


@pytest.mark.parametrize("on_idle", [False, True])
def test_an_idle_worker_waits_only_if_told_to(begin: Begin, on_idle: bool) -> None:
    """worker_enable_soft_shutdown_on_idle: a worker that holds only a countdown sleeps, too."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 30.0}
    workers = [{"soft_shutdown_timeout_s": 1.5, "soft_shutdown_on_idle": on_idle}]
    described = scenario(
        tasks=[task(service_s=0.05, p_failure=1.0, retries=[policy])],
        loads=[burst(1)],
        workers=workers,
        horizon_s=1.0,
        deadline_s=6.0,
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="received", nth=2))
        session.controls.quit_worker("worker1")
        session.wait_for(OnEvent(event="worker_exited"))
    run = session.close()
    took_s = run.of_kind("worker_exited")[0].t_s - at_of(run, "quit_worker")
    assert len(run.of_kind("restored")) == 1
    assert verdicts(run) == {"stuck": 1}
    if on_idle:
        assert took_s >= 1.5
    assert executions(run) == {"job/0": 1}


def test_quit_is_refused_where_nothing_can_be_cancelled(begin: Begin) -> None:
    """A threads pool cannot end a task, nor can a worker be told to stop twice."""
    workers = [{"name": "t", "pool": "threads"}, {"name": "p"}]
    with begin(scenario(workers=workers, loads=[])) as session:
        with pytest.raises(SandboxError, match=r"^quit_worker: worker 't1' has a threads pool"):
            session.controls.quit_worker("t1")
        session.controls.quit_worker("p1")
        with pytest.raises(EngineError, match=r"p1 is shutting down already$"):
            session.controls.terminate_worker("p1")


# --- connections cut -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_dropped_connection_gives_everything_back(begin: Begin, mode: str) -> None:
    """Early ack: prefetched tasks run later, once; late ack: the four that ran run twice."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        faults=[{"kind": "drop_connections", "when": on("started", 4, 0.15)}],
    )
    run = finish(begin, described)
    before = {e.task for e in run.of_kind("started") if e.t_s < at_of(run, "drop_connections")}
    twice = {key for key, n in executions(run).items() if n == 2}
    assert len(run.of_kind("disconnected")) == 2
    assert len(run.of_kind("restored")) == 4
    if mode == "early":
        assert verdicts(run) == {"done once": 8}
        assert twice == set()
    else:
        assert verdicts(run) == {"done once": 4, "done more than once": 4}
        assert twice == before


def test_threads_cannot_forget_what_they_have_queued(begin: Begin) -> None:
    """Early ack, threads: the prefetched tasks run from the pool's own queue and once more."""
    described = scenario(
        tasks=[task(service_s=0.3)],
        workers=[{"pool": "threads", "concurrency": 1, "prefetch_multiplier": 2}],
        loads=[burst(3)],
        faults=[{"kind": "drop_connections", "when": on_start(1)}],
    )
    run = finish(begin, described)
    assert sorted(executions(run).values()) == [1, 2, 2]


def test_a_dropped_connection_forgets_countdowns_and_limits(begin: Begin) -> None:
    """ETA and rate-limited tasks are held again by whoever gets them, and run once."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 1.2}
    tasks = [
        task("later", 0.05, p_failure=1.0, retries=[policy]),
        task("slow", 0.05, rate_limit="1/s"),
    ]
    described = scenario(
        tasks=tasks,
        loads=[burst(1, "later"), burst(2, "slow")],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
        faults=[{"kind": "drop_connections", "when": on("received", 4, 0.3)}],
    )
    run = finish(begin, described)
    held = [e.task for e in run.of_kind("eta_held")]
    assert held == ["later/0", "later/0"]
    assert executions(run) == {"later/0": 2, "slow/0": 1, "slow/1": 1}
    assert len(run.of_kind("eta_released")) == 1


def test_a_closed_load_goes_on_after_a_dropped_connection(begin: Begin) -> None:
    """A client that waits for results hears of them on its new connection."""
    think = {"kind": "deterministic", "value_s": 0.1}
    loads = [{"kind": "closed", "task": "job", "n_clients": 2, "think": think}]
    described = scenario(
        tasks=[task(service_s=0.1)],
        loads=loads,
        faults=[{"kind": "drop_connections", "when": on_start(2, worker=None)}],
        horizon_s=2.0,
    )
    run = finish(begin, described)
    dropped_s = at_of(run, "drop_connections")
    assert sum(e.t_s > dropped_s for e in run.of_kind("sent")) >= 6


# --- the broker stopped and started ----------------------------------------------------------

ALONE = [{"concurrency": 1, "prefetch_multiplier": 2}]


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_broker_without_persistence_loses_all_but_what_runs(begin: Begin, mode: str) -> None:
    """Queued and prefetched tasks are lost; the one that runs ends after the worker is back."""
    described = scenario(
        tasks=[task(service_s=2.6, **ACK_MODES[mode]), task("new", 0.05)],
        workers=ALONE,
        loads=[burst(5)],
        faults=[{"kind": "stop_broker", "when": on_start(1, 0.2), "down_s": 0.5}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="succeeded"))
        session.controls.submit("new", 2)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 3, "lost": 4}
    assert order(run)[0] == "job/0"
    assert set(executions(run).values()) == {1}
    assert run.of_kind("restored") == []


@pytest.mark.parametrize("ignores", [True, False])
def test_a_result_without_a_broker_fails_its_task(begin: Begin, ignores: bool) -> None:
    """A task that ends in the outage fails if it has a result to store, and is done if it has none."""
    name = "no result, so no broker needed" if ignores else "a result without a broker"
    run = finish(begin, ROWS[name].scenario)
    assert verdicts(run) == ({"done once": 1} if ignores else {"failed": 1})
    assert executions(run) == {"job/0": 1}


@pytest.mark.parametrize("n", [1, 2])
def test_a_worker_that_waits_for_more_does_not_survive_a_stop(begin: Begin, n: int) -> None:
    """With a BRPOP under way and messages in hand it exits with code 1; a full worker goes on."""
    described = scenario(
        tasks=[task(service_s=0.8, acks_late=True, ignore_result=True)],
        workers=ALONE,
        loads=[burst(n)],
        faults=[{"kind": "stop_broker", "when": on_start(1, 0.3), "down_s": 0.3}],
        deadline_s=4.0,
    )
    with begin(described) as session:
        if n == 1:
            session.wait_for(OnEvent(event="worker_exited", worker="worker1"))
        session.wait()
    run = session.close()
    assert [e.detail for e in run.of_kind("worker_exited")] == ([{"exit": 1}] if n == 1 else [])
    assert executions(run) == {"job/0": 1}
    assert verdicts(run) == {"done once": 1} | ({"lost": 1} if n == 2 else {})


@pytest.mark.parametrize("ignores", [True, False])
def test_publishing_in_an_outage_is_given_up_or_waits(begin: Begin, ignores: bool) -> None:
    """The publish policy lasts 0.6 s; but who wants the result waits for the broker from then on."""
    name = "given up in an outage" if ignores else "who wants the result waits for the broker"
    with begin(ROWS[name].scenario) as session:
        assert session.wait() == "drained"
    run = session.close()
    unknown = ["job/1", "job/2"] if ignores else ["job/1"]
    assert [e.task for e in run.of_kind("publish_unknown")] == unknown
    assert verdicts(run) == {"done once": 3 - len(unknown), "unknown": len(unknown)}


def test_what_a_stopped_broker_refuses(begin: Begin) -> None:
    """A broker that is down can only be started, one that is up only be stopped."""
    with begin(scenario(loads=[], workers=[{}])) as session:
        controls = session.controls
        with pytest.raises(EngineError, match=r"^start_broker: the broker is running already$"):
            controls.start_broker()
        controls.stop_broker()
        with pytest.raises(EngineError, match=r"^skip: the broker is down; start it first$"):
            controls.skip(1.0)
        with pytest.raises(EngineError, match=r"^stop_broker: the broker is down; start it first$"):
            controls.stop_broker()
        controls.start_broker()
    assert [e.kind for e in session.close().of_kind("broker_stopped")] == ["broker_stopped"]


@pytest.mark.parametrize("mode", ["early", "late"])
def test_a_persistent_broker_strands_what_was_prefetched(begin_full: Begin, mode: str) -> None:
    """AOF: queued tasks run when the worker is back, prefetched ones after the visibility timeout."""
    described = scenario(
        tasks=[task(service_s=2.4, **ACK_MODES[mode]), task("short", 0.05, **ACK_MODES[mode])],
        workers=ALONE,
        broker=QUICK_SWEEPS | {"visibility_timeout_s": 5.0, "persistence": "aof"},
        loads=[burst(1), burst(4, "short", 0.05)],
        faults=[{"kind": "stop_broker", "when": on_start(1, 0.4), "down_s": 0.5}],
    )
    run = finish(begin_full, described)
    stopped_s = run.of_kind("broker_stopped")[0].t_s
    held = {e.task for e in run.of_kind("delivered") if e.t_s < stopped_s} - {"job/0"}
    assert len(held) == (2 if mode == "early" else 1)
    assert {e.task for e in run.of_kind("restored")} == held
    assert set(order(run)[-len(held) :]) == held
    assert verdicts(run) == {"done once": 5}
    assert set(executions(run).values()) == {1}


def test_the_fake_and_a_url_keep_nothing(tmp_path: Path) -> None:
    """Persistence is the server's own: where the sandbox cannot set it, it says so."""
    described = scenario(broker={"persistence": "aof"})
    for broker, what in (("fake", "the fake broker"), ("redis://127.0.0.1:1/0", "a broker at a")):
        with pytest.raises(EngineError, match=f"^broker.persistence is 'aof', .* {what}"):
            workbench.start(described, broker=broker, runs=tmp_path)


# --- other clients of the same keys ----------------------------------------------------------


@pytest.mark.parametrize("mode", ["early", "late"])
def test_the_shortest_visibility_timeout_of_any_client_holds(begin: Begin, mode: str) -> None:
    """One sweep of a client with a short timeout runs tasks twice; the workers' hour is no help.

    The sweep comes while the first task runs, however late a loaded machine is to order it: that
    one is long. What is swept is old enough by then, since the clock of it starts at its event.
    """
    described = scenario(
        tasks=[
            task("first", service_s=2.5, **ACK_MODES[mode]),
            task(service_s=0.1, **ACK_MODES[mode]),
        ],
        workers=ALONE,
        loads=[burst(1, "first"), burst(1, at_s=0.1)],
        faults=[{"kind": "sweep", "visibility_timeout_s": 0.1, "when": on("received", 2, 0.2)}],
    )
    run = finish(begin, described)
    assert executions(run) == {"first/0": 1 if mode == "early" else 2, "job/0": 2}


def test_a_longer_timeout_restores_nothing(begin: Begin) -> None:
    """What is younger than the sweeping client's timeout stays where it is."""
    described = scenario(
        tasks=[task(service_s=0.8, acks_late=True)],
        workers=ALONE,
        loads=[burst(2)],
        faults=[{"kind": "sweep", "visibility_timeout_s": 60.0, "when": on_start(1, 0.3)}],
    )
    assert finish(begin, described).of_kind("restored") == []


@pytest.mark.parametrize("planted", [True, False])
def test_a_mutex_that_outlives_its_holder_stops_all_sweeps(begin: Begin, planted: bool) -> None:
    """A dead worker's message comes back after the timeout, but not before the mutex expires."""
    its_start = on("started", 1, 0.25, worker="worker1")
    kill = {"kind": "kill_worker", "worker": "worker1", "when": its_start}
    plant = {"kind": "plant_mutex", "expires_s": 3.0, "when": its_start | {"after_s": 0.3}}
    described = scenario(
        # Each takes one, and dies between two sweeps: one that is cut leaves its mutex, too.
        tasks=[task(service_s=0.6, acks_late=True)],
        workers=[{"n_workers": 2, "prefetch_multiplier": 1}],
        broker=QUICK_SWEEPS | {"visibility_timeout_s": 1.5},
        loads=[burst(2)],
        faults=[plant, kill] if planted else [kill],
    )
    run = finish(begin, described)
    back = run.of_kind("restored")
    held = [e for e in run.of_kind("delivered") if e.worker == "worker1"]
    assert len(back) == len(held) >= 1
    assert verdicts(run) == {"done once": 2}
    if planted:
        assert back[0].t_s >= at_of(run, "plant_mutex") + 3.0 - 0.05
        idle = [e for e in run.of_kind("sweep") if held[0].t_s + 2.0 < e.t_s < back[0].t_s - 0.2]
        assert idle


def test_two_beats_publish_everything_twice(begin: Begin) -> None:
    """Nothing keeps two beats apart: from the second's start each entry is published by both."""
    described = scenario(
        tasks=[task("tick", 0.01)],
        loads=[],
        beat=[{"name": "clock", "task": "tick", "every_s": 0.5}],
        faults=[{"kind": "start_beat", "when": {"on": "time", "at_s": 0.2}}],
        horizon_s=2.1,
    )
    run = finish(begin, described)
    assert verdicts(run) == {"done once": 4 + 3}


def test_a_killed_worker_comes_back_by_itself(begin: Begin) -> None:
    """kill_worker with back_after_s: the same worker takes what is queued after that time."""
    kill = {"kind": "kill_worker", "worker": "worker1", "when": on_start(1), "back_after_s": 0.3}
    described = scenario(tasks=[task()], workers=[{}], loads=[burst(8)], faults=[kill])
    with begin(described) as session:
        session.wait_for(OnEvent(event="succeeded", nth=3))
    run = session.close()
    assert_laws(run)
    kinds = [e.kind for e in run.of_kind("worker_exited", "worker_ready") if e.t_s > 0]
    assert kinds == ["worker_exited", "worker_ready"]
