"""Build notebooks from their reviewed sources: ``notebooks/src/NN_slug.py`` → ``NN-slug.ipynb``.

A source is py:percent text. Building executes it and saves the outputs. A notebook whose cells
and compared outputs are what they were is left as it is, byte for byte: its pictures of live
runs would differ each time and tell nothing new. ``--check`` executes nothing and fails where
a notebook's cells are not those of its source.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from sandbox.labs import notebook, source

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "src"
IGNORED = "nbval-ignore-output"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_NOT_COMPARED = ("image/png", _WIDGET)
_CELL_S = 90


def target(text: Path) -> Path:
    """Return the notebook that a source is built into."""
    return text.parent.parent / f"{text.stem.replace('_', '-')}.ipynb"


def parse(text: str) -> NotebookNode:
    """Return the unexecuted notebook of a py:percent text."""
    return book_of(source.parse(text))


def book_of(cells: Iterable[source.Cell]) -> NotebookNode:
    """Return the unexecuted notebook of some cells; an id is a hash of what and where it is."""
    book = nbformat.v4.new_notebook(metadata=json.loads(json.dumps(notebook.METADATA)))
    for position, one in enumerate(cells):
        new = nbformat.v4.new_markdown_cell if one.is_markdown else nbformat.v4.new_code_cell
        cell = new(one.body)
        if one.tags:
            cell.metadata["tags"] = list(one.tags)
        cell["id"] = notebook.cell_id(position, one.body)
        book.cells.append(cell)
    return book


def execute(book: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in ``folder`` and return the notebook with what is worth keeping."""
    timed(book, folder)
    return book


def timed(book: NotebookNode, folder: Path, *, before: str = "") -> list[float]:
    """Execute a notebook in place, after ``before``, which it does not show; return cells' seconds.

    Seconds are those of code cells, in their order. CellExecutionError where a cell fails.
    """
    client = NotebookClient(
        book,
        timeout=_CELL_S,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        if before:
            client.kc.execute(before, silent=True, store_history=False)
        for position, cell in enumerate(book.cells):
            client.execute_cell(cell, position)
    seconds = [_seconds(cell) for cell in book.cells if cell.cell_type == "code"]
    book.metadata = nbformat.from_dict(notebook.METADATA)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", ()):
            # A saved notebook holds no live widget: JupyterLab would show an error instead.
            output.get("data", {}).pop(_WIDGET, None)
    return seconds


def joined(outputs: Iterable[Any]) -> list[Any]:
    """Return outputs with what was printed in a row as one: where it is cut is an accident."""
    found: list[Any] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] = "".join(last["text"]) + "".join(output["text"])
        else:
            found.append(output)
    return found


def _seconds(cell: NotebookNode) -> float:
    told = cell.metadata.get("execution", {})
    names = ("iopub.execute_input", "shell.execute_reply")
    if not all(name in told for name in names):
        return 0.0  # an empty cell
    began, ended = (datetime.fromisoformat(told[name]) for name in names)
    return (ended - began).total_seconds()


def cells(book: NotebookNode) -> list[tuple[Any, ...]]:
    """Return what a source determines of a notebook."""
    return [(c.cell_type, c.get("id"), c.source, c.metadata.get("tags", [])) for c in book.cells]


def compared(book: NotebookNode) -> list[Any]:
    """Return the outputs that nbval compares: not pictures, not ignored cells."""
    return [
        compared_cell(cell) for cell in book.cells if IGNORED not in cell.metadata.get("tags", [])
    ]


def compared_cell(cell: NotebookNode) -> list[Any]:
    """Return the outputs of one cell that nbval compares; none of a cell that it ignores."""
    if IGNORED in cell.metadata.get("tags", []):
        return []
    outputs: list[Any] = joined(json.loads(json.dumps(cell.get("outputs", []))))
    for output in outputs:
        for kind in _NOT_COMPARED:
            output.get("data", {}).pop(kind, None)
        output.pop("metadata", None)
    return outputs


def unverified_share(book: NotebookNode) -> float:
    """Return the share of the code cells whose output nothing compares."""
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    return sum(bool(cell.metadata.get("tags")) for cell in code) / max(1, len(code))


def build(text: Path) -> bool:
    """Build one notebook; return whether its file has changed."""
    path = target(text)
    return kept_unless_new(path, execute(parse(text.read_text(encoding="utf-8")), path.parent))


def kept_unless_new(path: Path, book: NotebookNode) -> bool:
    """Write an executed notebook unless the file tells the same; return whether it has changed."""
    if path.exists():
        old = nbformat.read(path, as_version=4)
        if cells(old) == cells(book) and compared(old) == compared(book):
            return False
    return written(path, book)


def text_of(book: NotebookNode) -> str:
    """Return a notebook as its file has it."""
    nbformat.validate(book)
    return f"{nbformat.writes(book)}\n"


def written(path: Path, book: NotebookNode) -> bool:
    """Write a notebook; return whether its file has changed."""
    text = text_of(book)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def agrees(text: Path) -> bool:
    """Tell whether a built notebook has the cells of its source, and outputs."""
    return is_built(target(text), parse(text.read_text(encoding="utf-8")))


def is_built(path: Path, wanted: NotebookNode) -> bool:
    """Tell whether a notebook's file is executed and has these cells."""
    if not path.exists():
        return False
    book = nbformat.read(path, as_version=4)
    executed = all(c.execution_count for c in book.cells if c.cell_type == "code")
    return executed and cells(book) == cells(wanted)


def main(arguments: list[str] | None = None) -> int:
    """Build or check every notebook; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare cells, execute nothing")
    parser.add_argument("sources", nargs="*", type=Path, help="default: all of notebooks/src")
    options = parser.parse_args(arguments)
    status = 0
    for text in options.sources or sorted(SOURCES.glob("[0-9]*.py")):
        if options.check:
            good = agrees(text)
            status |= not good
            print(f"{target(text).name}: {'agrees' if good else 'is not built from its source'}")
        else:
            print(f"{target(text).name}: {'built' if build(text) else 'unchanged'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
