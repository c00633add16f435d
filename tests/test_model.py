"""The model engine obeys Celery's semantics, and the laws that every run obeys.

Times are exact: overheads are zero unless a test is about them, and bodies take fixed times.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.draws import Exponential, draw_s, full_jitter, uniform, uniforms
from sandbox.engines import VERBS, Session
from sandbox.engines.model import ModelSession, start
from sandbox.engines.model.chance import Stream
from sandbox.errors import EngineError, ScenarioError
from sandbox.faults import At, OnEvent
from sandbox.overheads import Overheads
from sandbox.run import KINDS, Event, Run, broken_laws
from sandbox.scenario import Scenario
from sandbox.schedule import BY_HAND, schedule
from sandbox.theory import kiefer_wolfowitz

HOUR_S = 3600.0
ZERO = Overheads(
    publish_s=0.0, deliver_s=0.0, dispatch_s=0.0, dispatch_threads_s=0.0, body_s=0.0, finish_s=0.0, ack_s=0.0,
    child_start_s=0.0, worker_start_s=0.5, worker_exit_s=0.0, p_instant_detection=1.0, detection_s=0.1, sweep_s=0.25, source="none",
)  # fmt: skip
LATE: dict[str, Any] = {"acks_late": True}
REJECT = LATE | {"reject_on_worker_lost": True}


def left_in(run: Run) -> dict[str, Any]:
    """Return which tasks the last dump has, list by list."""
    detail = run.events[-2].detail or {}
    return {name: detail[name] for name in ("queues", "unacked")}


def task(name: str = "job", service_s: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"name": name, "service": {"kind": "deterministic", "value_s": service_s}} | more


def burst(n: int, name: str = "job", at_s: float = 0.0) -> dict[str, Any]:
    return {"kind": "burst", "task": name, "n": n, "at_s": at_s}


def trace(*at_s: float, name: str = "job") -> dict[str, Any]:
    return {"kind": "trace", "task": name, "at_s": at_s}


def scenario(**fields: Any) -> Scenario:
    defaults: dict[str, Any] = {
        "name": "law",
        "tasks": [task()],
        "workers": [{"concurrency": 1, "prefetch_multiplier": 1}],
        "loads": [burst(4)],
        "horizon_s": 100.0,
        "deadline_s": 20_000.0,
    }
    return Scenario(**(defaults | fields))


def run_of(described: Scenario, overheads: Overheads = ZERO, *, ends: str = "drained") -> Run:
    """Run to the end; the run obeys the laws of every run."""
    with start(described, overheads=overheads) as session:
        assert session.wait() == ends
    run = session.close()
    assert broken_laws(run) == []
    assert {event.kind for event in run.events} <= KINDS.keys()
    return run


def fault(kind: str, at_s: float, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "when": {"on": "time", "at_s": at_s}} | more


def times(run: Run, kind: str, **fields: Any) -> list[float]:
    """Return when events of a kind with these fields happened."""
    return [
        round(event.t_s, 9)
        for event in run.of_kind(kind)
        if all(getattr(event, name) == value for name, value in fields.items())
    ]


def order(run: Run, kind: str = "started") -> list[str]:
    return [event.task or "" for event in run.of_kind(kind)]


def executions(run: Run) -> Counter[str | None]:
    return Counter(event.task for event in run.of_kind("started"))


# --- the session ---------------------------------------------------------------------------


def test_the_session_and_its_controls_keep_the_protocol() -> None:
    """Panels and labs use the Session, nothing behind it."""
    session = start(scenario())
    assert isinstance(session, Session)
    assert all(callable(getattr(session.controls, verb)) for verb in VERBS)


def test_info_tells_engine_overheads_and_end() -> None:
    """A Run says where it comes from, and a second close returns the same one."""
    session = start(scenario(), overheads=ZERO)
    session.wait()
    run = session.close()
    assert session.close() is run
    assert run.info["engine"] == "model"
    assert run.info["overheads"] == ZERO.model_dump()
    assert run.ended == run.info["ended"] == "drained"
    assert [event.kind for event in run.events[-2:]] == ["dump", "ended"]
    assert left_in(run) == {"queues": {"celery": []}, "unacked": []}


def test_time_passes_only_when_told() -> None:
    """`advance` and `wait(timeout)` move the clock by what they are given, and no further."""
    with start(scenario(), overheads=ZERO) as session:
        assert (session.now_s, len(session.events_since(0))) == (0.0, 1)
        session.advance(1.5)
        assert session.now_s == 1.5
        assert session.wait(0.25) == "timeout"
        assert session.now_s == 1.75
        seen = len(session.events_since(0))
        session.advance(1.0)
        assert session.now_s == 1.75
        assert session.wait() == "drained"
        assert session.now_s == 4.0
        assert session.events_since(seen)[0].t_s == 2.0
    with pytest.raises(EngineError, match="closed"):
        session.advance(10.0)


def test_wait_for_stops_at_the_event() -> None:
    """Nothing later has happened; an event that has been is returned at once."""
    with start(scenario(), overheads=ZERO) as session:
        third = session.wait_for(OnEvent(event="started", nth=3))
        assert (third.task, third.t_s, session.now_s) == ("job/2", 2.0, 2.0)
        assert session.events_since(0)[-1].t_s == third.t_s
        assert session.wait_for(OnEvent(event="started", nth=1)).task == "job/0"
        assert session.now_s == 2.0
        with pytest.raises(EngineError, match="failed"):
            session.wait_for(OnEvent(event="failed"), timeout_s=1.0)
        assert session.now_s == 3.0


def test_a_run_cut_short_says_so() -> None:
    """stopped: closed by hand. deadline: it came first. What was under way stays unfinished."""
    with start(scenario(), overheads=ZERO) as session:
        session.advance(0.5)
    run = session.close()
    assert run.ended == "stopped"
    assert left_in(run) == {
        "queues": {"celery": ["job/3", "job/2"]},
        "unacked": ["job/1"],
    }
    late = run_of(scenario(horizon_s=1.0, deadline_s=2.5), ends="deadline")
    assert late.ended == "deadline"
    assert late.events[-1].t_s == 2.5
    assert late.fold.running == 1


def test_all_workers_are_ready_at_zero() -> None:
    """t = 0 is the moment all workers are ready, and each sweeps at once."""
    workers = [{"n_workers": 2}, {"name": "other"}]
    run = run_of(scenario(workers=workers))
    assert times(run, "worker_ready") == [0.0, 0.0, 0.0]
    assert [e.worker for e in run.of_kind("sweep")] == ["worker1", "worker2", "other1"]


def test_events_have_the_fields_of_a_live_run() -> None:
    """Each kind carries what the live recorder can see there, and no more."""
    run = run_of(scenario(loads=[burst(1)]))
    events = {event.kind: event for event in run.events if event.task is not None}
    assert events == {
        "sent": Event(0.0, "sent", "job/0", queue="celery", retry=0),
        "published": Event(0.0, "published", "job/0"),
        "delivered": Event(
            0.0, "delivered", "job/0", "worker1", queue="celery", tag="tag0", retry=0
        ),
        "received": Event(0.0, "received", "job/0", "worker1", tag="tag0"),
        "started": Event(0.0, "started", "job/0", "worker1", slot=0, tag="tag0", retry=0),
        "acked": Event(0.0, "acked", "job/0", "worker1", tag="tag0"),
        "succeeded": Event(1.0, "succeeded", "job/0", "worker1", slot=0, tag="tag0", retry=0),
    }


def test_a_stored_model_run_is_read_back_equal(tmp_path: Any) -> None:
    """Every event survives `save` and `load`."""
    run = run_of(scenario(faults=[fault("kill_worker", 0.5, worker="worker1"),
                                  fault("start_worker", 1.0, worker="worker1")]))  # fmt: skip
    assert Run.load(run.save(tmp_path)).events == run.events


# --- draws and numbers ---------------------------------------------------------------------


def test_a_stream_equals_the_single_draws() -> None:
    """By blocks, beyond them and for retries: always the number that any process draws."""
    stream = Stream(7, "job/service", 10)
    for n, retry in [(0, 0), (9, 0), (10, 0), (5000, 0), (BY_HAND, 0), (3, 2)]:
        assert stream.at(n, retry) == uniform(7, "job/service", n, retry=retry)


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    """A run is a function of scenario and overheads."""
    fields: dict[str, Any] = {
        "tasks": [{"name": "job", "service": Exponential(mean_s=0.5), "p_failure": 0.3,
                   "retries": [{"kind": "auto", "backoff_s": 1}]}],
        "workers": [{"n_workers": 2, "concurrency": 2}],
        "loads": [{"kind": "poisson", "task": "job", "rate_per_s": 4.0}],
        "faults": [fault("kill_child", 3.0, worker="worker1")],
        "horizon_s": 20.0,
    }  # fmt: skip
    first, second = (run_of(scenario(**fields, seed=1), Overheads()) for _ in range(2))
    assert first.events == second.events
    assert run_of(scenario(**fields, seed=2), Overheads()).events != first.events


def test_numbers_follow_the_schedule() -> None:
    """Tasks are numbered per type in the order in which all open sources publish."""
    described = scenario(
        tasks=[task(), task("tick", 0.1)],
        loads=[trace(0.5, 3.5), burst(2, at_s=1.0), trace(2.5, name="tick")],
        beat=[{"name": "b", "task": "tick", "every_s": 2.0}],
        horizon_s=5.0,
    )
    planned = [(round(at, 9), f"{kind}/{n}") for at, kind, n in schedule(described)]
    run = run_of(described)
    assert [(event.t_s, event.task) for event in run.of_kind("sent")] == planned
    assert planned == [
        (0.5, "job/0"), (1.0, "job/1"), (1.0, "job/2"), (2.0, "tick/0"), (2.5, "tick/1"),
        (3.5, "job/3"), (4.0, "tick/2"),
    ]  # fmt: skip


def test_by_hand_numbers_start_high() -> None:
    """What is submitted by hand never takes the number, nor the draws, of a planned task."""
    with start(scenario(loads=[]), overheads=ZERO) as session:
        assert session.controls.submit("job", 2) == [f"job/{BY_HAND}", f"job/{BY_HAND + 1}"]
        assert session.controls.submit("job") == [f"job/{BY_HAND + 2}"]
        assert session.wait() == "drained"
    assert order(session.close()) == [f"job/{BY_HAND + i}" for i in range(3)]


def test_a_fault_leaves_the_draws_of_others_alone() -> None:
    """Counterfactuals: a killed worker changes no service time of any other task."""
    fields: dict[str, Any] = {
        "tasks": [{"name": "job", "service": Exponential(mean_s=1.0)} | LATE],
        "workers": [{"n_workers": 2, "concurrency": 2}],
        "loads": [burst(30)],
    }
    plain = run_of(scenario(**fields))
    hurt = run_of(scenario(**fields, faults=[fault("kill_worker", 2.0, worker="worker1")]))

    def services(run: Run) -> dict[str, float]:
        done = [a for a in run.fold.attempts if a.outcome == "succeeded"]
        return {a.task: round((a.ended_s or 0.0) - (a.started_s or 0.0), 9) for a in done}

    assert services(plain) == services(hurt)


# --- publishing ----------------------------------------------------------------------------


def test_one_client_publishes_one_after_the_other() -> None:
    """Two tasks of one burst are publish_s apart; the broker has each at the end of its call."""
    overheads = ZERO.but(publish_s=0.25)
    run = run_of(scenario(loads=[burst(3), trace(0.6)]), overheads)
    assert times(run, "sent") == [0.0, 0.25, 0.5, 0.75]
    assert times(run, "published") == [0.25, 0.5, 0.75, 1.0]


def test_overheads_come_where_they_are_said_to() -> None:
    """publish, deliver, dispatch, body, finish and late ack each delay exactly one step."""
    overheads = ZERO.but(
        publish_s=0.01, deliver_s=0.02, dispatch_s=0.04, body_s=0.32, finish_s=0.08, ack_s=0.16
    )
    run = run_of(scenario(tasks=[task(**LATE)], loads=[burst(2)],
                          workers=[{"concurrency": 1, "prefetch_multiplier": 2}]), overheads)  # fmt: skip
    assert times(run, "delivered") == [0.01, 0.03]
    assert times(run, "received") == [0.03, 0.05]
    assert times(run, "started") == [0.07, 1.47]
    assert times(run, "succeeded") == [1.39, 2.79]
    assert times(run, "acked") == [1.55, 2.95]


def test_the_main_process_fetches_one_message_a_round_trip() -> None:
    """deliver_s apart, however many wait."""
    run = run_of(
        scenario(loads=[burst(5)], workers=[{"concurrency": 1, "prefetch_multiplier": 0}]),
        ZERO.but(deliver_s=0.1),
    )
    assert times(run, "received") == [0.1, 0.2, 0.3, 0.4, 0.5]


# --- acknowledging and prefetching ---------------------------------------------------------


def test_early_ack_at_the_start_late_ack_after_the_end() -> None:
    """The acknowledgement is the only difference without faults."""
    early, late = run_of(scenario()), run_of(scenario(tasks=[task(**LATE)]))
    assert times(early, "acked") == times(early, "started") == [0.0, 1.0, 2.0, 3.0]
    assert times(late, "acked") == times(late, "succeeded") == [1.0, 2.0, 3.0, 4.0]


def test_a_solo_worker_acknowledges_early_only_after_the_body() -> None:
    """The ack is a callback of the event loop, which the body blocks: seen on real workers."""
    run = run_of(scenario(workers=[{"concurrency": 1, "pool": "solo"}]))
    assert times(run, "acked") == times(run, "succeeded")
    assert times(run, "delivered") == [0.0, 1.0, 2.0, 3.0]


def test_a_solo_worker_sweeps_only_between_bodies() -> None:
    """Its timer waits for the body, so it never restores the message it is running."""
    broker = {"visibility_timeout_s": 2.0, "unacked_restore_interval_s": 1.5,
              "unacked_restore_throttle": 1}  # fmt: skip
    described = scenario(
        tasks=[task(service_s=5.0, **LATE)], loads=[burst(2)], broker=broker, horizon_s=10.0,
        workers=[{"concurrency": 1, "pool": "solo"}],
    )  # fmt: skip
    run = run_of(described)
    assert times(run, "sweep") == [0.0, 5.0]
    assert run.of_kind("restored") == []
    assert executions(run_of(described, Overheads())) == {"job/0": 1, "job/1": 1}


@pytest.mark.parametrize("mode", [{}, LATE])
@pytest.mark.parametrize("multiplier", [1, 2, 4])
def test_prefetch_hoards_concurrency_times_multiplier(
    mode: dict[str, Any], multiplier: int
) -> None:
    """Credit counts unacknowledged messages: an early ack gives it back at the start."""
    described = scenario(
        tasks=[task(**mode)],
        loads=[burst(40)],
        workers=[{"concurrency": 2, "prefetch_multiplier": multiplier}],
    )
    run = run_of(described)
    held = most = 0
    for event in run.events:
        held += (event.kind == "delivered") - (event.kind == "acked")
        most = max(most, held)
    assert most == 2 * multiplier
    taken_before_any_end = [t for t in times(run, "delivered") if t < 1.0]
    assert len(taken_before_any_end) == 2 * multiplier + (0 if mode else 2)


def test_no_prefetch_limit_takes_everything() -> None:
    """Multiplier 0: a worker hoards the whole queue while its neighbour idles."""
    workers = [{"concurrency": 1, "prefetch_multiplier": 0}, {"name": "late"}]
    described = scenario(loads=[burst(6), burst(2, at_s=0.5)], workers=workers)
    run = run_of(described)
    assert executions(run) == {f"job/{n}": 1 for n in range(8)}
    assert len([e for e in run.of_kind("delivered") if e.worker == "worker1"]) >= 3


def test_a_long_task_blocks_what_is_prefetched_behind_it() -> None:
    """The trap of the default multiplier: short tasks wait behind a long one, a worker idles."""
    tasks = [task("long", 10.0), task("short", 0.1)]
    loads = [burst(2, "long"), burst(8, "short", at_s=1.0)]
    hoarding = run_of(scenario(tasks=tasks, loads=loads, workers=[{"n_workers": 1}, {"name": "x"}]))
    assert max(times(hoarding, "started")) < 10.0 or len(times(hoarding, "started")) == 10
    one = run_of(scenario(tasks=[task("long", 10.0, **LATE), task("short", 0.1, **LATE)],
                          loads=[burst(1, "long"), burst(8, "short", at_s=1.0)],
                          workers=[{"n_workers": 2, "prefetch_multiplier": 1}]))  # fmt: skip
    assert max(times(one, "succeeded", worker="worker2")) < 2.0


@pytest.mark.parametrize("n_servers", [1, 3])
def test_one_queue_equals_the_kiefer_wolfowitz_recursion(n_servers: int) -> None:
    """Late ack and multiplier 1 make one central queue: every wait is equal, difference 0.0."""
    described = scenario(
        tasks=[{"name": "job", "service": Exponential(mean_s=1.0)} | LATE],
        workers=[{"concurrency": n_servers, "prefetch_multiplier": 1}],
        loads=[{"kind": "poisson", "task": "job", "rate_per_s": 0.9 * n_servers}],
        horizon_s=2000.0,
        seed=5,
    )
    run = run_of(described)
    sent = {e.task: e.t_s for e in run.of_kind("sent")}
    started = {e.task: e.t_s for e in run.of_kind("started")}
    services = [draw_s(Exponential(mean_s=1.0), 5, "job/service", n) for n in range(len(sent))]
    expected = kiefer_wolfowitz(list(sent.values()), services, n_servers)
    waits = [started[key] - at for key, at in sent.items()]
    assert len(waits) > 1500 * n_servers
    assert waits == expected.tolist()


def test_many_workers_share_one_queue_like_one_pool() -> None:
    """Four workers of one process are one pool of four, wait by wait."""
    fields: dict[str, Any] = {
        "tasks": [{"name": "job", "service": Exponential(mean_s=1.0)} | LATE],
        "loads": [{"kind": "poisson", "task": "job", "rate_per_s": 3.4}],
        "horizon_s": 500.0,
    }
    pool = [{"concurrency": 4, "prefetch_multiplier": 1}]
    workers = [{"n_workers": 4, "concurrency": 1, "prefetch_multiplier": 1}]
    one, many = (
        run_of(scenario(**fields, workers=pool)),
        run_of(scenario(**fields, workers=workers)),
    )
    assert times(one, "started") == times(many, "started")


# --- queues and priorities -----------------------------------------------------------------


def queues_scenario(strategy: str, queues: list[str]) -> Scenario:
    """One busy worker; three tasks each in a and b are there when it is free."""
    tasks = [task("first", 1.0, queue="b", **LATE)]
    tasks += [task(name, 0.1, queue=name, **LATE) for name in ("a", "b")]
    return scenario(
        tasks=tasks,
        queues=["a", "b"],
        loads=[burst(1, "first"), burst(3, "b", 0.5), burst(3, "a", 0.5)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1, "queues": queues}],
        broker={"queue_order_strategy": strategy},
    )


@pytest.mark.parametrize(
    ("strategy", "queues", "expected"),
    [
        ("round_robin", ["b", "a"], "ababab"),
        ("priority", ["b", "a"], "bbbaaa"),
        ("sorted", ["b", "a"], "aaabbb"),
    ],
)
def test_the_order_of_queues(strategy: str, queues: list[str], expected: str) -> None:
    """round_robin: last used goes to the end; priority: as in -Q; sorted: alphabetical."""
    run = run_of(queues_scenario(strategy, queues))
    assert "".join(key[0] for key in order(run)[1:]) == expected


def test_the_priority_step_comes_before_the_queue() -> None:
    """BRPOP's keys: step by step, and within a step queue by queue; 0 is the most urgent."""
    tasks = [task("first", 1.0, queue="a", **LATE)]
    tasks += [task(f"{q}{p}", 0.1, queue=q, priority=p, **LATE) for q in "ab" for p in (9, 4, 0)]
    described = scenario(
        tasks=tasks,
        queues=["a", "b"],
        loads=[burst(1, "first")] + [burst(1, t["name"], 0.5) for t in tasks[1:]],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1, "queues": ["a", "b"]}],
        broker={"queue_order_strategy": "priority"},
    )
    steps = ["a0", "b0", "a4", "b4", "a9", "b9"]
    assert order(run_of(described)) == ["first/0"] + [f"{name}/0" for name in steps]


