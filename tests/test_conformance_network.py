"""Conformance: what becomes of a worker's messages when its link to the broker is slow or cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.errors import EngineError, ScenarioError
from sandbox.faults import OnEvent
from tests.conftest import Begin, real_redis
from tests.test_conformance import (
    ACK_MODES,
    CLOCK_S,
    assert_laws,
    burst,
    executions,
    finish,
    on_start,
    scenario,
    task,
    verdicts,
)
from tests.test_conformance_lifecycle import at_of

TRIP_S = 0.15
ALONE = [{"concurrency": 1, "prefetch_multiplier": 2}]
QUICK_SWEEPS = {"unacked_restore_interval_s": 0.5, "unacked_restore_throttle": 1}


def slow(on: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    when = on or {"on": "time", "at_s": 0.0}
    return {"kind": "latency", "delay_s": TRIP_S, "when": when} | more


# --- latency ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_slow_link_delays_each_step_by_its_answers(begin_full: Begin, mode: str) -> None:
    """One answer while a message is noted in `unacked`, two for a result; late, one for its ack."""
    described = scenario(
        tasks=[task(service_s=0.05, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(3, at_s=0.1)],
        faults=[slow(worker="worker1")],
    )
    run = finish(begin_full, described)
    assert verdicts(run) == {"done once": 3}
    assert set(executions(run).values()) == {1}
    attempts = sorted(run.fold.attempts, key=lambda a: a.started_s or 0.0)
    for attempt in attempts:
        assert attempt.received_s is not None
        assert attempt.started_s is not None
        assert attempt.ended_s is not None
        assert attempt.received_s - attempt.delivered_s >= TRIP_S - CLOCK_S
        assert attempt.ended_s - attempt.started_s >= 0.05 + 2 * TRIP_S - CLOCK_S
    gaps = [(b.started_s or 0.0) - (a.ended_s or 0.0) for a, b in pairwise(attempts)]
    if mode == "early":
        assert min(gaps) < TRIP_S
    else:
        assert min(gaps) >= TRIP_S - CLOCK_S


def test_a_slow_link_is_one_workers_alone(begin_full: Begin) -> None:
    """The other worker takes what the slow one has no time for."""
    described = scenario(
        tasks=[task(service_s=0.05, ignore_result=True)],
        workers=[{"n_workers": 2, "prefetch_multiplier": 1}],
        loads=[burst(12, at_s=0.1)],
        faults=[slow(worker="worker1", delay_s=0.4)],
    )
    run = finish(begin_full, described)
    by_worker = [e.worker for e in run.of_kind("succeeded")]
    assert by_worker.count("worker2") > by_worker.count("worker1")
    for attempt in run.fold.attempts:
        took_s = (attempt.received_s or 0.0) - attempt.delivered_s
        assert (took_s >= 0.4 - CLOCK_S) == (attempt.worker == "worker1")


def test_a_publish_waits_for_its_answer_until_the_latency_ends(begin_full: Begin) -> None:
    """Everyone's link is slow: a publish call takes one answer longer; then no more."""
    on = {"on": "event", "event": "succeeded"}
    described = scenario(
        tasks=[task(service_s=0.01)],
        workers=ALONE,
        loads=[burst(1), burst(1, at_s=1.0), burst(1, at_s=2.6)],
        faults=[slow(on, delay_s=0.3, for_s=2.0)],
    )
    run = finish(begin_full, described)
    sent = {e.task: e.t_s for e in run.of_kind("sent")}
    took = {e.task: e.t_s - sent[e.task] for e in run.of_kind("published")}
    assert took["job/1"] >= 0.3 - CLOCK_S
    assert took["job/2"] < 0.3 - CLOCK_S
    assert verdicts(run) == {"done once": 3}


