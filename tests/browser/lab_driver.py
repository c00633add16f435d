"""A learner at a lab in JupyterLab: types into its cells, runs them, reads what they say.

``solved`` goes through a lab from its first cell to its last check; ``tests.browser.drive_labs``
does that for any list of labs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.labs import Lesson
from sandbox.labs.source import Cell
from sandbox.labs_command import STARTUP
from tests.browser.lab_harness import LabPage, LabServer
from tests.waiting import until
from tools import build_labs

_TALLEST = 9_000
_EDIT = """async index => {
    const notebook = jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await notebook.scrollToItem(index);
    notebook.mode = 'edit';
    notebook.activeCell.editor.focus();
}"""
_TO_THE_TOP = "() => jupyterapp.shell.currentWidget.content.scrollToItem(0, 'start')"
_DRAWN = "() => document.querySelectorAll('.jp-Notebook .jp-Cell').length"
_BOTTOM = """() => {
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
    return Math.ceil(Math.max(...cells.map(cell => cell.getBoundingClientRect().bottom)));
}"""


@dataclass
class Driven:
    """What became of one lab in the browser: each check's first line, in order, and trouble."""

    number: str
    checks: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest_s: float = 0.0

    @property
    def is_green(self) -> bool:
        """Whether there was a check, all of them are right, and nothing failed."""
        right = all(line.startswith("✓ right") for line in self.checks)
        return bool(self.checks) and right and not self.trouble


def type_into(page: LabPage, index: int, text: str) -> None:
    """Replace the text of a cell, as who pastes it does."""
    page.page.evaluate(_EDIT, index)
    page.page.keyboard.press("Control+A")
    page.page.keyboard.press("Delete")
    if text:
        page.page.keyboard.insert_text(text)
    until("the cell has the text", lambda: "".join(page.cells()[index]["source"]) == text)


def said(page: LabPage, index: int) -> str:
    """Return what a cell says: what it printed, its result as text, an error's trace."""
    found = [
        "".join(text)
        for output in page.cells()[index].get("outputs", ())
        for text in (
            output.get("text", ""),
            output.get("data", {}).get("text/plain", ""),
            output.get("traceback", ""),
        )
    ]
    return "\n".join(filter(None, found)).strip()


def run(page: LabPage, index: int) -> str:
    """Run a cell, wait for it and return what it says."""
    page.run_cell(index)
    return said(page, index)


def solved(page: LabPage, one: Lesson) -> Driven:
    """Do a lab as one does who knows: its cells from the first to the last, solutions typed."""
    driven, began = Driven(one.number), time.monotonic()
    solutions = one.notebook("solution")
    for index, cell in enumerate(one.notebook("exercise")):
        if cell.is_markdown:
            continue
        if cell.has("exercise"):
            type_into(page, index, solutions[index].body)
        cell_began = time.monotonic()
        told = run(page, index)
        driven.slowest_s = max(driven.slowest_s, time.monotonic() - cell_began)
        if cell.has("check"):
            driven.checks.append(told.partition("\n")[0])
        driven.trouble += [f"cell {index}: {line}" for line in _troubles(page, index)]
    driven.seconds = time.monotonic() - began
    return driven


def _troubles(page: LabPage, index: int) -> list[str]:
    outputs = page.cells()[index].get("outputs", ())
    return [
        output.get("evalue") or "".join(output.get("text", ""))
        for output in outputs
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]


def photographed(page: LabPage, name: str) -> None:
    """Save a picture of the whole notebook: the window is made as tall as it needs to be."""
    before = page.page.viewport_size or {"width": 1280, "height": 1000}
    page.page.set_viewport_size({"width": before["width"], "height": _TALLEST})
    page.page.evaluate(_TO_THE_TOP)
    until("all cells are drawn", lambda: page.page.evaluate(_DRAWN) == len(page.cells()))
    page.settle()
    height = min(int(page.page.evaluate(_BOTTOM)) + 60, _TALLEST)
    page.page.set_viewport_size({"width": before["width"], "height": height})
    page.settle()
    page.shot(name)
    page.page.set_viewport_size(before)


def server_for_labs(home: Path) -> LabServer:
    """Start JupyterLab as `sandbox labs start` does: its kernels tell errors in a sentence."""
    return LabServer(home, PYTHONSTARTUP=str(STARTUP))


def written(one: Lesson) -> Path:
    """Return the exercise that a learner opens."""
    return build_labs.exercise_path(one)


def place(cells: Iterable[Cell], *, name: str = "", says: str = "") -> int:
    """Return where the exercise ``name`` is, or the first code cell that has ``says``."""
    return next(
        i
        for i, cell in enumerate(cells)
        if (name and cell.says("name") == name) or (says and not cell.is_markdown and says in cell.body)
    )  # fmt: skip