def test_priorities_are_rounded_down_to_steps() -> None:
    """Steps 0 and 5: 4 counts as 0, 255 as 9, and equal steps are first come, first served."""
    tasks = [task("first", 1.0, **LATE)]
    tasks += [task(f"p{p}", 0.1, priority=p, **LATE) for p in (255, 5, 4, 0)]
    loads = [burst(1, "first")] + [burst(1, t["name"], 0.5) for t in tasks[1:]]
    run = run_of(scenario(tasks=tasks, loads=loads, broker={"priority_steps": [0, 5]}))
    assert order(run) == ["first/0", "p4/0", "p0/0", "p255/0", "p5/0"]


def test_a_queue_that_nobody_consumes_keeps_its_tasks() -> None:
    """A route that no -Q names: neither lost nor done."""
    described = scenario(
        tasks=[task(queue="nobody")], queues=["celery", "nobody"], horizon_s=1.0, deadline_s=5.0
    )
    run = run_of(described, ends="deadline")
    assert run.fold.queued == 4
    assert left_in(run) == {
        "queues": {"celery": [], "nobody": [f"job/{n}" for n in (3, 2, 1, 0)]},
        "unacked": [],
    }


# --- countdowns, retries, failures ---------------------------------------------------------


def retrying(*policies: dict[str, Any], **more: Any) -> dict[str, Any]:
    return task(service_s=1.0, p_failure=1.0, retries=list(policies), **more)