# --- cut off ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_what_a_cut_off_worker_had_not_begun_waits_for_the_timeout(
    begin_full: Begin, mode: str
) -> None:
    """It comes back with nothing in hand; what it held runs once a sweep has restored it.

    Between two sweeps: one that is cut off in the middle leaves its mutex behind.
    """
    described = scenario(
        tasks=[task(service_s=2.4, **ACK_MODES[mode]), task("short", 0.05, **ACK_MODES[mode])],
        workers=ALONE,
        broker=QUICK_SWEEPS | {"visibility_timeout_s": 3.0, "unacked_restore_interval_s": 1.5},
        loads=[burst(1), burst(4, "short", 0.05)],
        faults=[{"kind": "cut_off", "worker": "worker1", "for_s": 0.5, "when": on_start(1, 0.25)}],
    )
    run = finish(begin_full, described)
    cut_s = at_of(run, "cut_off")
    held = {e.task for e in run.of_kind("delivered") if e.t_s < cut_s} - {"job/0"}
    assert len(held) == (2 if mode == "early" else 1)
    assert {e.task for e in run.of_kind("restored")} == held
    assert len(run.of_kind("disconnected")) == 1
    assert verdicts(run) == {"done once": 5}
    assert set(executions(run).values()) == {1}


@pytest.mark.parametrize("ignores", [True, False])
def test_a_result_that_cannot_reach_the_broker_fails_its_task(
    begin_full: Begin, ignores: bool
) -> None:
    """A task that ends while its worker is cut off fails, if it has a result to store."""
    described = scenario(
        tasks=[task(service_s=0.5, acks_late=True, ignore_result=ignores)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1}],
        loads=[burst(1)],
        faults=[{"kind": "cut_off", "worker": "worker1", "for_s": 1.0, "when": on_start(1)}],
    )
    run = finish(begin_full, described)
    assert verdicts(run) == ({"done once": 1} if ignores else {"failed": 1})
    assert executions(run) == {"job/0": 1}


def test_the_others_go_on_while_one_worker_is_cut_off(begin_full: Begin) -> None:
    """Nothing is published in vain, and the worker that is left runs what comes."""
    described = scenario(
        tasks=[task(service_s=0.05)],
        workers=[{"n_workers": 2, "prefetch_multiplier": 1}],
        loads=[],
    )
    with begin_full(described) as session:
        session.controls.cut_off("worker1")
        session.controls.submit("job", 5)
        session.wait_for(OnEvent(event="succeeded", nth=5))
        session.controls.mend_link("worker1")
    run = session.close()
    assert_laws(run)
    assert {e.worker for e in run.of_kind("started")} == {"worker2"}
    assert run.of_kind("publish_unknown") == []


def test_what_a_cut_off_worker_can_be_told(begin_full: Begin) -> None:
    """It can be killed and mended; what needs its broker is refused, in one sentence."""
    with begin_full(scenario(loads=[], workers=[{}])) as session:
        controls = session.controls
        with pytest.raises(EngineError, match=r"^mend_link: worker1 is not cut off$"):
            controls.mend_link("worker1")
        controls.cut_off("worker1")
        with pytest.raises(EngineError, match=r"^cut_off: worker1 is cut off already$"):
            controls.cut_off("worker1")
        with pytest.raises(
            EngineError, match=r"^terminate_worker: worker1 has no connection to the broker$"
        ):
            controls.terminate_worker("worker1")
        controls.kill_worker("worker1")
        with pytest.raises(EngineError, match=r"worker1 is cut off; mend its link first$"):
            controls.start_worker("worker1")
        controls.mend_link("worker1")
        controls.start_worker("worker1")
        session.wait(1.0)
        controls.submit("job", 1)
        session.wait_for(OnEvent(event="succeeded"))


@pytest.mark.parametrize("kind", ["latency", "cut_off"])
def test_links_and_groups_have_no_meaning_together_yet(kind: str) -> None:
    """How far a chord has come without a broker is not in the model."""
    fault = {"latency": slow(), "cut_off": {"kind": kind, "worker": "worker1", "when": on_start(1)}}
    load = burst(2) | {"kind": "group"}
    with pytest.raises(ScenarioError, match=rf"^faults\[0\]: {kind} has no meaning yet"):
        scenario(loads=[load], faults=[fault[kind]])


