"""A system's own front door in a live run: the laws of tests/test_conformance_front.py hold.

FastAPI and uvicorn stand between the visitors and the work; what they see is what they see at the
plain door, and in the model.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner

from sandbox import workbench
from sandbox.cli import main
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.service.load import FIGURES, figures
from sandbox.visits import visits
from tests.conftest import real_redis
from tests.test_conformance import CLOCK_S, assert_laws, scenario, task, verdicts
from tests.waiting import until

BROKERS = ["fake", pytest.param("redis", marks=pytest.mark.redis)]
Live = Callable[[Scenario], Run]


def door(mode: str, n: int = 6, **more: Any) -> dict[str, Any]:
    requests = {"kind": "burst", "task": "job", "n": n}
    return {"requests": requests, "mode": mode, "app": "tests.doors:DOOR"} | more


def described(service_s: float, mode: str, n: int, p_failure: float = 0.0, **more: Any) -> Scenario:
    jobs = [task(service_s=service_s, p_failure=p_failure)]
    return scenario(tasks=jobs, loads=[], front_door=door(mode, n, **more))


@pytest.fixture(params=BROKERS)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Live:
    """Return a function that runs a scenario on real workers to its end."""
    return partial(_live, real_redis() if request.param == "redis" else "fake", tmp_path)


def _live(broker: str, runs: Path, what: Scenario) -> Run:
    run = workbench.run(what, broker=broker, runs=runs)
    assert run.info["ended"] == "drained"
    assert_laws(run)
    return run


def modelled(what: Scenario) -> Run:
    return workbench.run(what, engine="model", overheads=Overheads())


# --- visitors -----------------------------------------------------------------------------------


@pytest.mark.live
def test_a_sync_door_is_n_servers(live: Live) -> None:
    """Six requests at once, two web workers: three rounds, no task, every visitor answered."""
    run = live(described(0.3, "sync", 6, n_web_workers=2))
    seen = visits(run)
    assert (seen.n_requests, seen.outcomes, seen.n_polls) == (6, {"done": 6}, 0)
    assert verdicts(run) == {}
    assert seen.latencies_s[0] >= 0.3 - CLOCK_S
    assert seen.latencies_s[-1] >= 3 * 0.3 - CLOCK_S


@pytest.mark.live
def test_an_async_door_answers_through_polls(live: Live) -> None:
    """Request n is task n: the very tasks fail that the model says; each visitor sees which."""
    what = described(0.05, "async", 8, p_failure=0.5, poll_every_s=0.3)
    run, expected = live(what), modelled(what)
    assert verdicts(run) == verdicts(expected)
    assert visits(run).outcomes == visits(expected).outcomes
    assert set(visits(run).outcomes) == {"done", "failed"}
    failed = {event.task for event in run.of_kind("failed")}
    assert failed == {event.task for event in expected.of_kind("failed")}
    assert len(run.of_kind("accepted")) == 8
    assert visits(run).latencies_s[0] >= 0.3 - CLOCK_S


@pytest.mark.live
def test_a_full_door_refuses_and_fails_as_drawn(tmp_path: Path) -> None:
    """One web worker and two places to wait: three are let in and fail, three are refused."""
    full = described(0.4, "sync", 6, p_failure=1.0, n_web_workers=1, most_waiting=2)
    assert visits(_live("fake", tmp_path, full)).outcomes == {"failed": 3, "refused": 3}


@pytest.mark.live
def test_a_visitor_who_gives_up_spares_no_work(tmp_path: Path) -> None:
    """The first of two leaves nothing to the second: the door works on for those who have gone."""
    run = _live("fake", tmp_path, described(1.0, "sync", 2, n_web_workers=1, timeout_s=1.6))
    assert visits(run).outcomes == {"done": 1, "timed out": 1}


# --- load ---------------------------------------------------------------------------------------


def test_a_queue_makes_the_answer_quick_and_the_work_no_quicker() -> None:
    """Time to response against time to done, in the model: the same work takes as long."""
    before = figures(modelled(described(0.5, "sync", 6, n_web_workers=4)))
    after = figures(modelled(described(0.5, "async", 6, n_web_workers=4, poll_every_s=0.2)))
    assert set(before) == set(after) == set(FIGURES)
    assert before["time_to_response_p50"] == before["time_to_done_p50"] >= 0.5
    assert after["time_to_response_p95"] < 0.1
    assert after["time_to_done_p50"] >= before["time_to_done_p50"]
    assert after["time_to_known_p95"] >= after["time_to_done_p95"]
    assert (before["polls_per_s"], after["polls_per_s"] > 1) == (0, True)


def test_load_names_a_system_without_the_two_sides() -> None:
    """LeadLawk as it stands has no synchronous side: one sentence, status 2."""
    done = CliRunner().invoke(main, ["load", "dashboard:nothing"])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)


# --- serve --------------------------------------------------------------------------------------


class Opened:
    """``sandbox serve dashboard`` in a process of its own, and what it printed."""

    def __init__(self, runs: Path) -> None:
        command = [sys.executable, "-m", "sandbox", "serve", "dashboard", "--broker", "fake"]
        self.process = subprocess.Popen(
            [*command, "--runs", str(runs)],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().strip() for _ in range(6)]
        self.url, self.token = (line.partition(": ")[2] for line in lines[:2])
        self.curls = lines[2:5]
        self.below = psutil.Process(self.process.pid).children(recursive=True)

    def is_gone(self) -> bool:
        """Whether nothing that it had started is left."""
        alive = [one for one in self.below if one.is_running()]
        return not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_served_works_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    """Its own first curl line is accepted; then it is ended, or killed, and all with it."""
    door = Opened(tmp_path)
    assert len(door.below) >= 6
    asked = subprocess.run(door.curls[0], shell=True, capture_output=True, text=True, check=True)
    assert '"task_id":"app.tasks.process_event_async~0"' in asked.stdout
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        httpx.get(f"{door.url}/health").raise_for_status()
    door.process.send_signal(number)
    assert door.process.wait(30) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    until("all of its processes are gone", door.is_gone)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{door.url}/health")
