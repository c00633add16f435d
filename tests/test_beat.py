"""A real ``celery beat`` runs an app's own beat_schedule, and the model says what comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.engines import Session
from sandbox.engines.live import start
from sandbox.engines.live.stage import Stage
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import EngineError
from sandbox.faults import At
from sandbox.loads import Trace
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems._deriving import derived
from tests.conftest import Begin
from tests.own_app import EVERY_S
from tests.test_live import group_of
from tests.waiting import comes_true, until

HORIZON_S = 3.9 * EVERY_S
N_EACH = 3


def described(service_s: float = 0.02, **beside: Any) -> Scenario:
    """Return the app's scenario: one worker of six processes, and its beat."""
    work = {"service": {"kind": "deterministic", "value_s": service_s}}
    return derived(
        "tests.own_app:app",
        "own-beat",
        ["celery -A own worker -c 6", "celery -A own beat"],
        tasks={"tick": work, "fresh": work},
        horizon_s=HORIZON_S,
        **beside,
    )


def published(run: Run) -> list[str]:
    """Return the keys of all that has been published, sorted."""
    return sorted(str(event.task) for event in run.of_kind("published"))


def test_beat_publishes_what_the_model_says(begin: Begin) -> None:
    """The same keys on every engine, with a load of one of its types and with a second beat."""
    twice = [{"kind": "start_beat", "when": {"on": "time", "at_s": 0.1}}]
    loads = [Trace(task="tick", at_s=[0.1, 1.2])]
    scenario = described(loads=loads, faults=twice)
    with begin(scenario) as session:
        assert session.wait() == "drained"
    run = session.close()
    with workbench.start(scenario, engine="model") as model:
        model.wait()
    assert published(run) == published(model.close())
    assert len(published(run)) == 2 + 2 * 2 * N_EACH
    assert len(run.of_kind("succeeded")) == 2 + 2 * 2 * N_EACH


def test_without_expires_the_backlog_fires_at_once_when_workers_return(begin: Begin) -> None:
    """Without it all that beat has published meanwhile runs side by side; with it, none does."""
    with begin(described(0.5)) as session:
        session.controls.kill_worker("worker1")
        session.controls.start_worker("worker1", when=At(at_s=HORIZON_S + EVERY_S))
        assert session.wait() == "drained"
    run = session.close()
    late = [event for event in run.of_kind("started", "succeeded") if event.t_s > 0]
    assert [event.kind for event in late] == ["started"] * N_EACH + ["succeeded"] * N_EACH
    assert {str(event.task) for event in late} == {f"tick/{n}" for n in range(N_EACH)}
    revoked = {(event.task, (event.detail or {})["reason"]) for event in run.of_kind("revoked")}
    assert revoked == {(f"fresh/{n}", "expired") for n in range(N_EACH)}


def _pids(session: Session) -> dict[str, int]:
    return {name: pid for name, pid in Stage.pids(session).items() if name.startswith("beat")}


@pytest.mark.live
def test_a_beat_that_ends_is_missed_and_none_outlives_the_session(tmp_path: Path) -> None:
    """Each beat is a process of the session: who kills one ends the run, and close ends all."""
    with start(described(), broker="fake", runs=tmp_path) as session:
        group = session._processes.pid
        session.controls.start_beat()
        assert sorted(_pids(session)) == ["beat", "beat2"]
        os.kill(_pids(session)["beat2"], signal.SIGKILL)
        with pytest.raises(EngineError, match="the beat2 process ended"):
            session.wait()
    assert comes_true(lambda: not group_of(group), 5.0)
    assert not list(session.folder.rglob("*schedule*")), "beat keeps no file"


_HOLD = """
import sys
from sandbox.engines.live import start
from sandbox.scenario import Scenario
session = start(Scenario.from_file(sys.argv[1]), broker="fake", runs=sys.argv[2])
session.controls.start_beat()
pids = session._processes.order("pids")
print(session._processes.pid, pids["beat"], pids["beat2"], flush=True)
sys.stdin.read()
"""


@pytest.mark.live
def test_a_killed_owner_takes_its_beats_along(tmp_path: Path) -> None:
    """SIGKILL to the process that holds the session: both beats go with the group."""
    (tmp_path / "own.json").write_text(described().to_json())
    owner = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "own.json"), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
    )
    assert owner.stdout is not None
    group, *beats = map(int, owner.stdout.readline().split())
    assert len(beats) == 2
    assert set(beats) <= {process.pid for process in group_of(group)}
    owner.kill()
    owner.communicate()
    until("all are gone", lambda: not group_of(group))