def test_a_link_with_tls_cannot_be_broken() -> None:
    """A proxy in the way would not have the broker's name in its certificate."""
    from sandbox.engines.live import links
    from sandbox.engines.live.broker import RunningBroker

    broker = RunningBroker("redis", "", "rediss://h:1/0", "", owned=False, version="")
    assert links.behind(broker) is None
    assert not links.Links(broker, {}).is_proxied
    assert links.Links(broker, {}).url("worker1") == broker.url


# --- a broker that stands still ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_paused_broker_only_delays(begin_full: Begin, mode: str) -> None:
    """Everything waits for its answer: each task once, nothing fails, nothing is given back."""
    described = scenario(
        tasks=[task(service_s=0.3, **ACK_MODES[mode])],
        loads=[burst(8), burst(2, at_s=0.8)],
        faults=[{"kind": "pause_broker", "for_s": 1.0, "when": on_start(2)}],
    )
    run = finish(begin_full, described)
    paused_s, resumed_s = at_of(run, "pause_broker"), at_of(run, "resume_broker")
    assert verdicts(run) == {"done once": 10}
    assert set(executions(run).values()) == {1}
    assert run.of_kind("publish_unknown", "failed", "restored", "disconnected") == []
    quiet = [e for e in run.events if paused_s + 0.05 < e.t_s < resumed_s]
    assert {e.kind for e in quiet} <= {"sent", "sweep", "acked", "sample"}
    sent = [e.task for e in quiet if e.kind == "sent"]
    assert sent == ["job/8"]


def test_a_worker_begins_little_while_the_broker_stands_still(begin_full: Begin) -> None:
    """Early ack, no results: the next task begins, and its acknowledgement holds main up."""
    described = scenario(
        tasks=[task(service_s=0.2, ignore_result=True)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
        loads=[burst(5)],
        faults=[{"kind": "pause_broker", "for_s": 1.2, "when": on_start(1)}],
    )
    run = finish(begin_full, described)
    paused_s, resumed_s = at_of(run, "pause_broker"), at_of(run, "resume_broker")
    begun = [e.task for e in run.of_kind("started") if paused_s < e.t_s < resumed_s]
    assert begun == ["job/1"]
    assert verdicts(run) == {"done once": 5}


def test_late_acknowledgements_hold_main_up(begin_full: Begin) -> None:
    """acks_late, no results: nothing more begins, since main waits for its acknowledgement."""
    described = scenario(
        tasks=[task(service_s=0.2, ignore_result=True, acks_late=True)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 4}],
        loads=[burst(5)],
        faults=[{"kind": "pause_broker", "for_s": 1.2, "when": on_start(1)}],
    )
    run = finish(begin_full, described)
    paused_s, resumed_s = at_of(run, "pause_broker"), at_of(run, "resume_broker")
    during = [e for e in run.of_kind("started", "succeeded") if paused_s < e.t_s < resumed_s]
    assert [(e.kind, e.task) for e in during] == [("succeeded", "job/0")]
    assert verdicts(run) == {"done once": 5}


def test_what_a_paused_broker_refuses(begin_full: Begin) -> None:
    """A broker that stands still can only be resumed, one that goes on only be paused."""
    with begin_full(scenario(loads=[], workers=[{}])) as session:
        controls = session.controls
        with pytest.raises(EngineError, match=r"^resume_broker: the broker is not paused$"):
            controls.resume_broker()
        controls.pause_broker()
        for verb, name in ((controls.pause_broker, "pause"), (controls.stop_broker, "stop")):
            with pytest.raises(
                EngineError, match=rf"^{name}_broker: the broker is paused; resume it first$"
            ):
                verb()
        controls.resume_broker()
        controls.submit("job", 1)
        session.wait_for(OnEvent(event="succeeded"))


