"""Conformance: what tasks that call a dependency make of it, equal in the model and on workers.

A dependency is the sandbox's own in both engines; its callers are not: a failed call is an
exception in a real task, with a real retry.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sandbox.calls import calls
from sandbox.faults import OnEvent
from sandbox.run import Run
from tests.conftest import Begin
from tests.test_conformance import (
    CLOCK_S,
    HOUR_S,
    assert_laws,
    burst,
    executions,
    finish,
    gaps_between_attempts,
    on_start,
    scenario,
    task,
    verdicts,
)


def calling(call_s: float = 0.2, timeout_s: float | None = None, **more: Any) -> dict[str, Any]:
    """Return a task type whose work is its call."""
    served = {"kind": "deterministic", "value_s": call_s}
    call = {"dependency": "db", "service": served, "timeout_s": timeout_s}
    return task(service_s=0.05, calls=call, **more)


def db(capacity: int = 1, *outages: tuple[float, float, str]) -> list[dict[str, Any]]:
    named = [{"from_s": a, "to_s": b, "how": how} for a, b, how in outages]
    return [{"name": "db", "capacity": capacity, "outages": named}]


def outcomes(run: Run) -> Counter[str]:
    return calls(run)["db"].outcomes


def test_a_full_dependency_has_its_callers_wait(begin: Begin) -> None:
    """Four slots, two places: never more than two calls at once, and all are served."""
    run = finish(begin, scenario(tasks=[calling()], dependencies=db(2)))
    assert verdicts(run) == {"done once": 8}
    assert outcomes(run) == {"served": 8}
    assert calls(run)["db"].most_at_once == 2
    assert calls(run)["db"].busy_s >= 8 * 0.2 - CLOCK_S
    ends = [event.t_s for event in run.of_kind("succeeded")]
    assert max(ends) - run.of_kind("started")[0].t_s >= 4 * 0.2 + 0.05 - CLOCK_S


def test_a_failed_call_fails_its_attempt(begin: Begin) -> None:
    """An outage without retries: each attempt is one call, refused, and FAILURE."""
    described = scenario(tasks=[calling()], dependencies=db(4, (0.0, 60.0, "fail")))
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 8}
    assert outcomes(run) == {"refused": 8}
    assert {event.detail["error"].split(":")[0] for event in run.of_kind("failed")} == {
        "CallFailed"
    }


def test_a_backoff_shorter_than_the_outage_burns_all_retries(begin: Begin) -> None:
    """T4: max_retries attempts within the outage, all refused; nothing is left for its end."""
    policy = {"kind": "self", "max_retries": 3, "countdown_s": 0.2}
    described = scenario(
        tasks=[calling(retries=[policy])],
        dependencies=db(4, (0.0, 60.0, "fail")),
        loads=[burst(2)],
    )
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 2}
    assert executions(run) == {"job/0": 4, "job/1": 4}
    assert outcomes(run) == {"refused": 8}


def test_a_backoff_longer_than_the_outage_survives_it(begin: Begin) -> None:
    """The fault begins and ends an outage; the retry after it is served."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 1.0}
    fault = {
        "kind": "fail_dependency",
        "dependency": "db",
        "for_s": 0.7,
        "when": on_start(1, 0.1, worker=None),
    }
    described = scenario(
        tasks=[calling(0.4, retries=[policy])],
        dependencies=db(4),
        loads=[burst(3)],
        workers=[{"concurrency": 4}],
        faults=[fault],
    )
    run = finish(begin, described)
    assert verdicts(run) == {"done once": 3}
    assert executions(run) == {f"job/{n}": 2 for n in range(3)}
    assert outcomes(run) == {"refused": 3, "served": 3}
    assert [event.kind for event in run.of_kind("dependency_down", "dependency_up")] == [
        "dependency_down",
        "dependency_up",
    ]


def test_a_hanging_dependency_is_left_at_the_timeout(begin: Begin) -> None:
    """Hang: no call begins, none is refused; each caller gives up after its own timeout."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.2}
    described = scenario(
        tasks=[calling(timeout_s=0.4, retries=[policy])],
        dependencies=db(4, (0.0, 60.0, "hang")),
        loads=[burst(2)],
    )
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 2}
    assert outcomes(run) == {"left": 4}
    assert not run.of_kind("call_started")
    assert {event.detail["error"].split(":")[0] for event in run.of_kind("failed")} == {
        "CallTimedOut"
    }
    for gap in gaps_between_attempts(run, "job/0", 0.05 + 0.4):
        assert gap >= 0.2 - CLOCK_S


def test_a_timed_out_call_is_served_to_nobody(begin: Begin) -> None:
    """T11: callers give up, the dependency works on; retries queue behind wasted work."""
    policy = {"kind": "self", "max_retries": 1, "countdown_s": 0.0}
    described = scenario(
        tasks=[calling(1.5, timeout_s=0.5, retries=[policy])],
        dependencies=db(1),
        loads=[burst(1)],
        workers=[{"concurrency": 1}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="failed"))
        session.wait()
    run = session.close()
    assert_laws(run)
    assert executions(run) == {"job/0": 2}
    assert verdicts(run) == {"failed": 1}
    # The first attempt's service still holds the only place, so the second never began.
    assert len(run.of_kind("call_started")) == 1
    assert outcomes(run) == {"left": 1}


def test_a_slow_dependency_lengthens_attempts(begin: Begin) -> None:
    """slow_dependency: what begins afterwards takes so many times as long, until factor 1."""
    described = scenario(tasks=[calling(0.2)], dependencies=db(1), loads=[])
    with begin(described) as session:
        for n, factor in enumerate((3.0, 1.0), start=1):
            session.controls.slow_dependency("db", factor)
            session.controls.submit("job")
            session.wait_for(OnEvent(event="succeeded", nth=n))
    run = session.close()
    begun = [event.t_s for event in run.of_kind("call_started")]
    ended = [event.t_s for event in run.of_kind("call_ended")]
    assert ended[0] - begun[0] >= 0.6 - CLOCK_S
    assert 0.2 - CLOCK_S <= ended[1] - begun[1] < ended[0] - begun[0]


def test_a_hard_limit_ends_an_attempt_in_its_call(begin: Begin) -> None:
    """time_limit counts the wait for a dependency: killed, FAILURE, and the caller has left."""
    described = scenario(
        tasks=[calling(timeout_s=None, time_limit_s=1.0)],
        dependencies=db(1, (0.0, 60.0, "hang")),
        loads=[burst(1)],
    )
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 1}
    assert outcomes(run) == {"left": 1}
    assert len(run.of_kind("child_lost")) == 1


def test_a_worker_killed_in_its_call_leaves_the_line(begin: Begin) -> None:
    """acks_late: the dead worker's callers hang up, and its tasks run again after the hour."""
    described = scenario(
        tasks=[calling(0.3, acks_late=True)],
        dependencies=db(4, (0.0, 1.0, "hang")),
        # Acknowledged late, four messages fill the four slots: two are worker1's.
        loads=[burst(4)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.4)}],
    )
    with begin(described) as session:
        session.wait_for(OnEvent(event="worker_exited", worker="worker1"))
        session.wait_for(OnEvent(event="succeeded", nth=2))
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert_laws(run)
    assert verdicts(run) == {"done once": 4}
    assert outcomes(run) == {"left": 2, "served": 4}
