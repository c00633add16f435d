"""Cards: boxes, words and messages of a board's still, in tenths of an inch from the top left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from sandbox.pictures.figure import Picture

INDENT = 1.2
_RED, _CARD, _RULE = "#b83c00", "#f4f6f8", "#c9d0d7"
_INK = "#1a1a1a"
Shape = Literal["circle", "square", "hexagon"]
Style = Literal["plain", "bold", "harm"]
Align = Literal["left", "center", "right"]
Kind = Literal["card", "inset", "harmed", "limbo"]
Point = tuple[float, float]


class Box(NamedTuple):
    """A place: its upper left corner, its width and its height."""

    x: float
    y: float
    width: float
    height: float


class Look(NamedTuple):
    """How a message is drawn: Okabe and Ito's colours, each with a shape of its own."""

    shape: Shape
    edge: str
    fill: str
    ink: str
    dash: bool
    words: str


LOOKS = {
    "queued": Look("circle", "#0072b2", "#0072b2", "#ffffff", False, "queued"),
    "prefetched": Look("circle", "#0072b2", "#ffffff", _INK, False, "prefetched"),
    "held": Look("hexagon", "#9a3f78", "#ffffff", _INK, False, "held: ETA, retry, rate limit"),
    "running": Look("square", "#e69f00", "#e69f00", _INK, False, "running"),
    "limbo": Look("circle", _RED, "#ffffff", _INK, True, "unacked, no owner"),
}


class Mark(NamedTuple):
    """A message: its look, its number, which delivery it is, and a note beside it."""

    look: str
    number: str
    again: int = 1
    note: str = ""


class Tier(NamedTuple):
    """A size of messages: radius, width and height of a seat, and whether numbers fit."""

    r: float
    w: float
    h: float
    named: bool


_NOTED = Tier(1.15, 18.0, 2.7, named=True)
_TIERS = (Tier(1.15, 2.9, 2.7, named=True), Tier(0.75, 1.8, 1.8, named=False),
          Tier(0.4, 1.0, 1.0, named=False))  # fmt: skip


class Cards:
    """A canvas for a board: ``width`` × ``height`` tenths of an inch."""

    def __init__(self, picture: Picture, width: float, height: float) -> None:
        picture.set_layout_engine("none")  # Cards say themselves where they are.
        self._axes = picture.add_axes((0, 0, 1, 1))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.axis("off")

    def text(
        self, at: Point, words: str, size: float, style: Style = "plain", align: Align = "left"
    ) -> None:
        """Write words, the middle of their height at a point."""
        x, y = at
        self._axes.text(
            x, y, words, fontsize=size, fontweight="normal" if style == "plain" else "bold",
            ha=align, va="center_baseline", color=_RED if style == "harm" else _INK, zorder=5,
        )  # fmt: skip

    def card(self, box: Box, kind: Kind = "card") -> None:
        """Draw a box; framed where something is harmed, dashed where messages are in limbo."""
        from matplotlib.patches import FancyBboxPatch

        is_inset = kind == "inset"
        style: dict[str, Any] = {"facecolor": "white" if is_inset else _CARD, "edgecolor": _RULE}
        if kind in ("harmed", "limbo"):
            dash = "--" if kind == "limbo" else "-"
            style |= {"edgecolor": _RED, "linewidth": 1.8, "linestyle": dash}
        self._axes.add_patch(FancyBboxPatch(
            (box.x + 0.6, box.y + 0.6), box.width - 1.2, box.height - 1.2,
            boxstyle="round,pad=0.6,rounding_size=0.7", zorder=1 + is_inset, **style,
        ))  # fmt: skip

    def seat(self, marks: Sequence[Mark], box: Box) -> None:
        """Draw messages in a box, as large as they fit; what does not is counted."""
        if not marks:
            return
        x, y, width, height = box
        noted = [_NOTED] if marks[0].note else []
        longest = max(len(_label(mark)) for mark in marks)
        named = _TIERS[0]._replace(w=2 * _half(longest) + 0.6)
        fits = [(tier, max(1, int(width / tier.w)) * max(1, int((height + 0.2) / tier.h)))
                for tier in (*noted, named, *_TIERS[1:])]  # fmt: skip
        tier, seats = next((one for one in fits if one[1] >= len(marks)), fits[-1])
        columns = max(1, int(width / tier.w))
        for i, mark in enumerate(marks[:seats]):
            cx = x + (i % columns) * tier.w + (_half(longest) if tier.named else tier.r) + 0.25
            self._message(mark, cx, y + (i // columns) * tier.h + tier.h / 2, tier)
        if len(marks) > seats:
            self.text((x + width, y + height), f"+{len(marks) - seats}", 8, "bold", "right")

    def key(self, x: float, y: float) -> None:
        """Say what each shape means."""
        for name, look in LOOKS.items():
            self._message(Mark(name, ""), x + 1.2, y, _TIERS[0])
            self.text((x + 3.2, y), look.words, 8)
            x += 5.5 + 0.66 * len(look.words)
        self.text((x, y), "7·2: number 7, second delivery", 8)

    def _message(self, mark: Mark, x: float, y: float, tier: Tier) -> None:
        from matplotlib.patches import Circle, FancyBboxPatch, RegularPolygon

        look, r, label = LOOKS[mark.look], tier.r, _label(mark)
        half = _half(len(label)) if tier.named else r
        style: dict[str, Any] = {
            "facecolor": look.fill, "edgecolor": look.edge, "linewidth": 1.4 if tier.named else 0.8,
            "linestyle": (0, (2.2, 1.2)) if look.dash else "-", "zorder": 4,
        }  # fmt: skip
        if look.shape == "hexagon":
            shape: Any = RegularPolygon((x, y), 6, radius=half * 1.1, **style)
        elif look.shape == "circle" and half == r:
            shape = Circle((x, y), r, **style)
        else:
            corner = r if look.shape == "circle" else r / 4
            shape = FancyBboxPatch(
                (x - half + corner, y - r + corner), 2 * (half - corner), 2 * (r - corner),
                boxstyle=f"round,pad={corner},rounding_size={corner}", **style,
            )  # fmt: skip
        self._axes.add_patch(shape)
        if not tier.named:
            return
        self._axes.text(x, y, label, fontsize=7, fontweight="bold", color=look.ink,
                        ha="center", va="center_baseline", zorder=6)  # fmt: skip
        if mark.note and tier is _NOTED:
            self.text((x + half + 0.8, y), mark.note, 8)


def _label(mark: Mark) -> str:
    return f"{mark.number}·{mark.again}" if mark.again > 1 else mark.number


def _half(n: int) -> float:
    """Return half the width of a message whose label has so many letters."""
    return max(_TIERS[0].r, 0.4 + 0.36 * n)
