"""Conformance: the front door, with and without a queue behind it."""

from __future__ import annotations

from typing import Any

from proof.rows import ROWS
from sandbox.visits import visits
from tests.conftest import Begin
from tests.test_conformance import CLOCK_S, finish, scenario, task, verdicts


def door(mode: str, n: int = 6, **more: Any) -> dict[str, Any]:
    return {"requests": {"kind": "burst", "task": "job", "n": n}, "mode": mode} | more


def test_a_sync_door_is_n_servers(begin: Begin) -> None:
    """Six requests at once, two web workers: three rounds, no task, every visitor answered."""
    run = finish(begin, ROWS["two web workers that do it themselves"].scenario)
    seen = visits(run)
    assert (seen.n_requests, seen.outcomes, seen.n_polls) == (6, {"done": 6}, 0)
    assert verdicts(run) == {}
    assert seen.latencies_s[0] >= 0.4 - CLOCK_S
    assert seen.latencies_s[-1] >= 3 * 0.4 - CLOCK_S


def test_a_sync_door_fails_and_refuses(begin: Begin) -> None:
    """One web worker and two places to wait: three are let in and fail, three are refused."""
    run = finish(begin, ROWS["a door that is full"].scenario)
    assert visits(run).outcomes == {"failed": 3, "refused": 3}


def test_a_visitor_who_gives_up_spares_no_work(begin: Begin) -> None:
    """Timeouts: the door works on, so later visitors wait for work that nobody wants."""
    run = finish(begin, ROWS["visitors give up, the door works on"].scenario)
    assert visits(run).outcomes == {"done": 1, "timed out": 3}


def test_an_async_door_answers_through_polls(begin: Begin) -> None:
    """202 at once, the work on the workers, the result seen at a poll: each task once."""
    described = scenario(loads=[], front_door=door("async", poll_every_s=0.5))
    run = finish(begin, described)
    seen = visits(run)
    assert verdicts(run) == {"done once": 6}
    assert len(run.of_kind("accepted")) == 6
    assert seen.outcomes == {"done": 6}
    assert seen.n_polls >= 6
    assert seen.latencies_s[0] >= 0.5 - CLOCK_S


def test_an_async_door_tells_of_failures(begin: Begin) -> None:
    """A failed task is a final state like any: the visitor sees FAILURE."""
    described = scenario(
        tasks=[task(service_s=0.1, p_failure=1.0)],
        loads=[],
        front_door=door("async", 2, poll_every_s=0.3),
    )
    run = finish(begin, described)
    assert verdicts(run) == {"failed": 2}
    assert visits(run).outcomes == {"failed": 2}
