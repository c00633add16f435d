"""Over time: what timeline and curves share: what a saved notebook keeps, and a fold to lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets

from sandbox.run import Run
from sandbox.widgets.feed import Encoder, text_of
from sandbox.widgets.picture import Picture
from sandbox.widgets.still import picture_html
from sandbox.widgets.stream import Shown, Stream, opened, so_far
from sandbox.widgets.topology import topology

Still = Callable[[Run], tuple[Any, Any]]
"""Makes the static picture of a run and the table beside it."""


def told_of(run: Run) -> tuple[dict[str, Any], str]:
    """Return a run's topology and its events as text.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> told_of(Run(one, ()))[1]
    '[]'
    """
    told = topology(run.scenario, source=opened(run)[1])
    return told, text_of(Encoder(told).rows(run.events))


class OverTime(Picture):
    """A picture along time, with buttons of its own.

    Where a board leads, it stands in a section with the name ``fold`` and has none. That is
    folded at first and then costs next to nothing: events pile up in the page until it is opened.
    """

    fold = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        of: Shown,
        head: dict[str, Any],
        still: Still,
        *,
        stream: Stream | None = None,
        **traits: Any,
    ) -> None:
        self._still = still
        led = bool(traits.get("fold"))
        super().__init__(of, {**head, "led": led}, stream=stream, **traits)

    def still_html(self) -> str:
        """Return the static picture and its table, of a session what has happened so far."""
        picture, table = self._still(so_far(self._of))
        html: str = picture_html(picture) + table.to_html()
        return html