def gaps(run: Run, key: str = "job/0") -> list[float]:
    """Return the times between each end and the next start of a task."""
    starts, ends = times(run, "started", task=key), times(run, "retried", task=key)
    return [round(b - a, 9) for a, b in zip(ends, starts[1:], strict=True)]


def test_self_retry_doubles_its_countdown() -> None:
    """countdown * 2**n, max_retries + 1 executions, then FAILURE."""
    policy = {"kind": "self", "max_retries": 3, "countdown_s": 60.0, "factor": 2.0}
    run = run_of(scenario(tasks=[retrying(policy)], loads=[burst(1)]))
    assert gaps(run) == [60.0, 120.0, 240.0]
    assert [event.retry for event in run.of_kind("started")] == [0, 1, 2, 3]
    assert len(run.of_kind("failed")) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_mixed_policy_goes_on_where_the_first_ends(seed: int) -> None:
    """LeadLawk: self.retry 60, 120, 240 inside autoretry(max 5), whose ceilings are 8 and 16."""
    own = {"kind": "self", "max_retries": 3, "countdown_s": 60.0, "factor": 2.0}
    auto = {"kind": "auto", "max_retries": 5, "backoff_s": 1, "jitter": True}
    run = run_of(scenario(tasks=[retrying(own, auto)], loads=[burst(1)], seed=seed))
    drawn = [full_jitter(seed, "job/0", 3, 8), full_jitter(seed, "job/0", 4, 16)]
    assert gaps(run) == [60.0, 120.0, 240.0, *drawn]
    assert len(run.of_kind("started")) == 6


def test_backoff_without_jitter_and_its_ceiling() -> None:
    """min(backoff_max, backoff * 2**n) in whole seconds; without backoff the fixed countdown."""
    backoff = {
        "kind": "auto",
        "max_retries": 5,
        "backoff_s": 2,
        "backoff_max_s": 10,
        "jitter": False,
    }
    run = run_of(scenario(tasks=[retrying(backoff)], loads=[burst(1)]))
    assert gaps(run) == [2.0, 4.0, 8.0, 10.0, 10.0]
    fixed = {"kind": "auto", "max_retries": 2, "countdown_s": 7.5}
    assert gaps(run_of(scenario(tasks=[retrying(fixed)], loads=[burst(1)]))) == [7.5, 7.5]


