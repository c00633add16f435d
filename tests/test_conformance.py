"""Conformance: what Celery's semantics fix is equal in the model, on the fake and on Redis.

The bodies do not know their engine. Faults fire on events, so that they repeat on real
workers; what may differ between two runs of the same system (times) is not asserted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sandbox.audit import audit
from sandbox.draws import full_jitter
from sandbox.faults import OnEvent
from sandbox.little import littles_law
from sandbox.metrics import measure
from sandbox.run import Run, broken_laws
from sandbox.scenario import Scenario
from tests.conftest import Begin

HOUR_S = 3600.0
CLOCK_S = 0.01  # what a sleep or a timer may be early
ACK_MODES: dict[str, dict[str, Any]] = {
    "early": {},
    "late": {"acks_late": True},
    "reject": {"acks_late": True, "reject_on_worker_lost": True},
}


def task(name: str = "job", service_s: float = 0.3, **more: Any) -> dict[str, Any]:
    return {"name": name, "service": {"kind": "deterministic", "value_s": service_s}} | more


def burst(n: int, name: str = "job", at_s: float = 0.0) -> dict[str, Any]:
    return {"kind": "burst", "task": name, "n": n, "at_s": at_s}


def scenario(**fields: Any) -> Scenario:
    defaults: dict[str, Any] = {
        "name": "conformance",
        "tasks": [task()],
        "workers": [{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 1}],
        "loads": [burst(8)],
        "horizon_s": 3.0,
        "deadline_s": 25.0,
    }
    return Scenario(**(defaults | fields))


def on_start(nth: int, after_s: float = 0.1, worker: str | None = "worker1") -> dict[str, Any]:
    return {"on": "event", "event": "started", "nth": nth, "after_s": after_s, "worker": worker}


def finish(begin: Begin, described: Scenario) -> Run:
    """Run to the end and hold the run against the laws that every run obeys."""
    with begin(described) as session:
        outcome = session.wait()
    run = session.close()
    assert outcome == "drained", audit(run).summary()
    assert_laws(run)
    return run


def assert_laws(run: Run) -> None:
    """Structure, capacity, Little's law and a verdict for every task."""
    assert broken_laws(run) == []
    mean_in_system, rate_times_sojourn = littles_law(run)
    assert mean_in_system == pytest.approx(rate_times_sojourn, abs=1e-9)
    for pool in run.scenario.workers:
        for worker in pool.worker_names:
            assert most_at_once(run, worker) <= pool.concurrency
    audited = audit(run)
    assert sum(audited.counts().values()) == len(run.fold.journeys)
    assert audited.counts().get("unknown", 0) == 0


def most_at_once(run: Run, worker: str) -> int:
    spans = [a for a in run.fold.attempts if a.worker == worker and a.started_s is not None]
    moments = sorted(
        [(a.started_s, 1) for a in spans]
        + [(a.ended_s, -1) for a in spans if a.ended_s is not None]
    )
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most


def verdicts(run: Run) -> dict[str, int]:
    return {verdict: n for verdict, n in audit(run).counts().items() if n}


def executions(run: Run) -> Counter[str]:
    return Counter(event.task for event in run.of_kind("started"))


def order(run: Run) -> list[str]:
    return [event.task for event in run.of_kind("started")]


# --- without faults ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_without_faults_every_task_runs_exactly_once(begin: Begin, mode: str) -> None:
    """No fault, no duplicate: each published task is done once under every ack mode."""
    run = finish(begin, scenario(tasks=[task(**ACK_MODES[mode])]))
    assert executions(run) == {f"job/{n}": 1 for n in range(8)}
    assert verdicts(run) == {"done once": 8}


