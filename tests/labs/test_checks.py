"""What a check answers, what is kept of it, what the room guesses: each on values made by hand."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from sandbox.errors import EngineError, LabError
from sandbox.labs import Finding, check, checks, guesses, kernel, lesson, progress, source
from sandbox.labs.checks import NotYet, answer, is_open
from sandbox.labs.guesses import guessed, histogram
from sandbox.labs.lesson import Lesson
from sandbox.labs.progress import FILE, Progress
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

ONE = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
WHOLE = """# %% tags=["lab"]
from sandbox.labs import Finding, Lab, check
LAB = Lab(title="t", question="q?", minutes=5, goals=("g",), hints=("1", "2", "3"),
          links={}, closing="c?", surprise="s")
@check("a")
def a(x): return Finding("1", str(x), x == 1, misconception="m")
@check("b")
def b(x): return Finding("1", str(x), x == 1)
@check("c")
def c(x): return Finding("1", str(x), x == 1)
# %% tags=["exercise"] name="one"
### BEGIN SOLUTION
x = 1
### END SOLUTION
# %% [markdown] tags=["solution"]
# because
# %% tags=["wrong"] of="one" check="a" says="m"
x = 2
# %% tags=["wrong"] of="one" check="a" says="m"
x = 3
"""


@check("there are two")
def two(n):
    return Finding("2", str(n), n == 2, where="row 1", misconception="counted once")


@check("an engine is there")
def engine(_):
    raise EngineError("the broker is gone")


@pytest.mark.parametrize("module", [checks, guesses, progress, source], ids=lambda m: m.__name__)
def test_the_examples_run(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert (found.attempted > 0, found.failed) == (True, 0)


# --- three answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (2, "right"), (3, "wrong"), ("two", "wrong"), (..., "not attempted"),
        (None, "not attempted"), (NotYet(), "not attempted"), (NotYet().of("lost"), "not attempted"),
    ],
)  # fmt: skip
def test_right_wrong_and_not_attempted_are_different_answers(given: object, status: str) -> None:
    assert answer(two, (given,)).status == status


def test_what_is_not_there_yet_can_be_looped_over() -> None:
    """A learner's loop over a run that was not made ends at once."""
    assert list(NotYet().attempts) == []


def test_a_wrong_answer_says_five_things() -> None:
    told = answer(two, (3,), lambda: "lab.hint(1)")
    assert str(told).splitlines() == [
        "✗ wrong: there are two",
        "  expected: 2",
        "  observed: 3",
        "  likely misconception: counted once",
        "  where to look: row 1",
        "  next: lab.hint(1)",
    ]


@pytest.mark.parametrize("why", ["the supervisor ended", "stopped"])
def test_a_run_that_broke_off_is_not_the_learner_s_fault(why: str) -> None:
    """Law: nothing is concluded from a run that has no end."""
    assert answer(two, (Run(ONE, (), {"ended": why}),)).status == "environment broken"
    assert answer(two, (Run(ONE, (), {"ended": "drained"}),)).status == "wrong"


def test_an_engine_that_fails_is_not_the_learner_s_fault() -> None:
    told = answer(engine, (1,))
    assert (told.status, dict(told.lines)["why"]) == ("environment broken", "the broker is gone")


@pytest.mark.parametrize("given", [object(), [], {}, ONE, "x" * 10_000])
def test_a_check_never_raises(given: object) -> None:
    @check("it reads an event")
    def first(run):
        return Finding("sent", run.events[0].kind, is_right=True)

    assert answer(first, (given,)).status == "wrong"


def test_html_is_escaped() -> None:
    assert "<script>" not in answer(two, ("<script>",))._repr_html_()


def test_what_is_made_of_a_stub_is_one() -> None:
    open_ = kernel.unless_open(lambda run: run.events, ...)
    assert is_open(open_)
    assert is_open(kernel.number("lost", open_))
    assert "your turn" in repr(kernel.counts(open_))


# --- the text ---------------------------------------------------------------------------------


