"""Built twice, the same: a lab's exercise, and its solution once its live runs are on a tape."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tools import build_notebooks as notebooks

_NOT_ON_A_TAPE = re.compile(r"\b(?:lab|workbench|sandbox)\.(?:start|panel|predict_live)\(")
"""What starts real workers otherwise than by ``lab.run``: its pictures differ each time."""


def differences(first: NotebookNode, second: NotebookNode) -> list[str]:
    """Return a sentence for each cell of two builds that is not the same, byte for byte.

    From a cell on that starts a living session only what nbval compares must be the same.
    """
    if notebooks.cells(first) != notebooks.cells(second):
        return ["built twice, its cells are not the same"]
    n = n_on_tape(first)
    found = []
    for i, (one, other) in enumerate(zip(first.cells, second.cells, strict=True)):
        is_same = (
            _told(one) == _told(other)
            if i < n
            else notebooks.compared_cell(one) == notebooks.compared_cell(other)
        )
        if not is_same:
            found.append(f"built twice, cell {i + 1} is not the same: {_first_line(one)}")
    return found


def n_on_tape(book: NotebookNode) -> int:
    """Return how many cells stand before the first that starts a living session."""
    return len(list(takewhile(lambda c: not _NOT_ON_A_TAPE.search(c.source), book.cells)))


def outputs_differ(old: NotebookNode, new: NotebookNode) -> list[str]:
    """Return a sentence for each cell whose file tells something else than a new execution."""
    pairs = zip(old.cells, new.cells, strict=True)
    return [
        f"cell {i} does not tell what its file has; remove the file if that is meant: "
        f"{_first_line(cell)}"
        for i, (was, cell) in enumerate(pairs, 1)
        if notebooks.compared_cell(was) != notebooks.compared_cell(cell)
    ]


def file_differs(path: Path, again: NotebookNode) -> list[str]:
    """Return a sentence when a file is not a second build, byte for byte."""
    is_same = path.read_text(encoding="utf-8") == notebooks.text_of(again)
    return [] if is_same else [f"{path.name}, built twice, is not the same"]


def _told(cell: NotebookNode) -> Any:
    return cell.get("outputs", []), cell.get("execution_count")


def _first_line(cell: NotebookNode) -> str:
    return str(cell.source).partition("\n")[0]