@pytest.mark.parametrize(("pool", "concurrency"), [("threads", 2), ("solo", 1)])
def test_other_pools_do_the_same_work(begin: Begin, pool: str, concurrency: int) -> None:
    """The pool changes what can go wrong, not what is done."""
    workers = [{"pool": pool, "concurrency": concurrency}]
    run = finish(begin, scenario(workers=workers, tasks=[task(service_s=0.1)]))
    assert verdicts(run) == {"done once": 8}


def test_late_ack_with_prefetch_one_reserves_nothing_ahead(begin: Begin) -> None:
    """acks_late + multiplier 1: a worker never has more messages than processes."""
    run = finish(begin, scenario(tasks=[task(acks_late=True)]))
    held: Counter[str] = Counter()
    for event in run.events:
        if event.kind in {"delivered", "acked"}:
            held[event.worker] += 1 if event.kind == "delivered" else -1
            assert held[event.worker] <= 2


def test_early_ack_reserves_as_many_as_processes_ahead(begin: Begin) -> None:
    """Early ack + multiplier 1: the credit is free again at the start, so 2 × 2 are taken."""
    described = scenario(workers=[{"concurrency": 2, "prefetch_multiplier": 1}])
    with begin(described) as session:
        session.wait_for(OnEvent(event="started", nth=2))
        session.wait_for(OnEvent(event="received", nth=4))
        session.wait()
    run = session.close()
    assert_laws(run)
    first_end = run.of_kind("succeeded")[0].t_s
    assert sum(event.t_s < first_end for event in run.of_kind("delivered")) == 4


def test_smaller_priority_number_goes_first(begin: Begin) -> None:
    """On Redis 0 is the highest of the four steps 0, 3, 6, 9; equal steps are first come."""
    tasks = [task("first", 0.6, acks_late=True)] + [
        task(f"p{p}", 0.05, acks_late=True, priority=p) for p in (9, 5, 3, 0)
    ]
    loads = [burst(1, "first")] + [burst(2, f"p{p}", 0.2) for p in (9, 5, 3, 0)]
    workers = [{"concurrency": 1, "prefetch_multiplier": 1}]
    run = finish(begin, scenario(tasks=tasks, loads=loads, workers=workers))
    expected = ["first/0", "p0/0", "p0/1", "p5/0", "p5/1", "p3/0", "p3/1", "p9/0", "p9/1"]
    assert order(run) == expected


def test_queues_take_turns(begin: Begin) -> None:
    """round_robin: the queue just used goes to the end of the line."""
    tasks = [task("first", 0.6, queue="a", acks_late=True)] + [
        task(q, 0.05, queue=q, acks_late=True) for q in ("a", "b")
    ]
    loads = [burst(1, "first"), burst(3, "a", 0.2), burst(3, "b", 0.2)]
    workers = [{"concurrency": 1, "prefetch_multiplier": 1, "queues": ["a", "b"]}]
    described = scenario(tasks=tasks, loads=loads, workers=workers, queues=["a", "b"])
    run = finish(begin, described)
    assert order(run) == ["first/0", "b/0", "a/0", "b/1", "a/1", "b/2", "a/2"]


def test_a_queue_without_a_worker_keeps_its_tasks(begin: Begin) -> None:
    """A route that no -Q names: the task is neither lost nor done, it is stuck."""
    tasks = [task(), task("orphan", queue="nobody")]
    described = scenario(
        tasks=tasks,
        loads=[burst(2), burst(1, "orphan")],
        queues=["celery", "nobody"],
        horizon_s=1.0,
        deadline_s=2.0,
    )
    with begin(described) as session:
        assert session.wait() == "deadline"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 2, "stuck": 1}
    assert "nobody" in audit(run).of("stuck")[0].where


def test_a_closed_load_has_at_most_its_clients_in_the_system(begin: Begin) -> None:
    """n clients that wait for their results: never more than n tasks under way."""
    loads = [
        {
            "kind": "closed",
            "task": "job",
            "n_clients": 3,
            "think": {"kind": "deterministic", "value_s": 0.1},
        }
    ]
    run = finish(begin, scenario(loads=loads, horizon_s=2.0, tasks=[task(service_s=0.2)]))
    under_way = 0
    for event in run.events:
        under_way += (event.kind == "sent") - (event.kind == "succeeded")
        assert under_way <= 3
    assert measure(run).value("done") >= 9


