"""Modules: the widgets' plain ES modules, joined to the one text that anywidget takes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import\b[^;]*?from\s+"\./[\w-]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class)\b)", re.MULTILINE)

FOLD = ("journeys.js", "systems.js", "fold.js")
"""The files of the fold, each after those that it imports."""
_DRAWN = (
    *FOLD,
    "past.js",
    "player.js",
    "lead.js",
    "looks.js",
    "places.js",
    "dots.js",
    "history.js",
    "structure.js",
)
BOARD = (*_DRAWN, "picks.js", "links.js", "tip.js", "transport.js", "areas.js", "board.js")
_PLOT = (*_DRAWN, "reading.js", "folding.js", "spans.js")
TIMELINE = (*_PLOT, "gutter.js", "attempts.js", "timeline.js")
CURVES = (*_PLOT, "series.js", "curves.js")
PLOTS = ("board.css", "plots.css", "timeline.css", "curves.css")
"""The styles of the timeline and the curves, who have their colours from the board."""


@cache
def styles(*names: str) -> str:
    """Return style sheets as one."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


@cache
def joined(*names: str) -> str:
    """Return the files as one module, in this order; what one imports stands before it.

    Imports of one another go, and so does the word ``export``, except ``export default``: at
    most the last file has that. The names at the top of all files are different.

    >>> "import" in joined(*FOLD) or "export" in joined(*FOLD)
    False
    """
    texts = [(HERE / name).read_text(encoding="utf-8") for name in names]
    return "\n".join(plain(text) for text in texts)


def plain(text: str) -> str:
    r"""Return a module's text without its imports of neighbours and without ``export``.

    >>> plain('import { a } from "./a.js";\nexport const b = a;\n')
    'const b = a;\n'
    """
    return _EXPORT.sub("", _IMPORT.sub("", text))


def scoped(*names: str) -> str:
    """Return an expression for a widget (``{ render }``): its modules in a scope of their own.

    >>> scoped("board.js").startswith("(() => {"), "export" in scoped("board.js")
    (True, False)
    """
    module = joined(*names).replace("export default { render };", "return { render };")
    return f"(() => {{\n{module}\n}})()"
