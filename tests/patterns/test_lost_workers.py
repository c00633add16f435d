"""Law of bounded starts when a whole worker dies: its messages come back, and are counted too."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.engines.live import start
from sandbox.engines.live.stage import Stage
from sandbox.faults import OnEvent
from sandbox.scenario import Scenario
from tests.conftest import real_redis
from tests.own_app import RUNS
from tests.waiting import until

pytestmark = pytest.mark.live


@pytest.mark.parametrize("kind", ["fake", pytest.param("redis", marks=pytest.mark.redis)])
def test_a_task_whose_whole_worker_dies_each_time_is_given_up(kind: str, tmp_path: Path) -> None:
    """Nobody rejects its message: the visibility timeout brings it back; the count survives."""
    broker = real_redis() if kind == "redis" else kind
    task = {
        "name": "doomed",
        "acks_late": True,
        "reject_on_worker_lost": True,
        "service": {"kind": "deterministic", "value_s": 30.0},
    }
    scenario = Scenario(
        name="lost-workers",
        app="tests.own_app:app",
        tasks=[task],
        workers=[{"concurrency": 1}],
        loads=[{"kind": "burst", "task": "doomed", "n": 1}],
        horizon_s=1.0,
        deadline_s=60.0,
    )
    with start(scenario, broker=broker, runs=tmp_path) as session:
        for nth in (1, 2):
            session.wait_for(OnEvent(event="started", nth=nth))
            until("its body runs", lambda: Stage.redis(session).get(RUNS) == b"%d" % nth)  # noqa: B023
            session.controls.kill_worker("worker1")
            session.controls.start_worker("worker1")
            session.controls.skip(4000.0)
        assert session.wait() == "drained"
        runs = Stage.redis(session).get(RUNS)
    run = session.close()
    assert runs == b"2"
    [failed] = run.of_kind("failed")
    assert (failed.detail or {})["error"].startswith("LostTooOften: doomed/0 was started 2 times")
    assert len(run.of_kind("restored")) == 2
