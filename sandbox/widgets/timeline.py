"""Timeline: attempts per worker slot, drawn by ``timeline.js``; two runs as a counterfactual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.capacity.counterfactual import counterfactual
from sandbox.pictures import counterfactual_picture, counterfactual_table, timeline_table
from sandbox.pictures import timeline as picture
from sandbox.run import Run
from sandbox.widgets.modules import TIMELINE, joined, styles
from sandbox.widgets.over_time import OverTime, told_of


class Timeline(OverTime):
    """Attempts on each worker's processes; kills, absences, deploys, skips and outages marked.

    An attempt that is chosen shows the chain of its task's attempts and its history. With
    ``against``, a second run, both are joined task by task (`sandbox.counterfactual`) and the
    tasks that fare otherwise are lit; ``names`` says what the two runs are.
    """

    _esm = joined(*TIMELINE)
    _css = styles("board.css", "plots.css", "timeline.css")

    def __init__(
        self,
        run: Run,
        against: Run | None = None,
        *,
        names: Sequence[str] = ("first run", "second run"),
        at_s: float = 0.0,
        focus: str = "",
    ) -> None:
        head = {} if against is None else compared(run, against, names)

        def still() -> tuple[Any, Any]:
            if against is None:
                return picture(run), timeline_table(run)
            both = counterfactual_picture(run, against, names=names)
            return both, counterfactual_table(run, against)

        super().__init__(run, head, still, cursor_s=at_s, focus=focus)


def compared(run: Run, against: Run, names: Sequence[str]) -> dict[str, Any]:
    """Return what the picture needs of a second run: its events, and the tasks that differ."""
    joined_runs = counterfactual(run, against)
    told, text = told_of(against)
    return {
        "other": {"topology": told, "past": text},
        "names": list(names),
        "changes": [[change.task, str(change)] for change in joined_runs.changes],
        "summary": joined_runs.summary(),
    }