def test_threads_and_a_paused_broker_have_no_meaning_yet() -> None:
    """A thread acknowledges for itself, and waits before its task has begun."""
    fault = {"kind": "pause_broker", "for_s": 1.0, "when": on_start(1)}
    with pytest.raises(ScenarioError, match=r"^faults\[0\]: pause_broker has no meaning yet"):
        scenario(workers=[{"pool": "threads"}], faults=[fault])


# --- half-open connections -----------------------------------------------------------------------


def half_open(when: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "half_open", "worker": "worker1", "when": when}


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_half_open_worker_hangs_at_its_next_command(begin_full: Begin, mode: str) -> None:
    """Early ack: one more task begins; late: none does, and what ran is not acknowledged."""
    described = scenario(
        tasks=[task(service_s=0.3, ignore_result=True, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(4)],
        faults=[half_open(on_start(1))],
        deadline_s=3.0,
    )
    n_done = 2 if mode == "early" else 1
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="succeeded", nth=n_done))
        session.wait(1.0)
        with pytest.raises(
            EngineError, match=r"^terminate_worker: worker1 is half open; kill it first$"
        ):
            session.controls.terminate_worker("worker1")
    run = session.close()
    assert_laws(run)
    assert executions(run) == {f"job/{i}": 1 for i in range(n_done)}
    assert verdicts(run) == {"done once": n_done, "stuck": 4 - n_done}
    acked = {e.task for e in run.of_kind("acked")}
    assert ("job/0" in acked) == (mode == "early")


@pytest.mark.parametrize("mode", ACK_MODES)
def test_after_a_kill_a_half_open_worker_starts_afresh(begin_full: Begin, mode: str) -> None:
    """What it held comes back like a dead worker's; late, what it had done runs again."""
    described = scenario(
        tasks=[task(service_s=0.3, ignore_result=True, **ACK_MODES[mode])],
        workers=ALONE,
        loads=[burst(4)],
        faults=[half_open(on_start(1))],
        deadline_s=9.0,
    )
    n_done = 2 if mode == "early" else 1
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="succeeded", nth=n_done))
        session.controls.kill_worker("worker1")
        session.controls.skip(3600.0)
        session.controls.start_worker("worker1")
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    twice = {key for key, n in executions(run).items() if n == 2}
    # Early, the second had begun, and its acknowledgement was never heard.
    assert twice == ({"job/1"} if mode == "early" else {"job/0"})
    assert verdicts(run) == {"done once": 3, "done more than once": 1}


def test_the_new_connection_brings_one_message_and_loses_it(begin_full: Begin) -> None:
    """BRPOP is renewed when its check finds it silent; noting the message hangs on an old one."""
    described = scenario(
        tasks=[task(service_s=0.05)],
        workers=ALONE,
        broker={"health_check_interval_s": 1.0},
        loads=[burst(2, at_s=2.3)],
        faults=[half_open({"on": "time", "at_s": 1.2})],
        deadline_s=4.6,
    )
    with begin_full(described) as session:
        session.wait()
    run = session.close()
    assert run.of_kind("delivered") == []
    assert verdicts(run) == {"lost": 1, "stuck": 1}


# --- a clock that is wrong -----------------------------------------------------------------------

SWEPT = {"visibility_timeout_s": 60.0} | QUICK_SWEEPS


def two_queues(mode: str, service_s: float = 2.0) -> dict[str, Any]:
    """Worker h1 takes all tasks; o1 only sweeps."""
    return {
        "tasks": [task(service_s=service_s, **ACK_MODES[mode])],
        "queues": ["celery", "other"],
        "workers": [
            {"name": "h", "prefetch_multiplier": 2},
            {"name": "o", "queues": ["other"]},
        ],
        "broker": SWEPT,
        "loads": [burst(2)],
        "deadline_s": 12.0,
    }


