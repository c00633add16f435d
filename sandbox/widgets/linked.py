"""Linked: pictures that share one cursor: play, pause, scrub or choose in one, and all follow."""

from __future__ import annotations

from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from sandbox.errors import SandboxError
from sandbox.widgets.modules import HERE
from sandbox.widgets.picture import Picture


class Link(anywidget.AnyWidget):
    """The link itself; it lives in the page and needs no kernel."""

    _esm = HERE / "link.js"
    pictures = traitlets.List(traitlets.Instance(Picture)).tag(
        sync=True, **widgets.widget_serialization
    )

    def __repr__(self) -> str:
        """Name it by what does not change."""
        return f"<Link of {len(self.pictures)} pictures>"


class Linked(widgets.VBox):  # type: ignore[misc] # ipywidgets is untyped
    """Pictures one below the other, with one cursor; those shown elsewhere are linked too."""

    def __init__(self, *pictures: Picture) -> None:
        self._link = link(*pictures)
        super().__init__(list(pictures))
        self.add_class("sb-linked")

    def __repr__(self) -> str:
        """Name them by what does not change."""
        return f"<Linked {', '.join(map(repr, self.children))}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the live view and, for a saved notebook, what stands for each picture."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/html": "".join(one.still_html() for one in self.children)}

    def close(self) -> None:
        """End the link; the pictures stay."""
        if hasattr(self, "_link"):  # One that could not be made is closed too.
            self._link.close()
        super().close()


def link(*pictures: Picture) -> Link:
    """Let pictures share cursor, motion and chosen task; raises SandboxError for fewer than two.

    >>> link()
    Traceback (most recent call last):
    sandbox.errors.SandboxError: a link needs two pictures or more (board, timeline, curves), not 0
    """
    found = [one for one in pictures if isinstance(one, Picture)]
    if len(found) < 2 or len(found) < len(pictures):
        raise SandboxError(
            f"a link needs two pictures or more (board, timeline, curves), not {len(found)}"
        )
    return Link(pictures=found)
