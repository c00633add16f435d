"""Notebooks that the tests write, and what a hand does in them."""

from __future__ import annotations

from pathlib import Path

import nbformat
from playwright.sync_api import Locator

from tests.browser.lab_harness import LabPage
from tests.waiting import until


def written(file: Path, *cells: str) -> Path:
    """Write a notebook of these cells and return its file."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    nbformat.write(book, file)
    return file


def clock(lab: LabPage) -> float:
    """Return the moment that the newest player shows, in seconds."""
    return float(lab.state("time").inner_text().removesuffix(" s"))


def area(lab: LabPage, name: str) -> Locator:
    """Return a place of the newest board: a queue's, a slot, the limbo."""
    return lab.page.locator(f'[data-area="{name}"]').last


def hover(lab: LabPage, name: str, *, first: bool = True) -> str:
    """Point at a message in a place, its first one or the one in the middle; return its history."""
    place = area(lab, name)
    place.scroll_into_view_if_needed()
    tip = lab.page.locator(".sb-tip").last

    def shown() -> bool:
        box = place.bounding_box()
        assert box is not None
        lab.page.mouse.move(1, 1)
        x = 14.0 if first else box["width"] / 2
        y = 13.0 if first else box["height"] / 2
        lab.page.mouse.move(box["x"] + x, box["y"] + y)
        return tip.is_visible()

    until(f"a message in {name} tells its history", shown)
    return tip.inner_text()


def task_told(lab: LabPage) -> str:
    """Return the task whose history is shown."""
    return str(lab.page.locator(".sb-tip").last.get_attribute("data-task"))