def test_processor_work_is_done_like_any_other(begin: Begin) -> None:
    """cpu work: the same tasks, each once."""
    run = finish(begin, scenario(tasks=[task(service_s=0.1, work="cpu")], loads=[burst(4)]))
    assert verdicts(run) == {"done once": 4}


# --- failures, retries, limits ------------------------------------------------------------


def test_a_failing_task_without_retries_fails_once(begin: Begin) -> None:
    """No policy: one attempt, FAILURE."""
    run = finish(begin, scenario(tasks=[task(service_s=0.05, p_failure=1.0)], loads=[burst(2)]))
    assert executions(run) == {"job/0": 1, "job/1": 1}
    assert verdicts(run) == {"failed": 2}


def test_self_retry_runs_max_retries_more_times(begin: Begin) -> None:
    """self.retry(countdown=…), max_retries=2: three executions, the countdown between them."""
    policy = {"kind": "self", "max_retries": 2, "countdown_s": 0.4, "factor": 2.0}
    tasks = [task(service_s=0.05, p_failure=1.0, retries=[policy])]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(2)]))
    assert executions(run) == {"job/0": 3, "job/1": 3}
    assert [e.retry for e in run.of_kind("started") if e.task == "job/0"] == [0, 1, 2]
    gaps = gaps_between_attempts(run, "job/0", 0.05)
    assert gaps[0] >= 0.4 - CLOCK_S
    assert gaps[1] >= 0.8 - CLOCK_S


def test_backoff_jitter_is_the_same_whole_seconds_in_every_engine(begin: Begin) -> None:
    """autoretry with jitter: each gap is Celery's randrange, seeded alike."""
    policy = {"kind": "auto", "max_retries": 2, "backoff_s": 1, "jitter": True}
    tasks = [task(service_s=0.05, p_failure=1.0, retries=[policy])]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(3)], seed=4))
    for n in range(3):
        gaps = gaps_between_attempts(run, f"job/{n}", 0.05)
        for retry, gap in enumerate(gaps):
            countdown = full_jitter(4, f"job/{n}", retry, 2**retry)
            assert countdown - CLOCK_S <= gap <= countdown + 1.0


def test_two_retry_policies_follow_one_another(begin: Begin) -> None:
    """self.retry inside autoretry: first all of the one, then what the other has left."""
    policies = [
        {"kind": "self", "max_retries": 1, "countdown_s": 0.2},
        {"kind": "auto", "max_retries": 3, "backoff_s": None, "countdown_s": 0.3},
    ]
    tasks = [task(service_s=0.05, p_failure=1.0, retries=policies)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)]))
    assert executions(run) == {"job/0": 4}


def gaps_between_attempts(run: Run, key: str, service_s: float) -> list[float]:
    """Return the times from the end of each attempt's work to the start of the next.

    Counted from starts: an attempt is recorded as retried only after its retry is published.
    """
    starts = {e.retry: e.t_s for e in run.of_kind("started") if e.task == key}
    return [starts[retry] - starts[retry - 1] - service_s for retry in sorted(starts) if retry]


def test_a_soft_limit_is_an_ordinary_failure(begin: Begin) -> None:
    """SoftTimeLimitExceeded is an Exception: without a retry the task has failed."""
    tasks = [task(service_s=5.0, soft_time_limit_s=1.0, time_limit_s=4.0, acks_late=True)]
    run = finish(begin, scenario(tasks=tasks, loads=[burst(1)]))
    assert verdicts(run) == {"failed": 1}
    assert executions(run) == {"job/0": 1}


