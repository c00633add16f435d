"""Widgets: what a notebook shows of a running system. Only this folder imports ipywidgets."""

from sandbox.widgets.board import Board
from sandbox.widgets.panel import Panel

__all__ = ["Board", "Panel"]
