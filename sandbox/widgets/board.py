"""Board: the live display, drawn by ``board.js`` from two small traits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_HERE = Path(__file__).parent


class Board(anywidget.AnyWidget):
    """Queues, workers, outcomes and a strip over time; ``log`` holds the last few sentences.

    Each trait has one writing thread: ``state`` the panel's reader, ``log`` its hand.
    """

    _esm = _HERE / "board.js"
    _css = _HERE / "board.css"
    state = traitlets.Dict().tag(sync=True)
    log = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __repr__(self) -> str:
        """Name the board by what does not change; a memory address would."""
        return "<Board>"

    def show(self, counts: dict[str, Any], strip: list[list[float]]) -> None:
        """Show other counters; ``strip`` holds rows of [t_s, queued, running, unacked of dead]."""
        self.state = {**counts, "strip": strip}