def test_a_retry_is_a_new_message_published_before_the_old_one_is_acknowledged() -> None:
    """sent, published, retried, acked: a crash in between leaves two messages, never none."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 5.0}
    run = run_of(
        scenario(tasks=[retrying(policy, **LATE)], loads=[burst(1)]), ZERO.but(publish_s=0.5)
    )
    start_of_end = run.of_kind("sent")[1]
    after = [e for e in run.events if e.task and e.t_s >= start_of_end.t_s]
    assert [e.kind for e in after[:4]] == ["sent", "published", "retried", "acked"]
    assert start_of_end.worker == "worker1"
    assert start_of_end.detail == {"eta_s": 1.5 + 5.0}
    assert len({e.tag for e in run.of_kind("delivered")}) == 2
    # The countdown runs from the call of retry, not from the end of its publishing.
    assert times(run, "started") == [0.5, 6.5]


def test_a_countdown_raises_the_credit_by_one_until_it_is_due() -> None:
    """A held task does not keep others from being fetched, whatever the prefetch limit."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 50.0}
    tasks = [retrying(policy, **LATE), task("ok", 1.0, **LATE)]
    described = scenario(tasks=tasks, loads=[burst(3), burst(5, "ok", at_s=10.0)])
    run = run_of(described)
    assert len(run.of_kind("eta_held")) == 3
    assert times(run, "succeeded", task="ok/4") == [15.0]
    released = {e.task: e.t_s for e in run.of_kind("eta_released")}
    assert released == {"job/0": 51.0, "job/1": 52.0, "job/2": 53.0}
    assert times(run, "started", retry=1) == [51.0, 52.0, 53.0]


def test_a_countdown_longer_than_the_visibility_timeout_multiplies() -> None:
    """Held means unacknowledged: a 50 s countdown under a 10 s timeout runs several times."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 50.0}
    broker = {"visibility_timeout_s": 10.0, "unacked_restore_interval_s": 1.0,
              "unacked_restore_throttle": 1}  # fmt: skip
    run = run_of(scenario(tasks=[retrying(policy)], loads=[burst(1)], broker=broker))
    assert executions(run)["job/0"] > 2
    assert len(run.of_kind("restored")) >= 3


def test_each_attempt_draws_its_own_failure() -> None:
    """Failures are those of the stream, attempt by attempt, after the whole service time."""
    policy = {"kind": "auto", "max_retries": 2, "backoff_s": 1, "jitter": False}
    tasks = [task(service_s=1.0, p_failure=0.5, retries=[policy])]
    run = run_of(scenario(tasks=tasks, loads=[burst(20)], seed=9))
    for n in range(20):
        fails = [uniform(9, "job/failure", n, retry=retry) < 0.5 for retry in range(3)]
        n_runs = fails.index(False) + 1 if False in fails else 3
        assert executions(run)[f"job/{n}"] == n_runs
        ends = "failed" if all(fails) else "succeeded"
        assert len(times(run, ends, task=f"job/{n}")) == 1
    for attempt in run.fold.attempts:
        if attempt.started_s is not None:
            assert (attempt.ended_s or 0.0) - attempt.started_s == pytest.approx(1.0)


# --- time limits, expiry, children ---------------------------------------------------------


@pytest.mark.parametrize("work", ["wait", "cpu"])
def test_a_soft_limit_is_an_ordinary_exception(work: str) -> None:
    """SoftTimeLimitExceeded is retried by the policies and fails when none is left."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 10.0}
    limits = {"soft_time_limit_s": 2.0, "time_limit_s": 4.0}
    tasks = [task(service_s=9.0, retries=[policy], work=work, **limits)]
    run = run_of(scenario(tasks=tasks, loads=[burst(1)]))
    assert times(run, "retried") == [2.0]
    assert times(run, "failed") == [14.0]
    assert run.of_kind("failed")[0].detail == {"error": "SoftTimeLimitExceeded"}
    assert run.of_kind("failed")[0].slot == 0


@pytest.mark.parametrize("mode", [{}, LATE, REJECT])
@pytest.mark.parametrize("work", ["wait", "cpu"])
def test_a_hard_limit_kills_the_child_and_never_retries(mode: dict[str, Any], work: str) -> None:
    """FAILURE by the main process, acknowledged, a new child child_start_s later."""
    policy = {"kind": "self", "max_retries": 3, "countdown_s": 1.0}
    tasks = [task("slow", 9.0, time_limit_s=2.0, retries=[policy], work=work, **mode), task()]
    described = scenario(tasks=tasks, loads=[burst(1, "slow"), burst(1, at_s=1.0)])
    run = run_of(described, ZERO.but(child_start_s=0.5))
    assert times(run, "child_lost") == times(run, "failed") == [2.0]
    assert run.of_kind("failed")[0].slot is None
    assert len(times(run, "acked", task="slow/0")) == 1
    assert times(run, "started", task="job/0") == [2.5]
    assert run.of_kind("retried") == []


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_only_prefork_has_time_limits(pool: str) -> None:
    """Threads and solo cannot interrupt a body."""
    tasks = [task(service_s=5.0, soft_time_limit_s=1.0, time_limit_s=2.0)]
    run = run_of(scenario(tasks=tasks, loads=[burst(1)], workers=[{"pool": pool}]))
    assert times(run, "succeeded") == [5.0]


def test_a_body_shorter_than_its_limits_does_not_notice_them() -> None:
    """min(service, soft, hard)."""
    tasks = [task(service_s=1.0, soft_time_limit_s=1.5, time_limit_s=2.0)]
    assert times(run_of(scenario(tasks=tasks)), "succeeded") == [1.0, 2.0, 3.0, 4.0]


def test_what_has_expired_on_receipt_is_revoked_and_acknowledged() -> None:
    """Nobody removes it from the queue: the worker that gets it drops it, without `received`."""
    tasks = [task("first", 3.0, **LATE), task(expires_s=2.0, **LATE)]
    run = run_of(scenario(tasks=tasks, loads=[burst(1, "first"), burst(2, at_s=0.5)]))
    assert times(run, "revoked") == [3.0, 3.0]
    assert [e.kind for e in run.events if e.task == "job/0"] == [
        "sent", "published", "delivered", "revoked", "acked",
    ]  # fmt: skip


def test_prefork_looks_at_the_expiry_again_when_a_process_is_free() -> None:
    """Prefetched in time, begun too late: revoked; threads hand over at receipt and run it."""
    tasks = [task("first", 3.0), task(expires_s=2.0)]
    loads = [burst(1, "first"), burst(1, at_s=0.5)]
    prefork = run_of(scenario(tasks=tasks, loads=loads))
    assert times(prefork, "received", task="job/0") == [0.5]
    assert times(prefork, "revoked", task="job/0") == [3.0]
    threads = run_of(scenario(tasks=tasks, loads=loads, workers=[{"pool": "threads"}]))
    assert times(threads, "succeeded", task="job/0") == [4.0]


def test_a_retry_keeps_the_expiry_of_the_first_message() -> None:
    """expires < countdown: the retry is revoked, never run."""
    policy = {"kind": "self", "max_retries": 3, "countdown_s": 30.0}
    run = run_of(scenario(tasks=[retrying(policy, expires_s=20.0)], loads=[burst(1)]))
    assert executions(run) == {"job/0": 1}
    assert times(run, "revoked") == [31.0]


def test_a_child_is_replaced_after_its_number_of_tasks() -> None:
    """max_tasks_per_child: the slot is down child_start_s after every second task.

    Where main does not notice at once that the child has ended, until its next 5 s tick too.
    """
    workers = [{"concurrency": 1, "max_tasks_per_child": 2}]
    described, costs = (
        scenario(workers=workers, loads=[burst(5)]),
        ZERO.but(child_start_s=0.5, detection_s=0.0),
    )
    at_once = run_of(described, costs.but(p_instant_detection=1.0))
    assert times(at_once, "started") == [0.0, 1.0, 2.5, 3.5, 5.0]
    late = run_of(described, costs.but(p_instant_detection=0.0))
    assert times(late, "started") == [0.0, 1.0, 5.5, 6.5, 10.5]


# --- rate limits ---------------------------------------------------------------------------


def test_a_rate_limit_spaces_the_starts_and_keeps_the_credit() -> None:
    """Capacity 1: one at once, then one each 1/rate; held tasks block what is behind them."""
    tasks = [task(service_s=0.1, rate_limit="2/s"), task("free", 0.1)]
    loads = [burst(16), burst(8, "free")]
    eight = run_of(scenario(tasks=tasks, loads=loads, workers=[{"concurrency": 2}]))
    assert times(eight, "rate_released") == [0.5 * i for i in range(16)]
    assert len(eight.of_kind("rate_held")) == 16
    # Of 8 places, 9 must have been given back before the 17th message, free/0, is fetched.
    assert times(eight, "started", task="free/0") == [4.0]
    two = [{"concurrency": 2, "prefetch_multiplier": 1}]
    assert times(run_of(scenario(tasks=tasks, loads=loads, workers=two)), "started",
                 task="free/0") == [7.0]  # fmt: skip


