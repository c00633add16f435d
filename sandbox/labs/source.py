"""The text of a notebook: py:percent, cell by cell, with tags and solutions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sandbox.errors import LabError

_MARK = re.compile(
    r"^# %%(?P<markdown> \[markdown\])?(?: tags=(?P<tags>\[.*?\]))?(?: (?P<more>.+?))?\s*$"
)
_MORE = re.compile(r'(\w+)="([^"]*)"')
_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
_STUB = re.compile(r"^(?P<indent>\s*)(?P<name>[A-Za-z_]\w*)\s*=(?!=)")


@dataclass(frozen=True)
class Cell:
    """One cell: ``markdown`` or code, its tags, and what else its first line says (``of="…"``)."""

    body: str
    is_markdown: bool = False
    tags: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    line: int = 0

    def has(self, tag: str) -> bool:
        """Whether it has this tag."""
        return tag in self.tags

    def says(self, key: str) -> str:
        """Return what its first line says of ``key``; an empty text if nothing."""
        return dict(self.more).get(key, "")


def parse(text: str, where: str = "the text") -> tuple[Cell, ...]:
    r"""Return the cells of a py:percent text; what stands before the first one is dropped.

    >>> [cell.body for cell in parse("# %% [markdown]\n# # Title\n\n# %%\n1 + 1\n")]
    ['# Title', '1 + 1']
    """
    return tuple(_cells(text.splitlines(), where))


def _cells(lines: list[str], where: str) -> Iterator[Cell]:
    begins = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        mark = _MARK.match(lines[begin])
        if mark is None:
            raise LabError(f"{where}, line {begin + 1}: not the first line of a cell")
        body = "\n".join(lines[begin + 1 : end]).strip("\n")
        if mark["markdown"]:
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
        yield Cell(
            body,
            is_markdown=bool(mark["markdown"]),
            tags=tuple(ast.literal_eval(mark["tags"] or "[]")),
            more=tuple(_MORE.findall(mark["more"] or "")),
            line=begin + 1,
        )


def stubbed(cell: Cell, where: str = "the text") -> Cell:
    r"""Return a cell with ``...`` for each name that its solution sets.

    >>> stubbed(Cell("a = 1\n### BEGIN SOLUTION\nb = a + 1\n### END SOLUTION")).body
    'a = 1\nb = ...  # your turn'
    """
    return replace(cell, body="\n".join(_stubs(cell.body.splitlines(), f"{where}, {cell.line}")))


def _stubs(lines: list[str], where: str) -> Iterator[str]:
    is_inside, depth = False, 0
    for line in lines:
        if line.strip() == _BEGIN:
            is_inside, depth = True, len(line) - len(line.lstrip())
        elif line.strip() == _END:
            is_inside = False
        elif not is_inside:
            yield line
        elif (found := _STUB.match(line)) and len(found["indent"]) == depth:
            yield f"{found['indent']}{found['name']} = ...  # your turn"
    if is_inside:
        raise LabError(f"{where}: {_BEGIN} without {_END}")


def solved(cell: Cell) -> Cell:
    """Return a cell without the marks of its solution."""
    kept = [one for one in cell.body.splitlines() if one.strip() not in {_BEGIN, _END}]
    return replace(cell, body="\n".join(kept))
