"""Widgets: what a notebook shows of a running system. Only this folder imports ipywidgets."""

from sandbox.widgets.board import Board
from sandbox.widgets.panel import Panel
from sandbox.widgets.whatif import Sliders

__all__ = ["Board", "Panel", "Sliders"]
