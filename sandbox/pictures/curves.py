"""Curves: how many messages waited, ran and were unacknowledged over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.pictures.marks import end_s, marks
from sandbox.pictures.trouble import drawable, trouble
from sandbox.run import Event, Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sandbox.pictures.figure import Picture

Curve = list[tuple[float, int]]
"""Steps: from each time (s) on, the number."""

_QUEUE = {"sent": 1, "restored": 1, "requeued": 1, "delivered": -1, "publish_unknown": -1}
_LEAVES = frozenset({"acked", "rejected", "requeued", "restored"})
_BINS = 1000
_UNACKED = "unacked"
_EXPECTED = "#767676"


class Line(NamedTuple):
    """How a curve is drawn: a colour of Okabe and Ito's (each has axes of its own)."""

    colour: str
    meaning: str


LINES = {
    "queued": Line("#0072b2", "in the broker's queues"),
    "running": Line("#c04f00", "under way in a process"),
    _UNACKED: Line("#007a59", "delivered, not acknowledged"),
}


def steps(run: Run) -> dict[str, Curve]:
    """Return the three curves of a run, from its events."""
    ends = [(a.started_s, 1) for a in run.fold.attempts if a.started_s is not None]
    ends += [(a.ended_s, -1) for a in run.fold.attempts if a.started_s is not None and a.ended_s]
    return {
        "queued": _summed((e.t_s, _QUEUE[e.kind]) for e in run.events if e.kind in _QUEUE),
        "running": _summed(sorted(ends)),
        _UNACKED: _summed(_unacked(run.events)),
    }


def _summed(changes: Iterable[tuple[float, int]]) -> Curve:
    curve, n = [(0.0, 0)], 0
    for t_s, change in changes:
        n += change
        curve.append((t_s, n))
    return curve


def _unacked(events: Iterable[Event]) -> Iterator[tuple[float, int]]:
    """Yield the changes; a stale owner's second ack of the same message changes nothing."""
    held: set[tuple[str | None, str | None]] = set()
    for event in events:
        place = (event.task, event.tag)
        if event.kind == "delivered" and place not in held:
            held.add(place)
            yield event.t_s, 1
        elif event.kind in _LEAVES and place in held:
            held.discard(place)
            yield event.t_s, -1


def curves_table(run: Run, prediction: Run | None = None) -> pd.DataFrame:
    """Return the highest number, the mean over time and the last one of each curve.

    With ``prediction``, the model's run of the same scenario, its numbers stand beside.
    """
    import pandas as pd

    table = pd.DataFrame(_summary(run), index=pd.Index(LINES, name="messages"))
    if prediction is None:
        return table
    return table.assign(**{f"predicted_{k}": v for k, v in _summary(prediction).items()})


def _summary(run: Run) -> dict[str, list[float]]:
    run = drawable(run)
    end, found = end_s(run), list(steps(run).values())
    return {
        "peak": [max(n for _, n in curve) for curve in found],
        "mean": [round(_mean(curve, end), 2) for curve in found],
        "at_end": [curve[-1][1] for curve in found],
    }


def _mean(curve: Curve, end: float) -> float:
    return sum(n * (b - a) for (a, n), (b, _) in pairwise([*curve, (end, 0)])) / end


def curves(run: Run, prediction: Run | None = None) -> Picture:
    """Draw queue depth, running and unacknowledged messages over time.

    With ``prediction``, the model's run of the same scenario, its curves lie behind, grey.
    """
    from sandbox.pictures import figure

    said, run = trouble(run), drawable(run)
    picture = figure.Picture(_alt(run), 10.5, 4.6)
    found, end = marks(run), end_s(run)
    rows = picture.subplots(len(LINES), 1, sharex=True)
    expected = steps(prediction) if prediction is not None else {}
    for axes, (name, curve) in zip(rows, steps(run).items(), strict=True):
        figure.plain(axes, "Messages over time" if axes is rows[0] else "")
        if name in expected:
            _draw(axes, expected[name], end, _EXPECTED, 1.2)
        _draw(axes, curve, end, LINES[name].colour, 1.8)
        _scale(axes, name, last=axes is rows[-1])
        figure.draw_marks(axes, found)
    rows[0].set_xlim(0, end * 1.01)
    figure.name_marks(rows[0], found, end)
    figure.key(picture, _handles(bool(expected)))
    figure.tell(picture, said)
    return picture


def _scale(axes: Axes, name: str, *, last: bool) -> None:
    """Count in whole numbers from 0; only the lowest axes tell the time."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylabel(name, color=LINES[name].colour, fontsize=10, fontweight="bold")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    if not last:
        axes.set_xlabel("")


def _alt(run: Run) -> str:
    told = "; ".join(f"{name} at most {max(n for _, n in c)}" for name, c in steps(run).items())
    return f"messages of {run.scenario.name} over time: {told}"


def _draw(axes: Axes, curve: Curve, end: float, colour: str, width: float) -> None:
    points = _thinned(curve, end)
    times, numbers = [t for t, _ in points], [n for _, n in points]
    axes.plot([*times, max(end, times[-1])], [*numbers, numbers[-1]], drawstyle="steps-post",
              color=colour, linewidth=width)  # fmt: skip


def _thinned(curve: Curve, end: float) -> Curve:
    """Keep the highest number of each of a thousand bins: a peak must not vanish."""
    if len(curve) <= 2 * _BINS:
        return curve
    kept: dict[int, int] = {}
    for t_s, n in curve:
        at = int(t_s / end * _BINS)
        kept[at] = max(n, kept.get(at, 0))
    return [*((at * end / _BINS, n) for at, n in kept.items()), curve[-1]]


def _handles(predicted: bool) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    for name, line in LINES.items():
        label = f"{name}: {line.meaning}"
        yield Line2D([], [], color=line.colour, linewidth=2, label=label)
    if predicted:
        yield Line2D([], [], color=_EXPECTED, linewidth=1.2, label="predicted by the model")
