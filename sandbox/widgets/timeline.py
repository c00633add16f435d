"""Timeline: attempts per worker slot, drawn by ``timeline.js``; two runs as a counterfactual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.capacity.counterfactual import Counterfactual, counterfactual
from sandbox.errors import RunError
from sandbox.pictures import counterfactual_picture, counterfactual_table, timeline_table
from sandbox.pictures import timeline as picture
from sandbox.run import Run
from sandbox.widgets.modules import TIMELINE, joined, styles
from sandbox.widgets.over_time import OverTime, told_of
from sandbox.widgets.stream import Shown, Stream


class Timeline(OverTime):
    """Attempts on each worker's processes; kills, absences, deploys, skips and outages marked.

    An attempt that is chosen shows the chain of its task's attempts and its history. A
    `sandbox.counterfactual`, or a second run as ``against``, joins two runs task by task and
    lights the tasks that fare otherwise; ``names`` says what the two runs are, ``focus`` which
    task is chosen at first. Of a session the last minute is in sight until another stretch
    is chosen.
    """

    _esm = joined(*TIMELINE)
    _css = styles("board.css", "plots.css", "timeline.css")

    def __init__(
        self,
        of: Shown | Counterfactual,
        against: Run | None = None,
        *,
        names: Sequence[str] = ("first run", "second run"),
        at_s: float = 0.0,
        stream: Stream | None = None,
        **traits: Any,
    ) -> None:
        shown, changes = _one(of, against)
        head = {} if changes is None else compared(changes, names)

        def still(run: Run) -> tuple[Any, Any]:
            if changes is None:
                return picture(run), timeline_table(run)
            both = counterfactual_picture(*changes.runs, names=names)
            return both, counterfactual_table(*changes.runs)

        super().__init__(shown, head, still, stream=stream, cursor_s=at_s, **traits)


def _one(of: Shown | Counterfactual, against: Run | None) -> tuple[Shown, Counterfactual | None]:
    """Return what is shown first, and the comparison with a second run if there is one."""
    if isinstance(of, Counterfactual):
        if not of.runs:
            raise RunError("this counterfactual has no runs to draw; make it of two runs")
        return of.runs[0], of
    if against is None:
        return of, None
    if not isinstance(of, Run):
        raise RunError("only a run is joined with another: close the session, or load its folder")
    return of, counterfactual(of, against)


def compared(changes: Counterfactual, names: Sequence[str]) -> dict[str, Any]:
    """Return what the picture needs of a second run: its events, and the tasks that differ."""
    told, text = told_of(changes.runs[1])
    return {
        "other": {"topology": told, "past": text},
        "names": list(names),
        "changes": [[change.task, str(change)] for change in changes.changes],
        "summary": changes.summary(),
    }
