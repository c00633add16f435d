"""The laws on real workers: two schedules in the suite, dozens in ``make property``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.conftest import real_redis
from tests.property.harness import Tally, hold
from tests.property.test_found import after, job

QUICK_SWEEPS = {
    "visibility_timeout_s": 2.0,
    "unacked_restore_interval_s": 0.5,
    "unacked_restore_throttle": 1,
}
SCHEDULES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "reject": (
        {"acks_late": True, "reject_on_worker_lost": True},
        [
            {"kind": "kill_child", "worker": "worker1", "when": after("started", worker="worker1")},
            {"kind": "drop_connections", "when": after("succeeded", 2)},
        ],
    ),
    "early": (
        {},
        [
            {
                "kind": "kill_worker",
                "worker": "worker1",
                "when": after("started", after_s=0.1, worker="worker1"),
                "back_after_s": 0.5,
            },
            {"kind": "skip", "seconds": 3600.0, "when": after("succeeded", 3)},
        ],
    ),
}


@pytest.mark.live
@pytest.mark.parametrize(("mode", "broker"), [("reject", "fake"), ("early", "auto")])
def test_no_law_is_broken_on_real_workers(mode: str, broker: str, tmp_path: Path) -> None:
    """The same laws as on the model, from the same kind of evidence."""
    options, faults = SCHEDULES[mode]
    described = Scenario(
        name="live",
        tasks=[job(0.3, **options)],
        workers=[{"n_workers": 2, "prefetch_multiplier": 1}],
        loads=[{"kind": "burst", "task": "job", "n": 6}],
        broker=QUICK_SWEEPS,
        faults=faults,
        horizon_s=2.0,
        deadline_s=20.0,
    )

    def engine(scenario: Scenario) -> Run:
        chosen = real_redis() if broker == "auto" else broker
        return workbench.run(scenario, engine="live", broker=chosen, runs=tmp_path / "runs")

    seen = Tally()
    assert hold(described, engine, tally=seen, folder=tmp_path / "finding") is not None, seen
    assert sum(seen.verdicts.values()) == 6
    assert sum(seen.kinds.values()) == 2
