"""Where real workers cannot do what a lab asks, its checks say whose run they judged."""

from __future__ import annotations

import pytest

from sandbox import Broker, Burst, Deterministic, Run, Scenario, TaskType, WorkerPool, lab
from sandbox.errors import LabError
from sandbox.labs import stand_in, waits
from sandbox.labs.checks import NotYet


def five(**more: object) -> Scenario:
    """Return five tasks of a second on one process."""
    return Scenario(
        name="five", tasks=(TaskType(name="hi", service=Deterministic(value_s=1.0)),),
        workers=(WorkerPool(),), loads=(Burst(task="hi", n=5),), horizon_s=1.0, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_the_fake_cannot_do_is_done_by_the_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "BROKER", "fake")
    run = lab.run_or_model(five(broker=Broker(persistence="aof")))
    assert "broker.persistence is 'aof'" in capsys.readouterr().out
    assert stand_in.who(run) == "the model's run"
    assert isinstance(lab.measured(5, run), NotYet)
    assert lab.number("done", run) == 5


def test_what_real_workers_ran_is_measured() -> None:
    model = lab.model(five())
    live = Run(model.scenario, model.events, {"engine": "live"})
    assert lab.measured(5, live) == 5
    assert stand_in.who(live) == "the run of real workers"


def test_a_stub_stays_one() -> None:
    assert isinstance(lab.run_or_model(...), NotYet)  # type: ignore[arg-type]
    assert isinstance(lab.measured(5, NotYet()), NotYet)  # type: ignore[arg-type]
    assert isinstance(lab.n_raised(NotYet()), NotYet)  # type: ignore[arg-type]
    assert isinstance(lab.in_time(NotYet(), 1.0), NotYet)  # type: ignore[arg-type]
    assert list(NotYet()) == []
    with pytest.raises(LabError, match="allowed: a Scenario"):
        lab.run_or_model("five")  # type: ignore[arg-type]


def test_who_begins_in_time() -> None:
    """One process, a second each: they begin after 0, 1, 2, 3 and 4 seconds."""
    run = lab.model(five())
    assert waits.began(run, 2.5) == (3, 2)
    assert lab.in_time(run, 10.0) == 5