def test_a_rate_limit_holds_for_each_worker_by_itself() -> None:
    """Two workers let twice as many through."""
    tasks = [task(service_s=0.1, rate_limit="2/s")]
    ends = {}
    for n_workers in (1, 2):
        workers = [{"n_workers": n_workers, "concurrency": 2, "prefetch_multiplier": 1}]
        run = run_of(scenario(tasks=tasks, loads=[burst(41)], workers=workers))
        ends[n_workers] = times(run, "started")[-1]
    assert ends == {1: 20.0, 2: 10.0}


def test_an_idle_bucket_saves_one_token_and_no_more() -> None:
    """After any pause one task passes at once, the next waits for its token."""
    tasks = [task(service_s=0.01, rate_limit="1/s")]
    run = run_of(scenario(tasks=tasks, loads=[trace(0.0, 10.0, 10.0, 10.0)]))
    assert times(run, "started") == [0.0, 10.0, 11.0, 12.0]


def test_a_new_rate_is_a_new_bucket_and_the_old_one_keeps_what_it_holds() -> None:
    """control.rate_limit: held tasks pass at the old rate, later ones at the new."""
    tasks = [task(service_s=0.01, rate_limit="1/s")]
    described = scenario(
        tasks=tasks,
        loads=[burst(4), burst(4, at_s=1.6)],
        workers=[{"concurrency": 1, "prefetch_multiplier": 0}],
        faults=[fault("rate_limit", 1.5, task="job", rate="10/s")],
    )
    released = {e.task: round(e.t_s, 9) for e in run_of(described).of_kind("rate_released")}
    assert released == {
        "job/0": 0.0, "job/1": 1.0, "job/2": 2.0, "job/3": 3.0,
        "job/4": 1.6, "job/5": 1.7, "job/6": 1.8, "job/7": 1.9,
    }  # fmt: skip


def test_a_lifted_limit_lets_later_tasks_pass_unheld() -> None:
    """rate=None: no bucket any more for what comes next."""
    tasks = [task(service_s=0.01, rate_limit="1/s")]
    with start(scenario(tasks=tasks, loads=[trace(5.0, 5.0, 5.0)]), overheads=ZERO) as session:
        session.controls.rate_limit("job", None)
        session.wait()
    run = session.close()
    assert run.of_kind("rate_held") == []
    assert times(run, "started")[-1] == pytest.approx(5.02)


def test_a_retry_passes_the_rate_limit_again() -> None:
    """eta_released, then rate_held: the limit counts executions, not tasks."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.5}
    tasks = [task(service_s=0.01, p_failure=1.0, rate_limit="1/s", retries=[policy])]
    run = run_of(scenario(tasks=tasks, loads=[burst(3)], workers=[{"concurrency": 4}]))
    assert len(run.of_kind("rate_held")) == 6
    assert all(b - a > 1 - 1e-6 for a, b in pairwise(times(run, "started")))


# --- crashes -------------------------------------------------------------------------------


CRASH = {"workers": [{"concurrency": 1}, {"name": "other", "concurrency": 1}]}


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ({}, ["child_lost", "failed"]),
        (LATE, ["child_lost", "failed", "acked"]),
        (REJECT, ["child_lost", "requeued"]),
    ],
)
def test_a_killed_child_in_three_ack_modes(mode: dict[str, Any], kinds: list[str]) -> None:
    """Early and late: FAILURE, not run again. With reject_on_worker_lost: requeued at once."""
    faults = [fault("kill_child", 0.5, worker="worker1")]
    described = scenario(
        tasks=[task(**mode)], faults=faults, workers=[{"concurrency": 1}], loads=[burst(4)]
    )
    run = run_of(described, ZERO.but(child_start_s=0.25))
    victim = run.of_kind("control")[0].detail or {}
    assert victim == {"verb": "kill_child", "slot": 0, "task": "job/0"}
    noticed = [e.kind for e in run.events if e.task == "job/0" and e.t_s == 0.6]
    assert noticed == ([*kinds, "delivered", "received"] if mode is REJECT else kinds)
    again = mode is REJECT
    assert executions(run) == {"job/0": 2 if again else 1, "job/1": 1, "job/2": 1, "job/3": 1}
    assert times(run, "started", task="job/1") == [0.85]
    # Requeued means at the back of the queue.
    assert order(run)[-1] == ("job/0" if again else "job/3")


def test_early_ack_ignores_reject_on_worker_lost() -> None:
    """reject is only read inside `if acks_late` (celery/worker/request.py)."""
    tasks = [task(reject_on_worker_lost=True)]
    run = run_of(scenario(tasks=tasks, faults=[fault("kill_child", 0.5, worker="worker1")]))
    assert run.of_kind("requeued") == []
    assert len(run.of_kind("failed")) == 1


def test_the_child_that_has_been_busy_longest_dies() -> None:
    """kill_child takes the oldest body, and slot 0 when all are idle."""
    workers = [{"concurrency": 3}]
    faults = [fault("kill_child", 2.5, worker="worker1")]
    described = scenario(
        tasks=[task(service_s=5.0)], loads=[trace(0.0, 1.0, 2.0)], workers=workers, faults=faults
    )
    assert order(run_of(described), "child_lost") == ["job/0"]
    idle = run_of(scenario(loads=[trace(50.0)], faults=faults))
    assert (idle.of_kind("control")[0].detail or {})["task"] is None
    assert idle.of_kind("child_lost") == []
    assert times(idle, "started") == [50.0]


def test_a_dead_child_is_noticed_at_once_or_at_the_next_maintenance_tick() -> None:
    """Bernoulli(p_instant_detection), else the next multiple of 5 s since the worker was ready."""
    for seed in range(6):
        instant = uniform(seed, "worker1/detection", 0) < 0.5
        described = scenario(seed=seed, faults=[fault("kill_child", 0.5, worker="worker1")])
        run = run_of(described, ZERO.but(p_instant_detection=0.5))
        assert times(run, "child_lost") == [0.6 if instant else 5.0]


@pytest.mark.parametrize("mode", [{}, LATE, REJECT])
def test_a_killed_worker_leaves_its_messages_in_unacked(mode: dict[str, Any]) -> None:
    """Early: the running task is lost for ever. Late: it comes back with the prefetched ones."""
    faults = [fault("kill_worker", 0.5, worker="worker1"), fault("skip", 1.0, seconds=HOUR_S)]
    tasks = [task(service_s=2.0, **mode)]
    run = run_of(scenario(tasks=tasks, loads=[burst(10)], faults=faults, **CRASH))
    running = "job/0"
    held = 4 if mode else 5
    exited = run.of_kind("worker_exited")[0]
    assert (exited.t_s, exited.worker, exited.detail) == (0.5, "worker1", {"signal": 9})
    restored = order(run, "restored")
    assert (running in restored) == bool(mode)
    assert len([key for key in restored if run.fold.journeys[key].n_deliveries > 1]) == len(
        restored
    )
    assert set(times(run, "restored")) == {1.25}
    journey = run.fold.journeys[running]
    assert (journey.n_succeeded, journey.n_killed) == ((1, 1) if mode else (0, 1))
    others = [j for key, j in run.fold.journeys.items() if key != running]
    assert all(j.n_succeeded >= 1 for j in others)
    assert held <= len(restored)


def test_without_a_skip_the_messages_come_back_after_the_timeout_and_the_next_sweep() -> None:
    """Received at 0 with timeout 250 s: the survivor's sweep at 300 s finds them."""
    described = scenario(
        tasks=[task(**LATE)],
        loads=[burst(3)],
        faults=[fault("kill_worker", 0.5, worker="worker1")],
        broker={"visibility_timeout_s": 250.0},
        workers=[{"concurrency": 1}, {"name": "other", "queues": ["later"]}],
        queues=["celery", "later"],
        deadline_s=500.0,
    )
    run = run_of(described, ends="deadline")
    assert times(run, "restored") == [300.0] * 3
    assert times(run, "sweep", worker="other1") == [0.0, 100.0, 200.0, 300.0, 400.0]
    assert times(run, "sweep", worker="worker1") == [0.0]
    assert run.fold.queued == 3


