"""Board: the picture of a system at any moment of its run, drawn by ``board.js``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from sandbox.pictures import board_picture, board_table
from sandbox.run import Run
from sandbox.widgets.modules import BOARD as MODULES
from sandbox.widgets.modules import HERE, joined
from sandbox.widgets.picture import Picture
from sandbox.widgets.still import picture_html
from sandbox.widgets.stream import Shown, Stream

STYLE = (HERE / "board.css").read_text(encoding="utf-8")


class Board(Picture):
    """Queues, workers and outcomes, every message in its place; play, step, scrub.

    A run, or a stored run's folder, is shown whole, at ``at_s`` (s) first; a session is followed
    until it is closed. ``picked`` is the worker, or a slot of it, that a panel's controls are for
    (``@worker1`` or ``1@worker1``; None without a panel); ``log`` holds the last few sentences
    that are told below the picture.
    """

    _esm = joined(*MODULES)
    _css = STYLE
    picked = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    log = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        of: Shown,
        *,
        at_s: float = 0.0,
        assumptions: Sequence[str] = (),
        stream: Stream | None = None,
    ) -> None:
        super().__init__(of, stream=stream, assumptions=assumptions, cursor_s=at_s)

    def still_html(self) -> str:
        """Return a run's board at the moment shown; a session has hardly begun, and hurries."""
        counters = super().still_html()
        if not isinstance(self._of, Run):
            return counters
        at_s = self.cursor_s
        table: str = board_table(self._of, at_s=at_s).to_html()
        return picture_html(board_picture(self._of, at_s=at_s)) + table + counters

    def _asked(self, origin: Any, content: dict[str, Any], buffers: Any) -> None:
        """Take what was picked on a page too."""
        super()._asked(origin, content, buffers)
        if content.get("kind") == "pick" and self.picked is not None:
            self.picked = str(content.get("picked", ""))
