"""What if, as a picture: a metric over the values of a field, with its two intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.capacity import Outcome, WhatIf
from sandbox.errors import ScenarioError, one_of
from sandbox.metrics import known

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sandbox.pictures.figure import Picture


class Look(NamedTuple):
    """How a line is drawn: a colour of Okabe and Ito's, and a marker for who sees none."""

    colour: str
    marker: str


LOOKS = (
    Look("#0072b2", "o"), Look("#c04f00", "s"), Look("#007a59", "^"),
    Look("#a0528a", "D"), Look("#7a5c00", "v"), Look("#1a1a1a", "P"),
)  # fmt: skip


def what_if_table(found: WhatIf, metric: str) -> pd.DataFrame:
    """Return the numbers of the picture: a row a point, with both intervals and its note."""
    frame = found.to_frame()
    own = frame[frame["metric"] == _known(found, metric)].set_index(list(found.paths))
    numbers = own.select_dtypes("float").map(lambda value: float(f"{value:.4g}"))
    return own.assign(**numbers).drop(columns="metric").dropna(axis="columns", how="all")


def what_if_picture(found: WhatIf, metric: str) -> Picture:
    """Draw a metric over the first path's values, a line for each combination of the others.

    The darker band is the interval of the mean, the lighter one that of one further run. A point
    that is unstable stands as a cross at the top; a hollow diamond is a closed form's value.
    ScenarioError for a metric that the what-if does not have.
    """
    from sandbox.pictures import figure

    lines = _lines(found)
    if len(lines) > len(LOOKS):
        raise ScenarioError(f"the picture would have {len(lines)} lines; allowed: {len(LOOKS)}")
    picture = figure.Picture(_alt(found, _known(found, metric)), 10.5, 4.4)
    axes = picture.subplots()
    figure.plain(axes, f"{metric} for other values of {found.paths[0]}")
    ticks = list(dict.fromkeys(point.settings[0] for point in found.points))
    for look, points in zip(LOOKS, lines.values(), strict=False):
        _draw(axes, look, [(_x(ticks, point.settings[0]), point) for point in points], metric)
    _scale(axes, found, metric, ticks)
    figure.key(picture, _handles(found, lines))
    return picture


def _known(found: WhatIf, metric: str) -> str:
    if metric not in found.metrics:
        raise ScenarioError(f"metric is {metric!r}; allowed: {one_of(metric, found.metrics)}")
    return metric


def _lines(found: WhatIf) -> dict[str, list[Outcome]]:
    """Return the points of each line, by what the other paths are on it."""
    lines: dict[str, list[Outcome]] = {}
    names = [path.rpartition(".")[2] for path in found.paths[1:]]
    for point in found.points:
        told = [f"{name} = {v}" for name, v in zip(names, point.settings[1:], strict=True)]
        lines.setdefault(", ".join(told), []).append(point)
    return lines


def _are_numbers(ticks: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in ticks)


def _x(ticks: Sequence[Any], value: Any) -> float:
    """Return where a value stands: numbers in their place, all others side by side."""
    return float(value) if _are_numbers(ticks) else float(ticks.index(value))


def _draw(axes: Axes, look: Look, points: list[tuple[float, Outcome]], metric: str) -> None:
    runs = sorted((x, point.cell(metric), point) for x, point in points if point.n)
    drawn = [(x, cell) for x, cell, _ in runs if not math.isnan(cell.mean)]
    xs = [x for x, _ in drawn]
    for low, high, alpha in (("low_run", "high_run", 0.15), ("low", "high", 0.40)):
        lows, highs = ([getattr(cell, name) for _, cell in drawn] for name in (low, high))
        axes.fill_between(xs, lows, highs, color=look.colour, alpha=alpha, linewidth=0, zorder=1)
        # A band between two points of one value has no width: the whiskers stay visible.
        axes.vlines(xs, lows, highs, color=look.colour, linewidth=1 if alpha < 0.2 else 3, zorder=2)
    axes.plot(xs, [cell.mean for _, cell in drawn], color=look.colour, marker=look.marker,
              markersize=6, linewidth=1.8, zorder=3)  # fmt: skip
    exact = [(x, point.closed_form.exact[metric]) for x, point in points
             if metric in point.closed_form.exact]  # fmt: skip
    axes.plot(*([list(column) for column in zip(*exact, strict=True)] or [[], []]), linestyle="",
              marker="d", markersize=11, markerfacecolor="none", markeredgecolor="#1a1a1a",
              zorder=4)  # fmt: skip
    grows = [x for x, point in points if not point.offered.stable]
    axes.plot(grows, [0.97] * len(grows), linestyle="", marker="X", markersize=10,
              color=look.colour, transform=axes.get_xaxis_transform(), zorder=5)  # fmt: skip


def _scale(axes: Axes, found: WhatIf, metric: str, ticks: list[Any]) -> None:
    """Name both axes; draw the goal's limit where this is its metric."""
    unit = known(metric).unit
    axes.set_ylabel(f"{metric} [{unit}]" if unit else metric, fontsize=9)
    axes.set_xlabel(found.paths[0], fontsize=9)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_ylim(bottom=0)
    if not _are_numbers(ticks):
        axes.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
    elif len(ticks) <= 12:
        axes.set_xticks(ticks)
    if found.answer is not None and found.answer.goal.metric == metric:
        axes.axhline(found.answer.goal.limit, color="#1a1a1a", linestyle=(0, (4, 2)), linewidth=1)


def _alt(found: WhatIf, metric: str) -> str:
    told = []
    for point in found.points:
        values = ", ".join(str(value) for value in point.settings)
        cell = point.cell(metric)
        number = "unstable" if math.isnan(cell.mean) else f"{cell.mean:.3g}"
        told.append(f"{values} gives {number}")
    return f"{metric} of {found.scenario.name} over {' and '.join(found.paths)}: {'; '.join(told)}"


def _handles(found: WhatIf, lines: dict[str, list[Outcome]]) -> Iterator[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    for look, name in zip(LOOKS, lines, strict=False):
        yield Line2D([], [], color=look.colour, marker=look.marker, label=name or "mean")
    yield Patch(facecolor="#595959", alpha=0.55, label="95 %, the mean")
    yield Patch(facecolor="#595959", alpha=0.2, label="95 %, one further run")
    if any(point.closed_form.exact for point in found.points):
        yield Line2D([], [], linestyle="", marker="d", markersize=9, markerfacecolor="none",
                     markeredgecolor="#1a1a1a", label="theory")  # fmt: skip
    if not all(point.offered.stable for point in found.points):
        yield Line2D([], [], linestyle="", marker="X", color="#595959", label="unstable")
    if found.answer is not None:
        yield Line2D([], [], color="#1a1a1a", linestyle=(0, (4, 2)), label=str(found.answer.goal))