def test_the_oldest_restored_message_is_first_in_line() -> None:
    """A sweep restores the newest first, each to the very front: the old order comes out."""
    faults = [fault("kill_worker", 0.5, worker="worker1"), fault("skip", 1.0, seconds=HOUR_S),
              fault("start_worker", 2.0, worker="worker1")]  # fmt: skip
    run = run_of(scenario(tasks=[task(**LATE)], loads=[burst(6)], faults=faults,
                          workers=[{"concurrency": 1}]))  # fmt: skip
    assert order(run, "restored") == ["job/3", "job/2", "job/1", "job/0"]
    assert order(run)[1:] == [f"job/{n}" for n in range(6)]


def test_starting_a_worker_brings_no_message_back() -> None:
    """Its first sweep is immediate, but restores only what is older than the timeout."""
    faults = [fault("kill_worker", 0.5, worker="worker1"),
              fault("start_worker", 1.0, worker="worker1")]  # fmt: skip
    described = scenario(tasks=[task(**LATE)], faults=faults, deadline_s=200.0)
    run = run_of(described, ends="deadline")
    assert times(run, "worker_ready") == [0.0, 1.5]
    assert 1.5 in times(run, "sweep")
    assert run.of_kind("restored") == []
    assert run.fold.orphaned == 0 or run.fold.unacked == 1
    assert left_in(run) == {"queues": {"celery": []}, "unacked": ["job/0"]}


def test_a_skip_sweeps_sweep_s_later_with_an_extra_client() -> None:
    """`skipped` is the moment of ageing; the sweep's events name no worker."""
    faults = [fault("kill_worker", 0.5, worker="worker1"), fault("skip", 1.0, seconds=HOUR_S)]
    run = run_of(scenario(tasks=[task(**LATE)], faults=faults, **CRASH))
    assert run.of_kind("skipped") == [Event(1.0, "skipped", detail={"seconds": HOUR_S})]
    assert times(run, "sweep", worker=None) == [1.25]
    assert {e.worker for e in run.of_kind("restored")} == {None}
    assert run.fold.skipped == [(1.0, HOUR_S)]


def test_a_short_skip_restores_nothing() -> None:
    """Half a timeout is not enough; two halves are."""
    faults = [fault("kill_worker", 0.5, worker="worker1"), fault("skip", 10.0, seconds=1800.0),
              fault("skip", 20.0, seconds=1800.0)]  # fmt: skip
    run = run_of(scenario(tasks=[task(**LATE)], faults=faults, **CRASH))
    assert set(times(run, "restored")) == {20.25}


def test_a_skip_duplicates_what_a_living_worker_still_runs() -> None:
    """A late ack that comes too late: the message is delivered again, to the other worker."""
    workers = [{"n_workers": 2, "concurrency": 1, "prefetch_multiplier": 1}]
    tasks = [task(service_s=5.0, **LATE)]
    faults = [fault("skip", 1.0, seconds=HOUR_S)]
    run = run_of(scenario(tasks=tasks, loads=[burst(1)], faults=faults, workers=workers))
    assert executions(run) == {"job/0": 2}
    assert len({e.tag for e in run.of_kind("delivered")}) == 1
    assert times(run, "started") == [0.0, 1.25]
    # The stale owner's ack removes the entry of the new one.
    assert times(run, "acked") == [5.0, 6.25]
    assert run.fold.journeys["job/0"].n_succeeded == 2


def test_one_worker_can_hold_the_same_message_twice() -> None:
    """Its own prefetched message, swept and fetched again: both copies run, each in its turn."""
    broker = {"visibility_timeout_s": 2.5, "unacked_restore_interval_s": 1.0,
              "unacked_restore_throttle": 1}  # fmt: skip
    workers = [{"concurrency": 1, "prefetch_multiplier": 3}]
    tasks = [task(service_s=2.0, **LATE)]
    run = run_of(scenario(tasks=tasks, loads=[burst(3)], workers=workers, broker=broker))
    assert sum(executions(run).values()) > 3
    assert all(a.outcome == "succeeded" for a in run.fold.attempts if a.started_s is not None)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_terminated_worker_finishes_and_gives_back(pool: str) -> None:
    """SIGTERM: running tasks finish, the prefetched go to the front, nothing runs twice."""
    workers = [{"concurrency": 2, "pool": pool}, {"name": "other", "prefetch_multiplier": 1}]
    faults = [fault("terminate_worker", 0.5, worker="worker1")]
    run = run_of(scenario(loads=[burst(12)], workers=workers, faults=faults))
    exited = run.of_kind("worker_exited")[0]
    assert (exited.t_s, exited.detail) == (1.0, {"exit": 0})
    assert len(run.of_kind("restored")) == 8
    assert set(times(run, "restored")) == {1.0}
    assert times(run, "delivered", worker="worker1")[-1] == 0.0
    assert set(executions(run).values()) == {1}
    assert len(run.of_kind("succeeded")) == 12


def test_a_warm_shutdown_reverses_what_it_gives_back() -> None:
    """restore_unacked takes the oldest first, each to the front: the newest comes out first."""
    workers = [{"concurrency": 1, "prefetch_multiplier": 3}]
    faults = [fault("terminate_worker", 0.5, worker="worker1"),
              fault("start_worker", 2.0, worker="worker1")]  # fmt: skip
    run = run_of(scenario(loads=[burst(5)], workers=workers, faults=faults))
    assert order(run, "restored") == ["job/1", "job/2", "job/3"]
    assert order(run) == ["job/0", "job/3", "job/2", "job/1", "job/4"]


def test_a_warm_shutdown_gives_back_what_is_held() -> None:
    """Countdowns and rate limits hold messages in memory: they are restored too."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 50.0}
    tasks = [retrying(policy), task("limited", 0.1, rate_limit="1/m")]
    faults = [fault("terminate_worker", 5.0, worker="worker1"),
              fault("start_worker", 6.0, worker="worker1")]  # fmt: skip
    run = run_of(scenario(tasks=tasks, loads=[burst(1), burst(3, "limited")], faults=faults,
                          workers=[{"concurrency": 2}]))  # fmt: skip
    assert sorted(order(run, "restored")) == ["job/0", "limited/1", "limited/2"]
    assert times(run, "started", task="job/0") == [0.0, 51.0]


def test_a_killed_worker_that_was_shutting_down_restores_nothing() -> None:
    """The orchestrator's SIGKILL after the grace period: S1 of the pitfalls."""
    faults = [fault("terminate_worker", 0.5, worker="worker1"),
              fault("kill_worker", 1.0, worker="worker1")]  # fmt: skip
    described = scenario(tasks=[task(service_s=10.0)], faults=faults, deadline_s=200.0)
    run = run_of(described, ends="deadline")
    assert [e.detail for e in run.of_kind("worker_exited")] == [{"signal": 9}]
    assert run.of_kind("restored") == []
    assert run.fold.unacked == 1


def test_faults_on_events_fire_after_them() -> None:
    """0.3 s after the third start on worker1."""
    when = {"on": "event", "event": "started", "nth": 3, "after_s": 0.3, "worker": "worker1"}
    faults = [{"kind": "kill_worker", "worker": "worker1", "when": when},
              {"kind": "start_worker", "worker": "worker1",
               "when": {"on": "event", "event": "worker_exited", "after_s": 0.2}}]  # fmt: skip
    run = run_of(scenario(loads=[burst(8)], faults=faults, workers=[{"concurrency": 1,
                 "prefetch_multiplier": 1}], deadline_s=300.0), ends="deadline")  # fmt: skip
    assert times(run, "worker_exited") == [2.3]
    assert times(run, "worker_ready") == [0.0, 3.0]


def test_an_event_that_never_comes_holds_nothing_up() -> None:
    """Drained means drained, even if a fault still waits for its event."""
    when = {"on": "event", "event": "failed"}
    run = run_of(scenario(faults=[{"kind": "kill_worker", "worker": "worker1", "when": when}]))
    assert run.events[-1].t_s == 4.0
    waits = run_of(scenario(faults=[fault("kill_worker", 50.0, worker="worker1")]))
    assert waits.events[-1].t_s == 50.0