def test_a_hard_limit_kills_and_acknowledges(begin: Begin) -> None:
    """Hard limit with acks_late: FAILURE, not run again; the worker goes on."""
    tasks = [task("slow", 8.0, time_limit_s=1.0, acks_late=True), task("job", 0.05)]
    described = scenario(tasks=tasks, loads=[burst(1, "slow"), burst(2, at_s=1.5)])
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 1, "done once": 2}
    assert executions(run)["slow/0"] == 1
    assert len(run.of_kind("failed")) == 1


def test_an_expired_message_is_dropped_on_receipt(begin: Begin) -> None:
    """expires: nobody removes it from the queue; the worker that receives it late drops it."""
    tasks = [task("first", 1.5, acks_late=True), task("job", 0.05, acks_late=True, expires_s=0.5)]
    workers = [{"concurrency": 1, "prefetch_multiplier": 1}]
    described = scenario(
        tasks=tasks, loads=[burst(1, "first"), burst(2, at_s=0.2)], workers=workers
    )
    run = finish(begin, described)
    assert verdicts(run) == {"done once": 1, "revoked": 2}


# --- rate limits ---------------------------------------------------------------------------


def test_a_rate_limit_lets_one_through_at_a_time(begin: Begin) -> None:
    """Capacity 1: starts are at least 1/rate apart on one worker; held tasks keep credit."""
    tasks = [task(service_s=0.01, rate_limit="4/s")]
    run = finish(begin, scenario(tasks=tasks, workers=[{"concurrency": 2}], loads=[burst(6)]))
    starts = [e.t_s for e in run.of_kind("started")]
    assert starts[-1] - starts[0] >= 5 * 0.25 - 0.15
    assert len(run.of_kind("rate_held")) == 6


def test_a_rate_limit_holds_for_each_worker_by_itself(begin: Begin) -> None:
    """Two workers let twice as many through: neither exceeds its own rate, both are used."""
    tasks = [task(service_s=0.01, rate_limit="4/s")]
    workers = [{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 2}]
    run = finish(begin, scenario(tasks=tasks, workers=workers, loads=[burst(12)]))
    by_worker = Counter(e.worker for e in run.of_kind("started"))
    assert min(by_worker.values()) >= 4
    for worker in by_worker:
        starts = [e.t_s for e in run.of_kind("started") if e.worker == worker]
        assert starts[-1] - starts[0] >= (len(starts) - 1) * 0.25 - 0.15


def test_a_rate_limit_can_be_set_while_running(begin: Begin) -> None:
    """The verb rate_limit slows what comes after it."""
    with begin(scenario(tasks=[task(service_s=0.01)], loads=[])) as session:
        session.controls.rate_limit("job", "2/s")
        session.controls.submit("job", 4)
        session.wait_for(OnEvent(event="succeeded", nth=4))
    run = session.close()
    by_worker = Counter(e.worker for e in run.of_kind("started"))
    for worker in by_worker:
        starts = [e.t_s for e in run.of_kind("started") if e.worker == worker]
        assert starts[-1] - starts[0] >= (len(starts) - 1) * 0.5 - 0.15


