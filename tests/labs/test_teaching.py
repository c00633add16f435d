"""What is given to those who teach is true: agendas add up, tables are the texts', commands run."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from celery import Task
from celery.app.defaults import NAMESPACES, flatten
from click.testing import CliRunner

from proof.labs import opening
from sandbox import cli
from sandbox.labs import kernel, lesson
from tools import teaching

LABS = lesson.all_lessons()
TEXT = teaching.PAGE.read_text(encoding="utf-8")
HANDOUT = (teaching.PAGE.parent / "handout.html").read_text(encoding="utf-8")
AGENDAS = {"half": teaching.HALF, "whole": teaching.WHOLE}
_STEP = re.compile(r"^\| (\d\d):(\d\d) \| (\d*) ?\| (.+) \|$", re.MULTILINE)
_EACH = pytest.mark.parametrize("name", AGENDAS)


def part(name: str) -> str:
    """Return what stands between two marks of the page."""
    return TEXT.partition(f"<!-- {name}: written from the labs -->")[2].partition(f"<!-- /{name}")[
        0
    ]


def test_the_page_is_that_of_the_texts() -> None:
    assert teaching.main(["--check"]) == 0, "run python -m tools.teaching"


@_EACH
def test_an_agenda_adds_up(name: str) -> None:
    """Law: each step begins when the one before it ends, and a lab takes the minutes it says."""
    steps = [
        (int(h) * 60 + int(m), int(n or 0), what) for h, m, n, what in _STEP.findall(part(name))
    ]
    for (begin, minutes, what), (then, _, _) in pairwise(steps):
        assert begin + minutes == then, what
        number = what.removeprefix("lab ")[:2]
        assert number not in LABS or minutes == LABS[number].lab.minutes
    assert steps[-1][0] - steps[0][0] <= teaching.LONGEST[name]
    assert steps[-1][2] == "end"


@_EACH
def test_an_agenda_has_no_lab_twice_and_none_before_what_it_needs(name: str) -> None:
    numbers = re.findall(r"\b\d\d\b", AGENDAS[name])
    assert numbers == sorted(set(numbers))
    for i, number in enumerate(numbers):
        if number in LABS:
            assert set(LABS[number].lab.assumes) <= set(numbers[:i]), number
    assert set(LABS) <= set(re.findall(r"\b\d\d\b", teaching.WHOLE))


def test_every_wrong_answer_is_in_the_table() -> None:
    rows = part("trouble").strip().splitlines()[2:]
    assert len(rows) == sum(len(one.wrong) for one in LABS.values())
    for one in LABS.values():
        assert all(wrong.says in part("trouble") for wrong in one.wrong)
        assert " ".join(one.lab.surprise.split()).replace("|", "\\|") in part("trouble")


def test_a_page_that_is_not_of_the_texts_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "PAGE", tmp_path / "teaching.md")
    teaching.PAGE.write_text(TEXT.replace("| 15 | lab 01", "| 14 | lab 01"), encoding="utf-8")
    assert teaching.main(["--check"]) == 1
    assert teaching.main([]) == 0
    assert teaching.PAGE.read_text(encoding="utf-8") == TEXT
    with pytest.raises(ValueError, match="the page lacks the marks"):
        teaching.page("nothing", LABS)


def test_the_commands_of_the_opening_demo_are_there() -> None:
    """Law: each is one of the program's, with its options; ``make labs`` runs them."""
    lines = opening.commands()
    assert len(lines) == len(opening.SHOWS)
    for program, command, *words in map(shlex.split, lines):
        assert program == "sandbox"
        known = {name for one in cli.main.commands[command].params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_a_demo_that_does_not_show_what_it_says_is_told(tmp_path: Path) -> None:
    lines = ["sandbox nothing", "echo worker_recovery_s child_recovery_s", "echo at least once"]
    told = opening.problems(lines, tmp_path / "a")
    assert [line.partition("' ")[2] for line in told] == [
        "ends with status 2", "shows no worker_recovery_s", "shows no child_recovery_s",
    ]  # fmt: skip
    assert opening.problems([], tmp_path / "b") == ["the demo has 0 commands"]


# --- the page to print ------------------------------------------------------------------------


def test_the_settings_on_the_handout_are_celery_s() -> None:
    """Law: each has this name, in Celery's configuration, on a task, or of Redis' transport."""
    known = set(dict(flatten(NAMESPACES))) | set(vars(Task)) | {
        "visibility_timeout", "retry_backoff", "retry_jitter", "expires", "priority",
    }  # fmt: skip
    rows = re.search(r"<h2>Settings</h2>(.*?)</table>", HANDOUT, re.DOTALL)
    assert rows
    cells = re.findall(r"<tr><td>(.*?)</td>", rows[1])
    named = {name for cell in cells for name in re.findall(r"<code>(\w+)</code>", cell)}
    assert len(named) >= 11
    assert named - known == set()


def test_the_defaults_on_the_handout_are_celery_s() -> None:
    defaults = {name: option.default for name, option in flatten(NAMESPACES)}
    for name, value in re.findall(r"<code>(\w+)</code> \((False|\d+)\)", HANDOUT):
        if name in defaults:
            assert str(bool(defaults[name]) if value == "False" else defaults[name]) == value, name


def test_the_commands_on_the_handout_are_there() -> None:
    for words in re.findall(r"<code>sandbox ([a-z ]+)", HANDOUT):
        assert CliRunner().invoke(cli.main, [*words.split(), "--help"]).exit_code == 0
    for name in re.findall(r"<code>lab\.(\w+)\(", HANDOUT):
        assert hasattr(kernel, name) or name in {"reset", "progress"}
