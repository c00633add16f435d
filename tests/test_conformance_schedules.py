"""Conformance: named schedules, on each engine; what acks_late + reject keeps, they do not lose."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox import schedules, workbench
from sandbox.audit import audit
from sandbox.errors import ScenarioError
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.conftest import Begin, real_redis
from tests.test_conformance import ACK_MODES, assert_laws, burst, scenario, task

SWEEPS = {
    "visibility_timeout_s": 2.0,
    # A worker killed while it sweeps leaves the mutex of all sweeps for 300 s, and a broker that
    # has just become slow makes its sweep long: none is under way when these schedules begin.
    "unacked_restore_interval_s": 2.0,
    "unacked_restore_throttle": 1,
}


def loaded(name: str, **more: Any) -> Scenario:
    """Return a small system under load, broken by a schedule that begins at once.

    No task ends when the schedule begins: an acknowledgement that takes effect while its worker
    is killed is in no record, and a run whose record still misses one ends at its deadline.
    """
    fields: dict[str, Any] = {
        "tasks": [task(service_s=0.6, **ACK_MODES["reject"])],
        "workers": [{"n_workers": 2, "concurrency": 2, "prefetch_multiplier": 2}],
        "loads": [burst(10), burst(2, at_s=1.0)],
        "broker": SWEEPS,
        "deadline_s": 40.0,
        "seed": 2,  # with which what may strike does
    }
    described = scenario(**(fields | more))
    return described.but(faults=schedules.get(name)(described, 0.3))


def begin_on(broker: str | None, runs: Path) -> Begin:
    """Return what starts a scenario on real workers with this broker, or in the model."""
    if broker is None:
        return partial(workbench.start, engine="model", overheads=Overheads())
    return partial(workbench.start, broker=broker, runs=runs)


def run_of(begin: Begin, described: Scenario) -> Run:
    with begin(described) as session:
        outcome = session.wait()
    run = session.close()
    assert outcome == "drained", audit(run).summary()
    assert_laws(run)
    assert [e.detail for e in run.of_kind("control") if "error" in (e.detail or {})] == []
    return run


def verbs(run: Run) -> list[str]:
    return [(event.detail or {})["verb"] for event in run.of_kind("control")]


@pytest.mark.parametrize("name", sorted(set(schedules.SCHEDULES) - {"friday-deploy"}))
def test_a_schedule_loses_nothing_that_is_acknowledged_late(begin: Begin, name: str) -> None:
    """acks_late + reject_on_worker_lost: every task is done, perhaps twice, and has a verdict."""
    described = loaded(name)
    run = run_of(begin, described)
    counts = audit(run).counts()
    assert counts["done once"] + counts["done more than once"] == 12
    expected = {fault.inner.kind for i, fault in enumerate(described.faults)
                if fault.strikes(described.seed, i)}  # fmt: skip
    assert expected <= set(verbs(run))


@pytest.mark.parametrize(
    "broker", [None, pytest.param("fake", marks=pytest.mark.live)], ids=["model", "fake"]
)
def test_a_friday_deploy_is_workers_in_turn_and_then_the_broker(
    broker: str | None, tmp_path: Path
) -> None:
    """Without persistence only what was done before, or ran just then, is not lost."""
    brief = [task(service_s=0.2, **ACK_MODES["reject"])]
    described = loaded("friday-deploy", tasks=brief, workers=[{"concurrency": 2}], loads=[burst(4)])
    run = run_of(begin_on(broker, tmp_path), described)
    assert audit(run).counts()["done once"] == 4
    ready = [e.t_s for e in run.of_kind("worker_ready") if e.t_s > 0.1]
    (stopped,) = run.of_kind("broker_stopped")
    assert stopped.t_s >= ready[0] + 1.0
    assert verbs(run) == ["deploy", "terminate_worker", "start_worker", "stop_broker",
                          "start_broker"]  # fmt: skip


@pytest.mark.parametrize(
    "on_redis",
    [False, pytest.param(True, marks=[pytest.mark.live, pytest.mark.redis])],
    ids=["model", "redis"],
)
def test_a_friday_deploy_with_an_aof_loses_nothing(on_redis: bool, tmp_path: Path) -> None:
    """The broker restarts with its data: what nobody had taken yet is done as well."""
    described = loaded(
        "friday-deploy",
        tasks=[task(service_s=0.6, ignore_result=True, **ACK_MODES["reject"])],
        workers=[{"concurrency": 1, "prefetch_multiplier": 1}],
        loads=[burst(8)],
        broker=SWEEPS | {"persistence": "aof"},
    )
    run = run_of(begin_on(real_redis() if on_redis else None, tmp_path), described)
    assert run.of_kind("broker_stopped")[0].detail == {"keeps": True}
    assert audit(run).counts()["lost"] == audit(run).counts()["stuck"] == 0


def test_a_schedule_takes_its_workers_from_the_scenario() -> None:
    """The second half of five is two; a paused worker is the first; each gets its own name."""
    five = scenario(workers=[{"name": "w", "n_workers": 5}])
    outage = five.but(faults=schedules.zone_outage(five, at_s=3.0))
    assert [f.worker for f in outage.faults[1:]] == ["w4", "w5"]
    deploy = five.but(faults=schedules.friday_deploy(five, at_s=3.0))
    assert deploy.faults[1].when.worker == "w5"


def test_a_noisy_neighbour_slows_each_dependency_for_a_while() -> None:
    """Three times, then as before; a scenario without dependencies has none of it."""
    calling = scenario(
        tasks=[task(calls={"dependency": "db"})],
        dependencies=[{"name": "db"}],
    )
    slow = [f for f in schedules.noisy_neighbour(calling, 1.0) if f.kind == "slow_dependency"]
    assert [(f.when.at_s, f.factor) for f in slow] == [(1.0, 3.0), (4.0, 1.0)]


ONE = [{"concurrency": 2}]


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("zone-outage", {"workers": ONE}, r"^schedule zone-outage needs 2 workers or more"),
        ("bad-night", {"workers": [{"pool": "threads"}]}, r"^schedule bad-night needs a prefork"),
        ("good-night", {}, r"^schedule is 'good-night'; allowed: .*did you mean 'bad-night'"),
    ],
)
def test_a_schedule_without_a_meaning_is_refused(
    name: str, fields: dict[str, Any], says: str
) -> None:
    """In one sentence, before anything runs."""
    described = scenario(**fields)
    with pytest.raises(ScenarioError, match=says):
        schedules.get(name)(described, 1.0)


def test_every_schedule_says_what_it_is() -> None:
    """A line for the list, and names as a shell takes them."""
    for name, make in schedules.SCHEDULES.items():
        assert name.replace("-", "_") == make.__name__
        assert (make.__doc__ or "").partition("\n")[0].endswith(".")
