"""``python -m proof.labs.one NUMBER FOLDER``: build and prove one lab, in a process of its own.

It runs in ``FOLDER``, with the broker of ``$SANDBOX_BROKER``, and leaves ``report.json`` there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from proof.labs import answers, rebuilt, tape
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import one_line
from sandbox.labs import Lesson, lesson
from sandbox.labs.lesson import Wrong
from tools import build_labs
from tools import build_notebooks as notebooks

MOST_CELL_S = 30.0
_FIRST = "first"
_NOT_ATTEMPTED = "○ not attempted"
_ENDED = (CellExecutionError, CellTimeoutError, DeadKernelError)


@dataclass
class Report:
    """What became of one lab. ``seconds``: of all its solution's cells, on real workers."""

    number: str
    seconds: float = 0.0
    slowest_s: float = 0.0
    built: str = ""
    n_live_again: int = 0
    problems: list[str] = field(default_factory=list)


def prove(one: Lesson, folder: Path) -> Report:
    """Build both notebooks twice and judge what is done, left undone and done wrongly."""
    report = Report(one.number)
    recorded = folder / "runs.tape"
    try:
        book = _executed(one, folder / _FIRST, recorded, report)
        report.problems += _kept(one, book, report)
        again = notebooks.book_of(one.notebook("solution"))
        notebooks.timed(again, _replay(folder / "second"), before=_before("play", recorded))
        report.problems += rebuilt.differences(book, again)
        report.problems += _as_it_is(one, folder / "exercise", recorded)
    except _ENDED as exc:
        report.problems.append(f"a cell failed: {_why(exc)}")
        return report
    report.problems += _by_its_cells(one, folder / "cells", recorded)
    missing = tape.Tape(recorded).missing
    report.n_live_again = len(missing.read_text().splitlines()) if missing.exists() else 0
    return report


def _executed(one: Lesson, folder: Path, recorded: Path, report: Report) -> NotebookNode:
    book = notebooks.book_of(one.notebook("solution"))
    seconds = notebooks.timed(book, _made(folder), before=_before("record", recorded))
    report.seconds, report.slowest_s = sum(seconds), max(seconds)
    if report.slowest_s > MOST_CELL_S:
        report.problems.append(
            f"code cell {seconds.index(report.slowest_s) + 1} took {report.slowest_s:.0f} s; "
            f"allowed: {MOST_CELL_S:.0f} s"
        )
    return book


def _kept(one: Lesson, book: NotebookNode, report: Report) -> list[str]:
    """Write what the text has changed; a file that only tells something else is left, and told."""
    is_new = notebooks.written(build_labs.exercise_path(one), build_labs.exercise(one))
    path = build_labs.solution_path(one)
    old = nbformat.read(path, as_version=4) if path.exists() else None
    if old is None or notebooks.cells(old) != notebooks.cells(book):
        is_new = notebooks.written(path, book)
        old = book
    report.built = "built" if is_new else "unchanged"
    return rebuilt.outputs_differ(old, book) + rebuilt.file_differs(
        build_labs.exercise_path(one), build_labs.exercise(Lesson.read(one.path))
    )


def _as_it_is(one: Lesson, folder: Path, recorded: Path) -> list[str]:
    """Run the exercise in a kernel: no error, nothing on stderr, each check open."""
    book = build_labs.exercise(one)
    try:
        notebooks.timed(book, _replay(folder), before=_before("play", recorded))
    except CellExecutionError as exc:
        return [f"the exercise as it is raises: {_why(exc)}"]
    return as_it_is(book, len(one.checks))


def as_it_is(book: NotebookNode, n_checks: int) -> list[str]:
    """Return what must not be in an exercise that was run as it is; its checks are all open."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    told = [str(o.get("data", {}).get("text/plain", "")) for o in outputs]
    n_open = sum(text.startswith(_NOT_ATTEMPTED) for text in told)
    found = [f"the exercise as it is says {o.text!r}" for o in outputs if o.get("name") == "stderr"]
    if n_open != n_checks:
        found.append(f"in the exercise as it is {n_open} of {n_checks} checks are open")
    return found


def _why(exc: Exception) -> str:
    if isinstance(exc, CellExecutionError):
        return one_line(f"{exc.ename}: {exc.evalue}")
    return str(exc).strip().splitlines()[0]


def _by_its_cells(one: Lesson, folder: Path, recorded: Path) -> list[str]:
    """By the learner's own path, with the solution's runs: undone, done, and done wrongly."""
    tape.play(str(recorded))
    found: list[str] = []

    def at(name: str) -> None:
        os.chdir(_replay(folder / name))

    at("undone")
    found += answers.of_the_exercise(one, *answers.done(one.notebook("exercise")))
    at("done")
    found += answers.of_the_solution(one, *answers.done(one.notebook("solution")))
    for n, wrong in enumerate(one.wrong):
        at(f"wrong-{n}")
        found += _wrongly(one, wrong)
    return found


def _wrongly(one: Lesson, wrong: Wrong) -> list[str]:
    return answers.of_a_wrong_answer(wrong, *answers.done(one.with_wrong(wrong)))


def _before(verb: str, recorded: Path) -> str:
    return f"import proof.labs.tape as _t; _t.{verb}({str(recorded)!r}); del _t"


def _replay(folder: Path) -> Path:
    """Return a folder to play the tape in, with what its runs left behind: databases, ledgers."""
    runs = next(one for one in folder.parents if (one / _FIRST).exists()) / _FIRST / "runs"
    if runs.exists():
        shutil.copytree(runs, _made(folder) / "runs")
    return _made(folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(number: str, folder: str, parent: str) -> int:
    """Prove one lab; return 1 when something is not as it must be."""
    die_with_parent(int(parent), signal.SIGTERM)
    here = Path(folder).resolve()
    report = prove(lesson.get(number), here)
    (here / "report.json").write_text(json.dumps(asdict(report)), encoding="utf-8")
    return int(bool(report.problems))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
