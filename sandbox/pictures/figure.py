"""Figure: what every picture shares. The only module that imports matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sandbox.pictures.marks import Mark

DPI = 110
INK = "#1a1a1a"
SOFT = "#595959"
RULE = "#d0d0d0"
_LEVELS = 3
_LONGEST_LINE = 150
_MOST_LABELS = 9
_CHARACTER = 0.009  # of the plot's width


class Picture(Figure):
    """A figure that a notebook shows by itself; ``alt`` says in words what is in it."""

    def __init__(self, alt: str, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(self)
        self.alt = alt

    def __repr__(self) -> str:
        """Say what kind of picture it is; its numbers stand in the table beside it."""
        return f"<Picture: {self.alt.partition(':')[0]}>"

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        buffer = io.BytesIO()
        # No metadata: the same run gives the same bytes, whatever the day or version.
        self.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue(), {"alt": self.alt}


def tell(picture: Picture, sentences: str) -> None:
    """Say above a picture what is wrong with what it shows; nothing when nothing is."""
    if sentences:
        picture.alt += f". {sentences}"
        told = "\n".join(textwrap.wrap(sentences, _LONGEST_LINE))
        picture.suptitle(told, x=0.01, ha="left", fontsize=9, color=INK, fontweight="bold")


def nothing(axes: Axes) -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.5, "nothing ran", transform=axes.transAxes, ha="center", va="center",
              fontsize=11, color=SOFT)  # fmt: skip


def plain(axes: Axes, title: str) -> None:
    """Give a pair of axes the look that all pictures share."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=8)
    axes.set_xlabel("seconds since all workers were ready", color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.set_axisbelow(True)


def draw_marks(axes: Axes, found: Iterable[Mark]) -> None:
    """Draw a line at each verb."""
    for mark in found:
        axes.axvline(mark.t_s, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=4)


def name_marks(axes: Axes, found: Sequence[Mark], end_s: float) -> None:
    """Name the verbs above the axes, each where the last one's name has ended."""
    levels = _levels(found, end_s)
    for mark, level in levels:
        axes.annotate(
            mark.text, (mark.t_s, 1.0), xycoords=axes.get_xaxis_transform(), fontsize=8,
            xytext=(3, 3 + 11 * level), textcoords="offset points", color=INK,
            annotation_clip=False,
        )  # fmt: skip
    highest = max((level + 1 for _, level in levels), default=0)
    axes.set_title(axes.get_title("left"), loc="left", fontsize=11, fontweight="bold", color=INK,
                   pad=8 + 11 * highest)  # fmt: skip


def _levels(found: Sequence[Mark], end_s: float) -> list[tuple[Mark, int]]:
    """Return the line of text each name goes on; none when there are too many to read."""
    if len(found) > _MOST_LABELS:
        return []
    free, placed = [-1e9] * _LEVELS, []
    for mark in found:
        level = next((i for i, taken in enumerate(free) if taken <= mark.t_s), None)
        if level is not None:
            free[level] = mark.t_s + end_s * _CHARACTER * (len(mark.text) + 2)
            placed.append((mark, level))
    return placed


def key(figure: Picture, handles: Iterable[object]) -> None:
    """Put the legend below the axes."""
    figure.legend(
        handles=list(handles), loc="outside lower center", ncols=7, frameon=False, fontsize=9,
        labelcolor=INK,
    )  # fmt: skip
