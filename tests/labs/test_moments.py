"""Where tasks are at one moment, what Celery answers for them, and what a lab's cells are told."""

from __future__ import annotations

import pytest

from sandbox import Burst, Deterministic, Run, Scenario, TaskType, WorkerPool, lab, workbench
from sandbox.errors import LabError
from sandbox.labs import kernel, moments
from sandbox.loads import Chord

PLACES_AT_HALF = {
    False: {"running, no message left": 2, "in unacked, not begun": 8, "in a queue": 4},
    True: {"in unacked and running": 2, "in unacked, not begun": 6, "in a queue": 6},
}


def fourteen(**more: bool) -> Run:
    """Run fourteen tasks of a second on two processes, in the model."""
    task = TaskType(name="mail", service=Deterministic(value_s=1.0), **more)  # type: ignore[arg-type]
    one = Scenario(
        name="fourteen", tasks=(task,), workers=(WorkerPool(concurrency=2),),
        loads=(Burst(task="mail", n=14),), horizon_s=10.0,
    )  # fmt: skip
    return workbench.run(one, engine="model")


@pytest.mark.parametrize("late", [False, True])
def test_the_places_of_a_moment(late: bool) -> None:
    found = moments.found_at(fourteen(acks_late=late), 0.5)
    assert {place: n for place, n in found.items() if n} == PLACES_AT_HALF[late]


def test_each_task_is_at_one_place() -> None:
    """Law: at every moment of a run the places add up to what was sent."""
    run = fourteen()
    assert all(sum(moments.found_at(run, t / 3).values()) == 14 for t in range(1, 24))
    assert moments.found_at(run, 100.0)["ended"] == 14


def test_celery_says_pending_until_a_result_is_stored() -> None:
    run = fourteen()
    asks = ["mail/0", "mail/13", "mail/99", "other/0"]
    assert list(moments.states_of(run, asks, 1.5).values()) == ["SUCCESS", *["PENDING"] * 3]
    assert moments.n_in("SUCCESS", run, asks) == 2
    assert moments.n_in("PENDING", fourteen(ignore_result=True), asks) == 4


def test_celery_says_failure_for_the_body_of_a_chord_that_failed() -> None:
    """Nobody begins it, and no worker reports it: the chord itself writes it."""
    job = TaskType(name="job", p_failure=1.0)
    one = Scenario(
        name="one", tasks=(job, TaskType(name="body")), workers=(WorkerPool(),),
        loads=(Chord(task="job", n=2, body="body"),), horizon_s=1.0,
    )  # fmt: skip
    run = workbench.run(one, engine="model")
    assert moments.states_of(run, ["body/0"]) == {"body/0": "FAILURE"}


def test_nobody_knows_what_was_not_asked_while_real_workers_ran() -> None:
    run = fourteen()
    live = Run(run.scenario, run.events, {"engine": "live"})
    with pytest.raises(LabError, match="nobody asked for \\['mail/0'\\] then"):
        moments.states_of(live, ["mail/0"])


def test_a_journey_names_the_tasks_that_there_are() -> None:
    assert list(moments.journey(fourteen(), "mail/13").index)[-1] == "succeeded"
    with pytest.raises(LabError, match="did you mean"):
        moments.journey(fourteen(), "mial/13")


@pytest.mark.parametrize("value", [5, "mails", WorkerPool()])
def test_what_is_no_scenario_is_a_sentence(value: object) -> None:
    with pytest.raises(LabError, match="allowed: a Scenario"):
        lab.model(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NameError("name 'few' is not defined", name="few"),
         "name 'few' is not defined: see the cell above that sets it\n"),
        (NameError("name 'lab' is not defined", name="lab"),
         "name 'lab' is not defined: run the notebook's first cells, from the top; "
         "lab.lesson(…) is one of them\n"),
        (KeyboardInterrupt(),
         "interrupted: what ran in this cell is ended; run it again, or lab.reset()\n"),
        (LabError("there is no hint 4"), "there is no hint 4\n"),
        (ZeroDivisionError("division by\nzero"), "ZeroDivisionError: division by zero\n"),
    ],
)  # fmt: skip
def test_an_error_in_a_cell_is_a_sentence(
    error: BaseException, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel._told(None, type(error), error, None)
    assert capsys.readouterr().err == says
