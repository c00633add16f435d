"""Counterfactual: two runs joined task by task, one timeline above the other, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.capacity.counterfactual import counterfactual
from sandbox.pictures.marks import end_s
from sandbox.pictures.timeline import draw, n_rows
from sandbox.pictures.trouble import drawable
from sandbox.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from sandbox.pictures.figure import Picture


def counterfactual_table(run: Run, against: Run) -> pd.DataFrame:
    """Return the tasks that fare otherwise in the second run: verdicts and executions in both."""
    columns = ["before", "after", "executions_before", "executions_after"]
    return counterfactual(run, against).to_frame()[columns]


def counterfactual_picture(
    run: Run, against: Run, *, names: Sequence[str] = ("first run", "second run")
) -> Picture:
    """Draw both runs' attempts one above the other; tasks that fare otherwise are not faded."""
    from sandbox.pictures import figure

    run, against = drawable(run), drawable(against)
    joined = counterfactual(run, against)
    lit = {change.task for change in joined.changes}
    both = (run, against)
    heights = [1.2 + 0.3 * max(2, n_rows(one)) for one in both]
    alt = f"{run.scenario.name}, {names[0]} and {names[1]}: {joined.summary()}"
    picture = figure.Picture(alt, 10.5, sum(heights))
    end = max(end_s(one) for one in both)
    axes = picture.subplots(2, 1, gridspec_kw={"height_ratios": heights})
    handles: dict[str, object] = {}
    for place, one, name in zip(axes, both, names, strict=True):
        found = draw(place, one, name, end, lit)
        handles |= {handle.get_label(): handle for handle in found}
    figure.key(picture, handles.values())
    return picture
