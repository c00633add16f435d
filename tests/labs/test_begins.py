"""In which order tasks are begun, and how many in each second: on records made by hand."""

from __future__ import annotations

import doctest

import pytest

from sandbox import Run, Scenario, TaskType, WorkerPool
from sandbox.errors import LabError
from sandbox.labs import begins
from sandbox.labs.checks import NotYet
from sandbox.run import Event

TWO = Scenario(
    name="two",
    tasks=(TaskType(name="slow", priority=9), TaskType(name="quick")),
    workers=(WorkerPool(),),
    horizon_s=1.0,
)
BEGUN = (("slow/0", 0.1), ("slow/1", 1.0), ("quick/0", 1.4), ("slow/2", 2.9), ("slow/3", 3.1))


def two(*events: tuple[str, float]) -> Run:
    return Run(TWO, tuple(Event(t_s, "started", task) for task, t_s in events or BEGUN))


def test_the_example_runs() -> None:
    found = doctest.testmod(begins)
    assert (found.attempted > 0, found.failed) == (True, 0)


def test_tasks_are_told_in_the_order_in_which_they_were_begun() -> None:
    table = begins.order(two())
    assert list(table.index) == [task for task, _ in BEGUN]
    assert list(table["place"]) == [1, 2, 3, 4, 5]
    assert list(table["priority"]) == [9, 9, 0, 9, 9]


def test_what_was_begun_before_another_type() -> None:
    assert begins.n_before(two(), "slow", "quick") == 2
    assert begins.n_before(two(), "quick", "slow") == 0


def test_each_begin_is_in_one_second() -> None:
    """Law: the seconds add up to the begins, and a second without one is there, too."""
    found = begins.in_each_second(two(), "slow")
    assert found == {0: 1, 1: 1, 2: 0, 3: 2}
    assert list(begins.each_second(two(), "slow")["one # each"]) == ["#", "#", "", "##"]


def test_nothing_begun_is_no_second() -> None:
    assert begins.in_each_second(two(("slow/0", 0.1)), "quick") == {}


def test_a_type_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(LabError, match=r"no task type 'quik'; allowed: .*'quick'"):
        begins.begun(two(), "quik")
    with pytest.raises(LabError, match="no 'quick' was begun"):
        begins.n_before(two(("slow/0", 0.1)), "slow", "quick")


def test_a_stub_gives_one_again() -> None:
    given = (begins.order(NotYet()), begins.before(..., "slow", "quick"))  # type: ignore[arg-type]
    assert all(isinstance(one, NotYet) for one in given)
    assert isinstance(begins.each_second(..., "slow"), NotYet)  # type: ignore[arg-type]
