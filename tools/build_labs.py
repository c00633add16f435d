"""Build the labs from their reviewed texts: ``labs/src/NN_slug.py``.

Each gives ``labs/NN-slug.ipynb``, the exercise with stubs and no outputs, and
``labs/solutions/NN-slug.ipynb``, executed. ``--check`` executes nothing and fails where a notebook
is not that of its text.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode

from sandbox.labs.lesson import Lesson, all_lessons
from tools import build_notebooks as notebooks

LABS = notebooks.ROOT / "labs"


def exercise_path(lesson: Lesson) -> Path:
    """Return where a lab's exercise is."""
    return LABS / f"{lesson.name}.ipynb"


def solution_path(lesson: Lesson) -> Path:
    """Return where a lab's solution is."""
    return LABS / "solutions" / f"{lesson.name}.ipynb"


def exercise(lesson: Lesson) -> NotebookNode:
    """Return the exercise of a lab."""
    return notebooks.book_of(lesson.notebook("exercise"))


def build(lesson: Lesson) -> bool:
    """Build both notebooks of a lab; return whether a file has changed."""
    changed = notebooks.written(exercise_path(lesson), exercise(lesson))
    book = notebooks.book_of(lesson.notebook("solution"))
    with TemporaryDirectory(prefix="lab-") as folder:  # what was done is kept where it runs
        notebooks.execute(book, Path(folder))
    return notebooks.kept_unless_new(solution_path(lesson), book) or changed


def agrees(lesson: Lesson) -> bool:
    """Tell whether both notebooks have the cells of their text, and the solution its outputs."""
    path = exercise_path(lesson)
    is_same = path.exists() and path.read_text("utf-8") == notebooks.text_of(exercise(lesson))
    return is_same and notebooks.is_built(
        solution_path(lesson), notebooks.book_of(lesson.notebook("solution"))
    )


def strays() -> list[str]:
    """Return the notebooks in the labs' folders that no text makes."""
    made = {path(one) for one in all_lessons().values() for path in (exercise_path, solution_path)}
    return sorted(path.name for path in LABS.rglob("*.ipynb") if path not in made)


def main(arguments: list[str] | None = None) -> int:
    """Build or check every lab; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare cells, execute nothing")
    parser.add_argument("numbers", nargs="*", help="default: all of them")
    options = parser.parse_args(arguments)
    status = 0
    for number, lesson in all_lessons().items():
        if options.numbers and number not in options.numbers:
            continue
        if options.check:
            good = agrees(lesson)
            status |= not good
            print(f"lab {lesson.name}: {'agrees' if good else 'is not built from its text'}")
        else:
            print(f"lab {lesson.name}: {'built' if build(lesson) else 'unchanged'}", flush=True)
    for name in strays():
        status = 1
        print(f"{name}: no text makes it")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