# --- controls ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("submit", {"task": "jbo"}, "did you mean 'job'"),
        ("submit", {"task": "job", "n": 0}, "n is 0"),
        ("submit", {"task": "job", "n": 1.5}, "n is 1.5"),
        ("kill_worker", {"worker": "worker9"}, "worker9"),
        ("kill_child", {"worker": "threads1"}, "no child processes"),
        ("skip", {"seconds": 0.0}, "seconds is 0"),
        ("skip", {"seconds": math.nan}, "seconds is nan"),
        ("skip", {"seconds": math.inf}, "seconds is inf"),
        ("rate_limit", {"task": "job", "rate": "fast"}, "fast"),
        ("rate_limit", {"task": "job", "rate": "0/s"}, "0/s"),
    ],
)
def test_what_makes_no_sense_is_refused(verb: str, arguments: dict[str, Any], words: str) -> None:
    """One sentence, and nothing has changed."""
    workers = [{"concurrency": 1}, {"name": "threads", "pool": "threads"}]
    with start(scenario(workers=workers, loads=[]), overheads=ZERO) as session:
        before = len(session.events_since(0))
        with pytest.raises(ScenarioError, match=words):
            getattr(session.controls, verb)(**arguments)
        assert len(session.events_since(0)) == before
        assert session.wait() == "drained"


def test_impossible_orders_are_refused() -> None:
    """Kill what is down, start what is up, terminate twice."""
    with start(scenario(), overheads=ZERO) as session:
        with pytest.raises(EngineError, match="running already"):
            session.controls.start_worker("worker1")
        session.advance(0.5)
        session.controls.terminate_worker("worker1")
        with pytest.raises(EngineError, match="shutting down"):
            session.controls.terminate_worker("worker1")
        session.controls.kill_worker("worker1")
        for verb in ("kill_worker", "kill_child", "terminate_worker"):
            with pytest.raises(EngineError, match="is down"):
                getattr(session.controls, verb)("worker1")
        session.controls.start_worker("worker1")
        with pytest.raises(EngineError, match="running already"):
            session.controls.start_worker("worker1")


def test_trouble_of_a_command_for_later_is_part_of_the_record() -> None:
    """With `when` there is nobody to raise to: a `control` event tells the error."""
    faults = [
        fault("kill_worker", 1.0, worker="worker1"),
        fault("kill_worker", 2.0, worker="worker1"),
    ]
    run = run_of(scenario(faults=faults, deadline_s=200.0), ends="deadline")
    details = [event.detail or {} for event in run.of_kind("control")]
    assert [detail.get("error") for detail in details] == [None, "worker1 is down; start it first"]


def test_verbs_take_a_when() -> None:
    """A time, or an event counted from the order; keys are known only when it happens."""
    with start(scenario(loads=[burst(2)]), overheads=ZERO) as session:
        session.wait_for(OnEvent(event="succeeded"))
        when = OnEvent(event="succeeded", after_s=0.5)
        assert session.controls.submit("job", when=when) == []
        session.controls.submit("job", when=At(at_s=30.0))
        assert session.wait() == "drained"
    assert times(session.close(), "started") == [0.0, 1.0, 2.5, 30.0]


def test_a_session_goes_on_after_it_is_drained() -> None:
    """By hand: submit, wait, submit again; time goes on from where it stood."""
    with start(scenario(loads=[]), overheads=ZERO) as session:
        for _ in range(3):
            session.controls.submit("job")
            assert session.wait() == "drained"
        assert session.now_s == 3.0


# --- hosts and closed loads ----------------------------------------------------------------


def cpu_scenario(concurrency: int, pool: str = "prefork", n_workers: int = 1) -> Scenario:
    return scenario(
        tasks=[task(service_s=1.0, work="cpu")],
        loads=[burst(8)],
        hosts=[{"cores": 2}],
        workers=[{"concurrency": concurrency, "pool": pool, "n_workers": n_workers,
                  "prefetch_multiplier": 1}],
    )  # fmt: skip


@pytest.mark.parametrize("concurrency", [2, 4, 8])
def test_computing_shares_the_cores(concurrency: int) -> None:
    """Eight seconds of work on two cores take four, however many processes there are."""
    run = run_of(cpu_scenario(concurrency))
    assert times(run, "succeeded")[-1] == pytest.approx(4.0)
    assert times(run, "succeeded")[0] == pytest.approx(concurrency / 2)


def test_waiting_shares_nothing() -> None:
    """Eight sleeps of a second take one."""
    run = run_of(scenario(loads=[burst(8)], hosts=[{"cores": 2}], workers=[{"concurrency": 8}]))
    assert times(run, "succeeded") == [1.0] * 8


def test_threads_compute_one_at_a_time_within_a_worker() -> None:
    """The interpreter's lock: four threads are one process; two workers are two."""
    assert times(run_of(cpu_scenario(4, "threads")), "succeeded")[-1] == pytest.approx(8.0)
    two = run_of(cpu_scenario(4, "threads", n_workers=2))
    assert times(two, "succeeded")[-1] == pytest.approx(4.0)


def test_every_worker_of_a_host_counts() -> None:
    """Two pools on one host slow each other down; on two hosts they do not."""
    tasks = [task("a", 1.0, work="cpu", queue="a"), task("b", 1.0, work="cpu", queue="b")]
    loads = [burst(1, "a"), burst(1, "b", at_s=0.5)]
    for hosts, ends in ((["h", "h"], [1.5, 2.0]), (["h", "i"], [1.0, 1.5])):
        workers = [{"name": q, "queues": [q], "host": h} for q, h in zip("ab", hosts, strict=True)]
        described = scenario(tasks=tasks, loads=loads, workers=workers, queues=["a", "b"],
                             hosts=[{"name": h, "cores": 1} for h in "hi"])  # fmt: skip
        assert times(run_of(described), "succeeded") == ends


def test_a_killed_computation_frees_its_core() -> None:
    """Half done at the kill, the other has the core for itself from then on."""
    faults = [fault("kill_child", 1.0, worker="worker1")]
    described = scenario(
        tasks=[task(service_s=1.0, work="cpu")], loads=[burst(2)], hosts=[{"cores": 1}],
        workers=[{"concurrency": 2}], faults=faults,
    )  # fmt: skip
    assert times(run_of(described), "succeeded") == [1.5]


def test_a_closed_load_thinks_publishes_and_waits() -> None:
    """Client c's j-th task is number j * n_clients + c, published a think time after the last."""
    think = {"kind": "deterministic", "value_s": 2.0}
    loads = [{"kind": "closed", "task": "job", "n_clients": 2, "think": think}]
    run = run_of(scenario(loads=loads, horizon_s=9.0, workers=[{"concurrency": 2}]))
    assert [(e.t_s, e.task) for e in run.of_kind("sent")] == [
        (2.0, "job/0"), (2.0, "job/1"), (5.0, "job/2"), (5.0, "job/3"), (8.0, "job/4"),
        (8.0, "job/5"),
    ]  # fmt: skip
    assert run.ended == "drained"


def test_a_closed_load_never_has_more_in_the_system_than_clients() -> None:
    """Machine repair: five machines, two repairers; a retried task keeps its client waiting."""
    tasks = [{"name": "job", "service": Exponential(mean_s=3.0), "p_failure": 0.2,
              "retries": [{"kind": "self", "max_retries": 2, "countdown_s": 1.0}]}]  # fmt: skip
    loads = [{"kind": "closed", "task": "job", "n_clients": 5, "think": Exponential(mean_s=5.0)}]
    run = run_of(scenario(tasks=tasks, loads=loads, workers=[{"concurrency": 2}], horizon_s=500.0))
    inside: set[str | None] = set()
    for event in run.events:
        if event.kind == "sent":
            inside.add(event.task)
        elif event.kind in {"succeeded", "failed"}:
            inside.remove(event.task)
        assert len(inside) <= 5
    assert len(run.of_kind("sent")) > 100


def test_two_closed_loads_and_an_open_one_never_share_a_number() -> None:
    """Each closed load has a range of its own, above the open tasks."""
    closed = {"kind": "closed", "task": "job", "n_clients": 2,
              "think": {"kind": "deterministic", "value_s": 1.0}}  # fmt: skip
    run = run_of(scenario(loads=[burst(3), closed, closed], horizon_s=5.0,
                          workers=[{"concurrency": 8}]))  # fmt: skip
    keys = order(run, "sent")
    assert len(keys) == len(set(keys))
    assert {"job/0", "job/3", "job/10000003"} <= set(keys)


