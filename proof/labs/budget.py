"""Cells that nothing verifies: what nbval is told to pass over, and pictures that stand alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.build_notebooks import IGNORED

MOST = 0.10
PASSED_OVER = {IGNORED, "nbval-skip", "raises-exception"}
_PICTURES = {"image/png", "image/svg+xml", "image/jpeg"}


@dataclass(frozen=True)
class Cells:
    """How many code cells notebooks have, and those whose output nothing compares."""

    n: int
    unverified: tuple[str, ...]

    def __add__(self, other: Cells) -> Cells:
        return Cells(self.n + other.n, self.unverified + other.unverified)

    @property
    def share(self) -> float:
        """The part of the code cells that is not verified."""
        return len(self.unverified) / max(1, self.n)

    def problems(self) -> list[str]:
        """Return a sentence when it is too many."""
        told = f"{len(self.unverified)} of {self.n} cells ({self.share:.0%}) go unverified"
        return [f"{told}; allowed: {MOST:.0%}"] if self.share > MOST else []


def cells_of(book: NotebookNode, name: str) -> Cells:
    """Return the code cells of an executed notebook, and which of them nothing compares."""
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    return Cells(
        len(code),
        tuple(
            f"{name}, code cell {n}: {_first_line(cell)}"
            for n, cell in enumerate(code, 1)
            if _is_unverified(cell)
        ),
    )


def in_files(paths: Iterable[Path]) -> Cells:
    """Return the same of notebooks on disk, all together."""
    found = (cells_of(nbformat.read(path, as_version=4), path.stem) for path in paths)
    return sum(found, Cells(0, ()))


def _is_unverified(cell: NotebookNode) -> bool:
    if PASSED_OVER & set(cell.metadata.get("tags", ())):
        return True
    outputs = cell.get("outputs", ())
    return bool(outputs) and all(_is_picture(output) for output in outputs)


def _is_picture(output: NotebookNode) -> bool:
    """Tell whether it is a picture with nothing beside it but the figure's own name."""
    kinds = set(output.get("data", ()))
    return bool(kinds & _PICTURES) and not kinds - _PICTURES - {"text/plain"}


def _first_line(cell: NotebookNode) -> str:
    return str(cell.source).partition("\n")[0]
