"""Widgets: what a notebook shows of a running system. Only this folder imports ipywidgets.

The classes are imported when they are first asked for: a page without a kernel needs the
modules beside them, and no widget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.widgets.board import Board as Board
    from sandbox.widgets.boards import Boards as Boards
    from sandbox.widgets.curves import Curves as Curves
    from sandbox.widgets.linked import Linked as Linked
    from sandbox.widgets.panel import Panel as Panel
    from sandbox.widgets.scenarios import Scenarios as Scenarios
    from sandbox.widgets.timeline import Timeline as Timeline
    from sandbox.widgets.whatif import Sliders as Sliders

__all__ = ["Board", "Boards", "Curves", "Linked", "Panel", "Scenarios", "Sliders", "Timeline"]

_MODULES = {"Sliders": "whatif"}


def __getattr__(name: str) -> Any:
    """Import a widget by its name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, name.lower())}"), name)