def written(tmp_path: Path, text: str, name: str = "01_a.py") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_text_gives_a_lab(tmp_path: Path) -> None:
    one = Lesson.read(written(tmp_path, WHOLE))
    assert (one.name, set(one.checks), len(one.wrong)) == ("01-a", {"a", "b", "c"}, 2)
    assert "x = ...  # your turn" in [cell.body for cell in one.notebook("exercise")]
    assert not any("because" in cell.body for cell in one.notebook("exercise"))
    assert any("because" in cell.body for cell in one.notebook("solution"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('@check("c")\n', "", "3 checks, and it has 2"),
        ('("1", "2", "3")', '("1", "2")', "3 hints, and it has 2"),
        ('# %% tags=["wrong"] of="one" check="a" says="m"\nx = 3\n', "", "2 or 3 wrong answers"),
        ('check="a"', 'check="z"', "an exercise and a check for the wrong answer 'm'"),
        (' tags=["solution"]', "", "an answer to its closing question"),
        ("LAB = Lab(", "OTHER = Lab(", "must set LAB"),
    ],
)
def test_what_a_lab_lacks_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE
    with pytest.raises(LabError, match=says):
        Lesson.read(written(tmp_path, WHOLE.replace(old, new)))


def test_two_labs_with_one_number_fail_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("01_a.py", "01_b.py"):
        written(tmp_path, WHOLE, name)
    monkeypatch.setattr(lesson, "_FOLDERS", (tmp_path,))
    with pytest.raises(LabError, match="have one number"):
        lesson.all_lessons()


def test_an_unknown_lab_is_a_sentence() -> None:
    with pytest.raises(LabError, match="there is no lab '99'; allowed: "):
        lesson.get("99")


# --- what is kept -----------------------------------------------------------------------------


def test_a_check_and_a_hint_are_noted_in_the_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = kernel.lesson("03")
    assert "lab.hint(1)" in str(one.check("early_loses", 9, Run(ONE, (), {"ended": "drained"})))
    assert kernel.hint(1)
    assert "lab.hint(2)" in str(one.check("early_loses", 9, Run(ONE, (), {"ended": "drained"})))
    assert json.loads((tmp_path / FILE).read_text())["03"]["checks"] == {"early_loses": "wrong"}
    assert list(one.done().loc["03"])[1:] == [0, 4, 1]
    one.reset()
    assert Progress(tmp_path).read() == {}


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_broken_file_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Progress(tmp_path).of("03") == {}


@pytest.mark.parametrize("n", [0, 4, "1"])
def test_there_are_three_hints(n: object) -> None:
    kernel.lesson("03")
    with pytest.raises(LabError, match="allowed: 1 to 3"):
        kernel.hint(n)  # type: ignore[arg-type]


def test_an_unknown_check_is_a_sentence() -> None:
    with pytest.raises(LabError, match=r"has no check 'earlyloses'; allowed: .*early_loses"):
        kernel.lesson("03").check("earlyloses", 1)


# --- guesses ----------------------------------------------------------------------------------


def test_nobody_is_told_before_they_have_guessed() -> None:
    told = repr(guessed("How many?", ...).against(model=4, measured=4))
    assert "4" not in told
    assert "first" in told


@pytest.mark.parametrize("number", ["four", True, float("nan"), [1]])
def test_a_guess_is_a_number(number: object) -> None:
    with pytest.raises(LabError, match="allowed: a number"):
        guessed("How many?", number)


def test_a_histogram_counts_everybody() -> None:
    lines = histogram([float(i % 13) for i in range(100)])
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == 100


def test_events_made_by_hand_are_read_by_the_checks_of_a_lab() -> None:
    """Law: a check judges the event log, wherever it comes from."""
    run = Run(
        ONE, (Event(0.1, "worker_exited", worker="worker1", detail={"signal": 9}),),
        {"ended": "drained"},
    )  # fmt: skip
    assert answer(lesson.get("03").checks["still_killed"], (run,)).is_right