@pytest.mark.parametrize("mode", ACK_MODES)
@pytest.mark.parametrize(("who", "offset_s"), [("o1", 3600.0), ("h1", -3600.0)])
def test_a_wrong_clock_restores_what_others_hold(
    begin_full: Begin, mode: str, who: str, offset_s: float
) -> None:
    """A sweeper ahead, a holder behind: early ack, what is prefetched; late, what runs, too."""
    # Nobody sweeps before the first task has begun: an early ack would be a race with the sweep.
    begun = {"on": "event", "event": "started", "after_s": 0.1}
    clock = {"kind": "skew", "worker": who, "offset_s": offset_s}
    faults = [clock | {"when": begun}]
    if who == "h1":
        start = {"on": "time", "at_s": 0.0}
        faults = [
            clock | {"when": start},
            {"kind": "pause_worker", "worker": "o1", "when": start},
            {"kind": "resume_worker", "worker": "o1", "when": begun},
        ]
    described = scenario(**two_queues(mode), faults=faults)
    described = described.but(loads=[burst(2, at_s=1.0)])
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="received", nth=3))
    run = session.close()
    restored = {e.task for e in run.of_kind("restored")}
    assert {e.worker for e in run.of_kind("restored")} <= {"o1"} | (
        {"h1"} if who == "h1" else set()
    )
    assert restored == ({"job/1"} if mode == "early" else {"job/0", "job/1"})


def test_what_was_noted_ahead_of_time_waits_longer(begin_full: Begin) -> None:
    """A holder ahead of its time dies: its messages are not older than the timeout for an hour."""
    fields = two_queues("late", 2.0) | {"broker": QUICK_SWEEPS | {"visibility_timeout_s": 0.6}}
    ahead = {"kind": "skew", "worker": "h1", "offset_s": 3600.0}
    described = scenario(
        **fields | {"loads": [burst(2, at_s=1.0)]},
        faults=[
            ahead | {"when": {"on": "time", "at_s": 0}},
            {"kind": "kill_worker", "worker": "h1", "when": on_start(1, worker="h1")},
        ],
    )
    with begin_full(described) as session:
        session.wait_for(OnEvent(event="worker_exited"))
        session.wait(2.0)
    run = session.close()
    died_s = run.of_kind("worker_exited")[0].t_s
    assert len([e for e in run.of_kind("sweep") if e.t_s > died_s + 0.7]) >= 1
    assert run.of_kind("restored") == []
    assert verdicts(run) == {"stuck": 2}


# --- a narrow link -------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize("broker", ["fake", pytest.param("redis", marks=pytest.mark.redis)])
def test_a_narrow_link_delays_what_is_large(broker: str, tmp_path: Path) -> None:
    """A message of about 1 kB is noted in `unacked` over a link of 4 kB/s; until it is wide."""
    narrow = {"kind": "bandwidth", "bytes_per_s": 4000.0, "worker": "worker1"}
    described = scenario(
        tasks=[task(service_s=0.01, ignore_result=True)],
        workers=ALONE,
        loads=[burst(1, at_s=0.2)],
        faults=[narrow | {"when": {"on": "time", "at_s": 0.0}}],
    )
    name = real_redis() if broker == "redis" else "fake"
    with workbench.start(described, broker=name, runs=tmp_path) as session:
        session.wait_for(OnEvent(event="succeeded"))
        session.controls.bandwidth(None)
        session.controls.submit("job", 1)
        assert session.wait() == "drained"
    run = session.close()
    first, second = run.fold.attempts
    assert (first.received_s or 0.0) - first.delivered_s >= 0.15
    assert (second.received_s or 0.0) - second.delivered_s < 0.15


def test_the_model_has_no_bandwidth() -> None:
    """Refused by name: a scenario does not say how large a message is."""
    fault = {"kind": "bandwidth", "bytes_per_s": 10.0, "when": on_start(1)}
    with pytest.raises(ScenarioError, match=r"^faults\[0\]\.kind is 'bandwidth', but the model"):
        workbench.start(scenario(faults=[fault]), engine="model")
    session = workbench.start(scenario(loads=[]), engine="model")
    with pytest.raises(ScenarioError, match=r"^bandwidth: the model knows no message's size"):
        session.controls.bandwidth(10.0)
