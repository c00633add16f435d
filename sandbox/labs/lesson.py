"""A lab: one reviewed text, ``labs/src/NN_slug.py``, with its checks, hints and wrong answers.

The cell tagged ``lab`` is for the builder and the checks alone; it is Python and sets ``LAB``.
Cells tagged ``wrong`` hold a known wrong answer each, those tagged ``solution`` stand in the
solution only. All others make the notebook.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sandbox.errors import LabError, one_of
from sandbox.labs.checks import Check
from sandbox.labs.source import Cell, parse, solved, stubbed

N_HINTS = 3
LEAST_CHECKS = 3
WRONG = (2, 3)
_HIDDEN = {"lab", "wrong", "solution"}
_ROOT = Path(__file__).parents[2]
_FOLDERS = (Path(__file__).parent / "texts", _ROOT / "labs" / "src")
"""Where the texts are: beside this module once installed, in the clone's ``labs/src`` before."""


@dataclass(frozen=True)
class Lab:
    """What a lab says of itself.

    ``minutes``: of a person's time. ``hints``: three, of rising help. ``links``: Celery's own
    documentation, by title. ``closing``: the question to close with; its answer is a cell tagged
    ``solution``. ``surprise``: where most people's guess and the model disagree.
    """

    title: str
    question: str
    minutes: int
    goals: tuple[str, ...]
    hints: tuple[str, str, str]
    links: Mapping[str, str]
    closing: str
    surprise: str
    is_deep: bool = False
    assumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wrong:
    """A known wrong answer: what it puts into an exercise, which check says what of it."""

    exercise: str
    check: str
    says: str
    body: str


@dataclass(frozen=True)
class Lesson:
    """A lab as its text has it.

    >>> from sandbox.labs import lesson
    >>> len(lesson.get("03").lab.hints)
    3
    """

    number: str
    slug: str
    path: Path
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, path: Path) -> Lesson:
        """Read a text; LabError when it is not whole."""
        number, _, slug = path.stem.partition("_")
        lesson = cls(number, slug, path, parse(path.read_text(encoding="utf-8"), path.name))
        lesson.check_whole()
        return lesson

    @property
    def name(self) -> str:
        """What its notebook is called, without an ending."""
        return f"{self.number}-{self.slug.replace('_', '-')}"

    @cached_property
    def _namespace(self) -> dict[str, Any]:
        (cell,) = self._tagged("lab") or (Cell(""),)
        name = f"<lab {self.number}>"
        lines = "\n" * cell.line + cell.body
        linecache.cache[name] = (len(lines), None, lines.splitlines(keepends=True), name)
        space: dict[str, Any] = {"__name__": f"lab_{self.number}"}
        exec(compile(lines, name, "exec"), space)  # noqa: S102 - the text is ours, and reviewed
        return space

    @property
    def lab(self) -> Lab:
        """What it says of itself."""
        found = self._namespace.get("LAB")
        if not isinstance(found, Lab):
            raise LabError(f"{self.path.name}: its cell tagged lab must set LAB = Lab(…)")
        return found

    @cached_property
    def checks(self) -> dict[str, Check]:
        """Its checks, by name."""
        return {one.name: one for one in self._namespace.values() if isinstance(one, Check)}

    @property
    def exercises(self) -> dict[str, Cell]:
        """The cells that a learner fills in, by name."""
        return {cell.says("name"): cell for cell in self._tagged("exercise")}

    @property
    def wrong(self) -> tuple[Wrong, ...]:
        """The known wrong answers."""
        return tuple(
            Wrong(cell.says("of"), cell.says("check"), cell.says("says"), cell.body)
            for cell in self._tagged("wrong")
        )

    def notebook(self, kind: Literal["exercise", "solution"]) -> tuple[Cell, ...]:
        """Return the cells of the notebook with stubs, or of the one with solutions."""
        shown = [cell for cell in self.cells if not _HIDDEN & set(cell.tags)]
        ends: tuple[Cell, ...] = (self._closing(),)
        if kind == "solution":
            ends += self._tagged("solution")
            shown = [solved(cell) for cell in shown]
        else:
            shown = [stubbed(c, self.path.name) if c.has("exercise") else c for c in shown]
        return (self._opening(), *shown, *ends)

    def with_wrong(self, wrong: Wrong) -> tuple[Cell, ...]:
        """Return the solution's cells with one exercise answered wrongly."""
        return tuple(
            Cell(wrong.body, tags=cell.tags, more=cell.more, line=cell.line)
            if cell.has("exercise") and cell.says("name") == wrong.exercise
            else cell
            for cell in self.notebook("solution")
        )

    def _opening(self) -> Cell:
        lab = self.lab
        needs = f"needs {', '.join(f'lab {one}' for one in lab.assumes)}" if lab.assumes else ""
        told = " · ".join(filter(None, [f"{lab.minutes} minutes", needs]))
        links = " · ".join(f"[{title}]({url})" for title, url in lab.links.items())
        return Cell(
            f"# Lab {self.number}: {lab.title}\n\n**{lab.question}**\n\n"
            f"*{told}*. After it you can\n\n"
            + "\n".join(f"- {goal}" for goal in lab.goals)
            + "\n\nA cell with `...  # your turn` is yours. `lab.hint(1)`, `(2)` and `(3)` help "
            "more and more; `lab.reset()` begins again; `lab.progress()` shows what is done.\n\n"
            f"Celery's own words: {links}",
            is_markdown=True,
        )

    def _closing(self) -> Cell:
        return Cell(f"## To close\n\n{self.lab.closing}", is_markdown=True)

    def _tagged(self, tag: str) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.has(tag))

    def check_whole(self) -> None:
        """Raise LabError for what a lab must have and this one has not."""
        missing = []
        if len(self.checks) < LEAST_CHECKS:
            missing.append(f"{LEAST_CHECKS} checks, and it has {len(self.checks)}")
        if len(self.lab.hints) != N_HINTS:
            missing.append(f"{N_HINTS} hints, and it has {len(self.lab.hints)}")
        if not WRONG[0] <= len(self.wrong) <= WRONG[1]:
            missing.append(f"{WRONG[0]} or {WRONG[1]} wrong answers, and it has {len(self.wrong)}")
        missing += [
            f"an exercise and a check for the wrong answer {wrong.says!r}"
            for wrong in self.wrong
            if wrong.exercise not in self.exercises or wrong.check not in self.checks
        ]
        if not any(cell.has("solution") for cell in self.cells):
            missing.append("an answer to its closing question, tagged solution")
        if missing:
            raise LabError(f"{self.path.name} must have {'; '.join(missing)}")


def all_lessons() -> dict[str, Lesson]:
    """Return every lab by its number; LabError where two have the same one."""
    found: dict[str, Lesson] = {}
    folder = next((one for one in _FOLDERS if one.is_dir()), _FOLDERS[-1])
    for path in sorted(folder.glob("[0-9]*.py")):
        lesson = Lesson.read(path)
        if lesson.number in found:
            raise LabError(f"{path.name} and {found[lesson.number].path.name} have one number")
        found[lesson.number] = lesson
    return found


def get(number: str) -> Lesson:
    """Return one lab; its number may lack the leading zero."""
    labs = all_lessons()
    wanted = str(number).zfill(2)
    if wanted not in labs:
        raise LabError(f"there is no lab {number!r}; allowed: {one_of(str(number), list(labs))}")
    return labs[wanted]
