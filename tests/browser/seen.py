"""Seen: a page's texts with what is really behind each, from its pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.base import AXE_FILE_PATH
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

from tests.colours import rgba, worst_contrast

_PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SLACK = 3.0
"""Pixels by which two lines' boxes may touch: a box is higher than its letters."""


def violations(page: Page, *roots: str) -> list[str]:
    """Return what axe finds against WCAG 2.2 A and AA below these nodes, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    options = {"runOnly": _RULES, "resultTypes": ["violations"]}
    found = page.evaluate(
        "([roots, options]) => axe.run({ include: roots.map((one) => [one]) }, options)",
        [list(roots), options],
    )
    return [
        f"{broken['id']}: {node['target'][-1]} {node['failureSummary']}"
        for broken in found["violations"]
        for node in broken["nodes"]
    ]


def texts(page: Page, roots: str) -> list[dict[str, Any]]:
    """Return the texts in sight below these nodes: words, box, colour, size."""
    page.evaluate(f"'probe' in window || (() => {{ {_PROBE} }})()")
    return list(page.evaluate("roots => probe.texts(roots)", roots))


def pale(page: Page, roots: str) -> list[tuple[str, str, float]]:
    """Return the words below 4.5:1 to what is behind them, and the signs below 3:1."""
    found = texts(page, roots)
    assert found, f"no text below {roots}"
    page.evaluate("probe.bare(true)")
    shot = page.screenshot(full_page=True)
    page.evaluate("probe.bare(false)")
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    measured = [(one, _contrast(one, pixels)) for one in found]
    return [
        (one["text"], one["where"], ratio)
        for one, ratio in measured
        if ratio < (4.5 if _is_word(one["text"]) else 3.0)
    ]


def _is_word(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _contrast(one: dict[str, Any], pixels: NDArray[np.uint8]) -> float:
    left, top, right, bottom = (round(edge) for edge in one["box"])
    behind = pixels[max(0, top) : bottom, max(0, left) : right].reshape(-1, 3) / 255
    assert behind.size, f"{one['text']} is outside of the page"
    if one["halo"] and not _is_word(one["text"]):
        # A sign has its halo all around it; a word's is among its pixels already.
        behind = rgba(one["halo"])[0].reshape(-1, 3)
    return round(worst_contrast(one["css"], one["opacity"], behind), 2)


def small(found: list[dict[str, Any]]) -> list[str]:
    """Return the texts below 12 px."""
    return [f"{one['text']} {one['size']} px" for one in found if one["size"] < 12]


def overlapping(found: list[dict[str, Any]]) -> list[str]:
    """Return the pairs of texts that lie on one another."""
    boxes = np.array([one["box"] for one in found])
    pairs = []
    for i, box in enumerate(boxes[:-1]):
        others = boxes[i + 1 :]
        low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
        on_it = np.flatnonzero(((high - low) > SLACK).all(axis=1)) + i + 1
        pairs += [f"{found[i]['text']!r} and {found[j]['text']!r}" for j in on_it]
    return pairs


def cut(found: list[dict[str, Any]]) -> list[str]:
    """Return the texts that are cut without being told in full by a title."""
    return [f"{one['text']} ({one['where']})" for one in found if one["cut"] and not one["told"]]
