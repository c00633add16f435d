"""Whether workers keep up with a load, as a verdict that a real run gives as surely as the model."""

from __future__ import annotations

import pytest

from sandbox import Deterministic, Scenario, TaskType, Trace, WorkerPool, workbench
from sandbox.labs.checks import NotYet
from sandbox.labs.pace import n_waiting, pace


@pytest.mark.parametrize(
    ("n_workers", "processes", "waiting", "verdict"),
    [(1, 2, 16, "falls behind"), (1, 3, 8, "falls behind"), (1, 6, 1, "keeps up"),
     (3, 2, 1, "keeps up")],
)  # fmt: skip
def test_eight_tasks_a_second_of_half_a_second_keep_four_processes_busy(
    n_workers: int, processes: int, waiting: int, verdict: str
) -> None:
    rush = Scenario(
        name="rush",
        tasks=(TaskType(name="photo", service=Deterministic(value_s=0.5)),),
        workers=(WorkerPool(n_workers=n_workers, concurrency=processes),),
        loads=(Trace(task="photo", at_s=tuple(i / 8 for i in range(32))),),
        horizon_s=5.0,
    )
    run = workbench.run(rush, engine="model")
    assert (n_waiting(run), str(pace(run))) == (waiting, verdict)


def test_a_stub_has_no_pace_yet() -> None:
    assert isinstance(pace(NotYet()), NotYet)  # type: ignore[arg-type]
