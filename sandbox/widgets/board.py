"""Board: the picture of a system at any moment of its run, drawn by ``board.js``."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from sandbox.widgets.modules import BOARD as MODULES
from sandbox.widgets.modules import HERE, joined
from sandbox.widgets.picture import Picture
from sandbox.widgets.stream import Shown, Stream

STYLE = (HERE / "board.css").read_text(encoding="utf-8")


class Board(Picture):
    """Queues, workers and outcomes, every message in its place; play, step, scrub.

    A run, or a stored run's folder, is shown whole, at ``at_s`` (s) first; a session is followed
    until it is closed. ``log`` holds the last few sentences that are told below the picture.
    """

    _esm = joined(*MODULES)
    _css = STYLE
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