# --- faults --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_killed_child(begin: Begin, mode: str) -> None:
    """Only acks_late + reject_on_worker_lost runs the task again; else it is FAILURE."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        faults=[{"kind": "kill_child", "worker": "worker1", "when": on_start(2)}],
    )
    run = finish(begin, described)
    assert len(run.of_kind("child_lost")) == 1
    victim = run.of_kind("child_lost")[0].task
    if mode == "reject":
        assert executions(run)[victim] == 2
        assert verdicts(run) == {"done once": 8}
        assert len(run.of_kind("requeued")) == 1
    else:
        assert executions(run)[victim] == 1
        assert verdicts(run) == {"done once": 7, "failed": 1}


def killed_then_an_hour(begin: Begin, described: Scenario, mode: str) -> Run:
    """Run 12 tasks of which worker1 holds two when it is killed; once all else is done, skip."""
    with begin(described) as session:
        session.wait_for(OnEvent(event="worker_exited", worker="worker1"))
        # Alone, worker2 finishes all that is not in the dead worker's hands.
        session.wait_for(OnEvent(event="succeeded", nth=8 if mode == "early" else 10))
        assert session.wait(0.5) == "timeout"
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    return run


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_killed_worker_then_an_hour(begin: Begin, mode: str) -> None:
    """Early ack loses what ran; late ack loses nothing, and all comes back after the timeout."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        loads=[burst(12)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
    )
    run = killed_then_an_hour(begin, described, mode)
    n_lost = 2 if mode == "early" else 0
    expected = {"done once": 12 - n_lost} | ({"lost": n_lost} if n_lost else {})
    assert verdicts(run) == expected
    assert len(run.of_kind("restored")) == 2
    assert sum(count - 1 for count in executions(run).values()) == (0 if mode == "early" else 2)


def test_without_the_hour_a_dead_workers_messages_stay(begin: Begin) -> None:
    """acks_late + a killed worker: nothing comes back before the visibility timeout."""
    described = scenario(
        tasks=[task(service_s=0.5, acks_late=True)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
        horizon_s=1.0,
        deadline_s=4.0,
    )
    with begin(described) as session:
        assert session.wait() == "deadline"
    run = session.close()
    assert_laws(run)
    stuck = audit(run).of("stuck")
    assert len(stuck) == 2
    assert all("unacked of worker1 (dead)" in task.where for task in stuck)


def test_a_restarted_worker_brings_nothing_back(begin: Begin) -> None:
    """start_worker after a kill: new work is done, the old messages still wait."""
    described = scenario(
        tasks=[task(service_s=0.5, acks_late=True)],
        loads=[burst(6)],
        faults=[
            {"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)},
            {
                "kind": "start_worker",
                "worker": "worker1",
                "when": {"on": "event", "event": "worker_exited", "after_s": 0.2},
            },
        ],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="succeeded", nth=4))
        session.controls.submit("job", 8)
        session.wait_for(OnEvent(event="succeeded", nth=12))
        run_so_far = [e for e in session.events_since(0) if e.kind == "restored"]
        assert run_so_far == []
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 14}
    assert len(run.of_kind("restored")) == 2


@pytest.mark.parametrize("mode", ACK_MODES)
def test_a_terminated_worker_finishes_and_gives_back(begin: Begin, mode: str) -> None:
    """SIGTERM: what runs is finished, what is prefetched goes back, nothing runs twice."""
    described = scenario(
        tasks=[task(service_s=0.6, **ACK_MODES[mode])],
        loads=[burst(12)],
        faults=[{"kind": "terminate_worker", "worker": "worker1", "when": on_start(2)}],
    )
    run = finish(begin, described)
    assert verdicts(run) == {"done once": 12}
    assert set(executions(run).values()) == {1}
    assert len(run.of_kind("restored")) == (2 if mode == "early" else 0)


def test_a_noop_changes_nothing(begin: Begin) -> None:
    """The template of a fault has no effect."""
    run = finish(begin, scenario(faults=[{"kind": "noop", "when": {"on": "time", "at_s": 0.1}}]))
    assert verdicts(run) == {"done once": 8}


def test_verbs_fire_at_a_time_and_on_an_event(begin: Begin) -> None:
    """Every verb takes ``when``; a submit on an event runs after that event."""
    with begin(scenario(loads=[burst(1)])) as session:
        when = OnEvent(event="succeeded", nth=1, after_s=0.1)
        assert session.controls.submit("job", 2, when=when) == []
        session.wait_for(OnEvent(event="succeeded", nth=3))
    run = session.close()
    sent = [e.t_s for e in run.of_kind("sent")]
    assert sent[1] >= run.of_kind("succeeded")[0].t_s + 0.1
    assert_laws(run)
