"""Grading without Jupyter: run the code cells of a learner's notebook, collect what checks answer.

``python -m sandbox.labs.grade NOTEBOOK`` runs one, in its own process, and prints JSON; ``grade``
starts that and ends it at its deadline. It runs the learner's code, with the rights of who grades.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import LabError, one_line
from sandbox.labs import kernel, lesson
from sandbox.labs.lesson import Lesson

DEADLINE_S = 600.0
_SILENT = "the process that ran it ended without a word"


@dataclass(frozen=True)
class Grade:
    """What one learner has done of one lab: the status of each check, and what stopped it.

    ``trouble``: the first cell that failed, in a sentence; empty when all cells ran.
    """

    number: str
    title: str
    checks: dict[str, dict[str, Any]]
    trouble: str = ""

    @property
    def n_right(self) -> int:
        """How many checks are right."""
        return sum(one["status"] == "right" for one in self.checks.values())

    @property
    def is_done(self) -> bool:
        """Whether all of them are."""
        return self.n_right == len(self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "lab": self.number, "title": self.title, "right": self.n_right, "of": len(self.checks),
            "trouble": self.trouble, "checks": self.checks,
        }  # fmt: skip


def notebooks_in(folder: Path) -> list[Path]:
    """Return the labs' notebooks in a folder; LabError when there is none."""
    names = {f"{one.name}.ipynb" for one in lesson.all_lessons().values()}
    found = [folder] if folder.is_file() else sorted(folder.glob("*.ipynb"))
    found = [path for path in found if path.name in names]
    if not found:
        raise LabError(
            f"{folder} holds no lab's notebook; allowed: a folder with one, such as {min(names)}"
        )
    return found


def grade(path: Path, *, deadline_s: float = DEADLINE_S) -> Grade:
    """Run a learner's notebook in a process of its own; what had not run then is not attempted."""
    one = lesson.get(path.name[:2])
    command = [sys.executable, "-m", "sandbox.labs.grade", str(path.resolve()), str(os.getpid())]
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        answers = Path(folder) / "answers.jsonl"
        environment = os.environ | {"SANDBOX_GRADE": str(answers)}
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                command, cwd=folder, env=environment, timeout=deadline_s, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            trouble = (done.stderr.strip().splitlines() or [_SILENT])[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            trouble = f"it did not end within {deadline_s:g} s"
        given = answers.read_text(encoding="utf-8").splitlines() if answers.exists() else []
    return _graded(one, [json.loads(line) for line in given], trouble)


def _graded(one: Lesson, given: Iterable[dict[str, Any]], trouble: str) -> Grade:
    checks = {
        name: {"check": name, "asks": check.asks, "status": "not attempted"}
        for name, check in one.checks.items()
    }
    checks |= {answer["check"]: answer for answer in given}
    return Grade(one.number, one.lab.title, checks, trouble)


# --- in the process that runs the cells ----------------------------------------------------


def code_cells(path: Path) -> list[str]:
    """Return the code of a notebook, cell by cell; LabError when it is no notebook."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        return ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise LabError(f"{path.name} is no notebook: {exc}") from None


def run_cells(cells: Iterable[str]) -> str:
    """Run cells as a kernel does; go on after one that fails, and return the first trouble."""
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    trouble = ""
    for i, body in enumerate(cells, 1):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(_python(body), f"<cell {i}>", "exec"), space)  # noqa: S102 - the learner's
        except Exception as exc:  # noqa: BLE001 - whatever a learner's cell raises
            trouble = trouble or one_line(f"code cell {i}: {type(exc).__name__}: {exc}")
    return trouble


def _python(body: str) -> ast.Module:
    """Parse a cell without the lines that only IPython understands."""
    plain = (
        line if not line.lstrip().startswith(("%", "!")) else "pass" for line in body.split("\n")
    )
    return ast.parse("\n".join(plain))


def main(path: str, parent: str) -> int:
    """Run one notebook; each answer is a line in ``$SANDBOX_GRADE``, as soon as it is known."""
    die_with_parent(int(parent), signal.SIGTERM)
    kernel.listeners.append(lambda answer: _note(os.environ["SANDBOX_GRADE"], answer.to_dict()))
    trouble = run_cells(code_cells(Path(path)))
    sys.stderr.write(f"{trouble}\n")
    return int(bool(trouble))


def _note(file: str, answer: dict[str, Any]) -> None:
    with Path(file).open("a", encoding="utf-8") as out:
        out.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
