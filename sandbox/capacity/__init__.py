"""Capacity: predictions for more workers, another setting, twice the load, side by side.

Read in this order: ``paths`` (which points), ``offered`` (which of them can work at all),
``processes`` and ``study`` (their runs), ``goal`` (the smallest value that does), ``result``;
``counterfactual`` compares two runs task by task.
"""

from sandbox.capacity.counterfactual import Counterfactual, counterfactual
from sandbox.capacity.goal import Answer
from sandbox.capacity.result import Outcome, WhatIf
from sandbox.capacity.whatif import what_if

__all__ = ["Answer", "Counterfactual", "Outcome", "WhatIf", "counterfactual", "what_if"]
