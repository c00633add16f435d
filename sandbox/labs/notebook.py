"""A lab's notebook as its file has it, before anything ran; needs no part of Jupyter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from sandbox.labs.source import Cell

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def cell_id(position: int, body: str) -> str:
    """Return a cell's id: a hash of what and where it is.

    >>> cell_id(0, "1 + 1") == cell_id(1, "1 + 1")
    False
    """
    return hashlib.sha256(f"{position}\n{body}".encode()).hexdigest()[:12]


def text_of(cells: Iterable[Cell]) -> str:
    r"""Return the file of a notebook that nobody has run, byte for byte as nbformat writes it.

    >>> text_of([Cell("1 + 1")]).splitlines()[:4]
    ['{', ' "cells": [', '  {', '   "cell_type": "code",']
    """
    book = {
        "cells": [_cell(position, one) for position, one in enumerate(cells)],
        "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    told = json.dumps(book, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "))
    return f"{told}\n"


def _cell(position: int, one: Cell) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cell_type": "markdown" if one.is_markdown else "code",
        "id": cell_id(position, one.body),
        "metadata": {"tags": list(one.tags)} if one.tags else {},
        "source": one.body.splitlines(keepends=True),
    }
    return found if one.is_markdown else found | {"execution_count": None, "outputs": []}