# --- the laws of any run -------------------------------------------------------------------


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Small scenarios of every kind of thing, faults included."""
    second = st.sampled_from([0.25, 0.5, 1.0, 2.0])
    flag = st.booleans()
    policies = st.sampled_from([
        [], [{"kind": "self", "max_retries": 2, "countdown_s": 0.5}],
        [{"kind": "auto", "max_retries": 2, "backoff_s": 1}],
    ])  # fmt: skip
    tasks = [
        {
            "name": name,
            "queue": draw(st.sampled_from(["x", "y"])),
            "service": {"kind": "exponential", "mean_s": draw(second)},
            "acks_late": draw(flag),
            "reject_on_worker_lost": draw(flag),
            "acks_on_failure": draw(flag),
            "acks_on_timeout": draw(flag),
            "retry_on_worker_lost": draw(flag),
            "default_retry_delay_s": draw(st.sampled_from([0.0, 1.0])),
            "countdown_s": draw(st.sampled_from([0.0, 0.0, 2.0])),
            "work": draw(st.sampled_from(["wait", "cpu"])),
            "rate_limit": draw(st.sampled_from([None, None, "3/s"])),
            "soft_time_limit_s": draw(st.sampled_from([None, None, 1.0])),
            "time_limit_s": draw(st.sampled_from([None, None, 2.0])),
            "expires_s": draw(st.sampled_from([None, None, 3.0])),
            "p_failure": draw(st.sampled_from([0.0, 0.4])),
            "priority": draw(st.sampled_from([0, 3])),
            "retries": draw(policies),
        }
        for name in ("a", "b")
    ]
    workers = [
        {
            "name": name,
            "n_workers": draw(st.integers(1, 2)),
            "concurrency": 1 if pool == "solo" else draw(st.integers(1, 3)),
            "pool": pool,
            "queues": draw(st.sampled_from([["x", "y"], ["y", "x"]])),
            "prefetch_multiplier": draw(st.integers(0, 3)),
            "max_tasks_per_child": draw(st.sampled_from([None, 2])),
            "disable_prefetch": draw(flag),
            "eta_task_limit": draw(st.sampled_from([None, 3])),
        }
        for name in ("v", "w")
        for pool in [draw(st.sampled_from(["prefork", "threads", "solo"]))]
    ]
    for worker in workers:
        if worker["pool"] == "prefork" and draw(flag):
            worker |= {"concurrency": 3, "autoscale": (3, 1), "autoscale_keepalive_s": 2.0}
    names = [f"{w['name']}{i + 1}" for w in workers for i in range(w["n_workers"])]
    prefork = [n for n in names if workers["vw".index(n[0])]["pool"] == "prefork"]
    loads: list[dict[str, Any]] = [burst(draw(st.integers(1, 12)), name) for name in ("a", "b")]
    if draw(flag):
        loads.append({"kind": "closed", "task": "a", "n_clients": 2,
                      "think": {"kind": "exponential", "mean_s": 0.5}})  # fmt: skip
    return Scenario(
        name="any",
        queues=["x", "y"],
        tasks=tasks,
        workers=workers,
        loads=loads,
        faults=draw(st.lists(faults_on(names, prefork), max_size=5)),
        broker={
            "visibility_timeout_s": draw(st.sampled_from([1.5, 4.0, 3600.0])),
            "unacked_restore_interval_s": 0.5,
            "unacked_restore_throttle": draw(st.integers(1, 2)),
            "queue_order_strategy": draw(st.sampled_from(["round_robin", "priority", "sorted"])),
        },
        hosts=[{"cores": draw(st.integers(1, 2))}],
        horizon_s=6.0,
        deadline_s=40.0,
        seed=draw(st.integers(0, 1000)),
    )


def faults_on(names: list[str], prefork: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    whens = st.one_of(
        st.sampled_from([0.0, 0.5, 1.0, 2.5, 5.0]).map(lambda at: {"on": "time", "at_s": at}),
        st.integers(1, 6).map(lambda n: {"on": "event", "event": "started", "nth": n}),
        st.integers(1, 3).map(lambda n: {"on": "event", "event": "worker_exited", "nth": n}),
    )
    verbs = ["kill_worker", "terminate_worker", "start_worker"]
    kinds = [
        st.fixed_dictionaries({"kind": st.sampled_from(verbs), "worker": st.sampled_from(names),
                               "when": whens}),
        st.fixed_dictionaries({"kind": st.just("skip"), "when": whens,
                               "seconds": st.sampled_from([1.0, HOUR_S])}),
        st.fixed_dictionaries({"kind": st.just("rate_limit"), "task": st.just("a"),
                               "rate": st.sampled_from([None, "2/s"]), "when": whens}),
    ]  # fmt: skip
    if prefork:
        kinds.append(st.fixed_dictionaries({"kind": st.just("kill_child"), "when": whens,
                                            "worker": st.sampled_from(prefork)}))  # fmt: skip
    return st.one_of(kinds)


OVERHEADS = st.sampled_from([ZERO, Overheads(), Overheads(ack_s=0.05, finish_s=0.01)])


@settings(max_examples=120, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip
@given(scenarios(), OVERHEADS)
def test_every_run_obeys_the_laws(described: Scenario, overheads: Overheads) -> None:
    """Structure; nothing vanishes: each task is finished, still somewhere, or was killed."""
    with start(described, overheads=overheads) as session:
        outcome = session.wait()
    run = session.close()
    assert outcome in {"drained", "deadline"}
    assert broken_laws(run) == []
    assert sorted(run.events, key=lambda event: event.t_s) == list(run.events)
    dump = left_in(run)
    held = {key for keys in dump["queues"].values() for key in keys} | set(dump["unacked"])
    for key, journey in run.fold.journeys.items():
        settled = journey.finished_s is not None or journey.n_killed or journey.n_revoked
        assert settled or key in held or journey.running or in_a_socket(run, key), key
    if outcome == "drained":
        assert run.fold.drained or any(in_a_socket(run, k) for k in run.fold.journeys)
        assert ended_with(run), "drained, but noticed later"
    for name, on in capacity(run).items():
        pool = described.pool_of(name)
        assert pool is not None
        assert on <= pool.concurrency
    assert_without_crashes_all_run_once(run)


def ended_with(run: Run) -> bool:
    """Whether something happened at the moment the run ended, beside its workers' sweeps."""
    *events, _, end = run.events
    return any(
        event.t_s == end.t_s and not (event.kind == "sweep" and event.worker) for event in events
    )


def in_a_socket(run: Run, key: str) -> bool:
    """Whether a worker may have the message in its socket, taken from Redis and not yet read.

    A BRPOP under way when the credit goes leaves it there; a kill, or the deadline, may come.
    """
    crashed = any((e.detail or {}).get("signal") for e in run.of_kind("worker_exited"))
    return run.fold.journeys[key].n_queued >= 1 and (crashed or run.ended == "deadline")


def capacity(run: Run) -> dict[str, int]:
    """Return how many bodies each worker has had under way at most."""
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for event in run.events:
        if event.kind == "worker_exited":
            now[event.worker or ""] = 0
        now[event.worker or ""] += event.kind == "started"
        ended = event.kind in {"succeeded", "retried", "child_lost"}
        by_child = event.kind == "failed" and event.slot is not None
        now[event.worker or ""] -= ended or by_child
        most[event.worker or ""] = max(most[event.worker or ""], now[event.worker or ""])
    del most[""]
    return most


def assert_without_crashes_all_run_once(run: Run) -> None:
    """Outside kills, skips and short timeouts an attempt runs once: no early ack is repeated."""
    calm = run.scenario.broker.visibility_timeout_s > 1000 and not run.scenario.faults
    if calm:
        runs = Counter((e.task, e.retry) for e in run.of_kind("started"))
        assert set(runs.values()) <= {1}


@settings(max_examples=25, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(scenarios(), st.lists(st.sampled_from([0.1, 0.7, 3.0]), max_size=6))
def test_stopping_the_clock_changes_nothing(described: Scenario, steps: list[float]) -> None:
    """A run looked at in steps is the run that is not looked at."""
    plain = start(described)
    plain.wait()
    stepped = start(described)
    for step in steps:
        stepped.wait(step)
        stepped.events_since(0)
    stepped.wait()
    assert stepped.close().events == plain.close().events


def test_uniforms_are_open() -> None:
    """An inverse CDF is infinite at 0 and 1, so no draw is either."""
    draws = uniforms(1, "job/service", 1000)
    assert 0 < draws.min() < draws.max() < 1


def test_start_returns_a_model_session() -> None:
    """The engine's one door."""
    assert isinstance(start(scenario()), ModelSession)
