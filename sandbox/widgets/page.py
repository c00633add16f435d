"""Page: a board in a plain HTML page, with no notebook, no kernel and no network."""

from __future__ import annotations

import json

from sandbox.widgets.board import STYLE, Board
from sandbox.widgets.modules import BOARD as MODULES
from sandbox.widgets.modules import HERE, bare, joined

_PAGE = "body { margin: 0; }"
_MODEL = (HERE / "page.js").read_text(encoding="utf-8")


def standalone(board: Board) -> str:
    """Return a page that shows what the board has got so far, at the moment it is set to.

    The page's own model answers to the board instead of a kernel's.
    """
    state = board.get_state()
    names = ("head", "past", "cursor_s", "focus", "log")
    # "</" would end the script in the middle of a string.
    data = json.dumps({name: state[name] for name in names}).replace("</", "<\\/")
    title = json.dumps(state["head"]["topology"]["name"]).strip('"').replace("<", "&lt;")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{_PAGE}{STYLE}</style></head><body><main id="board"></main>'
        f'<script type="module">\n{bare(joined(*MODULES))}\nconst data = {data};\n{_MODEL}</script>'
        "</body></html>"
    )
