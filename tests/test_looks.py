"""Each state is known by its shape, to every eye, in light and dark: held on the table of looks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.widgets.modules import HERE
from tests.colours import EYES, apart, contrast, rgba
from tests.nodes import JS, node

CLEAR = 20.0
"""A distance in L*a*b* that nobody overlooks; one that is just seen is 2.3."""


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    """Return the tables of looks.js."""
    return dict(json.loads(node(JS / "looks.mjs")))


def colours(theme: str) -> dict[str, str]:
    """Return the colours of the board's stylesheet in a theme."""
    text = (HERE / "board.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--sb-([\w-]+): (#\w{6});", part))
                   for part in (text.partition('.sb-board[data-theme="dark"]')[0],
                                text.partition('.sb-board[data-theme="dark"]')[2]))  # fmt: skip
    return light if theme == "light" else light | dark


def silhouette(look: dict[str, Any]) -> tuple[object, ...]:
    """Return what is left of a look without its colour and its mark, which small dots lack."""
    return look["shape"], look["fill"], look["dash"]


def test_no_two_states_have_one_shape(tables: dict[str, Any]) -> None:
    """Law: the outline tells the state, without colour and without the mark."""
    seen: dict[tuple[object, ...], str] = {}
    for name, look in tables["looks"].items():
        other = seen.setdefault(silhouette(look), name)
        assert other == name, f"{name} and {other} look alike without colour"
    hatches = list(tables["hatches"].values())
    assert len(set(hatches)) == len(hatches) == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_harm_is_no_other_colour_to_any_eye(eye: str, theme: str) -> None:
    """Law: the colour of harm is far from those of waiting, running and done to every eye."""
    found = colours(theme)
    for name in ("blue", "sky", "orange", "green"):
        assert apart(found["red"], found[name], eye) >= CLEAR, (name, eye, theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_dot_stands_out_and_its_words_are_legible(tables: dict[str, Any], theme: str) -> None:
    """Law: a dot's edge has 3:1 to every card it can lie on, the text on it 4.5:1."""
    found = {name: rgba(css)[0] for name, css in colours(theme).items()}
    for name, look in tables["looks"].items():
        for ground in ("card", "inset", "page"):
            ratio = float(contrast(found[look["edge"]], found[ground]))
            assert ratio >= 3, (name, ground, round(ratio, 2))
        text, behind = (
            (f"on-{look['colour']}", look["colour"]) if look["fill"] else ("text", "card")
        )
        assert float(contrast(found[text], found[behind])) >= 4.5, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_that_carry_meaning_have_three_to_one(theme: str) -> None:
    """Law: curves, cursors, pins and bars have 3:1 to what is behind them."""
    found = {name: rgba(css)[0] for name, css in colours(theme).items()}
    lines = ("blue", "sky", "amber", "green", "red", "purple", "soft", "text")
    for line in lines:
        for ground in ("page", "card"):
            ratio = float(contrast(found[line], found[ground]))
            assert ratio >= 3, (line, ground, round(ratio, 2))
    for css in ("board.css", "plots.css", "timeline.css", "curves.css"):
        text = (HERE / css).read_text(encoding="utf-8")
        text = re.sub(r"[^}]*paint-order[^}]*\}", "", text)  # a halo around words is no line
        strokes = re.findall(r"(?:stroke|border-(?:top|left)-color): var\(--sb-([\w-]+)\)", text)
        assert set(strokes) <= {*lines, "page", "rule"}, css


def test_pinned_and_now_stand_out_beside_each_other() -> None:
    """Law: the sliders' two colours have 3:1 on their grounds, and differ for every eye."""
    text = (HERE / "whatif.css").read_text(encoding="utf-8")
    pairs = list(zip(*(re.findall(rf"--sb-{name}: (#\w{{6}});", text) for name in ("now", "pin")),
                     strict=True))  # fmt: skip
    assert len(pairs) == 3
    # JupyterLab's own grounds and VS Code's; the last pair has its own.
    grounds = (("#ffffff", "#f4f5f7", "#eeeeee", "#f8f8f8"), ("#212121", "#424242", "#1f1f1f"),
               ("#16181c", "#23262c"))  # fmt: skip
    for pair, behind in zip(pairs, grounds, strict=True):
        for css in pair:
            for ground in behind:
                assert contrast(rgba(css)[0], rgba(ground)[0]) >= 3, (css, ground)
        assert all(apart(*pair, eye) >= CLEAR for eye in EYES), pair
