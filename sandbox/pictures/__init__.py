"""Pictures: a run as a static figure, and beside each figure the table that says the same.

A figure is made without pyplot, so that there is no global state and no display is needed;
matplotlib is imported when the first figure is made.
"""

from sandbox.pictures.board import board_picture, board_table
from sandbox.pictures.counterfactual import counterfactual_picture, counterfactual_table
from sandbox.pictures.curves import curves, curves_table
from sandbox.pictures.tables import claims_table, retry_gaps, side_by_side, task_table
from sandbox.pictures.timeline import timeline, timeline_table
from sandbox.pictures.whatif import what_if_picture, what_if_table

__all__ = [
    "board_picture",
    "board_table",
    "claims_table",
    "counterfactual_picture",
    "counterfactual_table",
    "curves",
    "curves_table",
    "retry_gaps",
    "side_by_side",
    "task_table",
    "timeline",
    "timeline_table",
    "what_if_picture",
    "what_if_table",
]
