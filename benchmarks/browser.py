"""Frames a second and processor time a frame in headless Chromium, with software rendering.

Frames a second tell what a reader sees and depend on what else the machine does; the
processor time of the page's own script in a frame (Chromium's trace, thread time) does not.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
_WIDTH, _HEIGHT = 1200, 1000
_FRAMES = """async ms => {
    let n = 0; let begun = await new Promise(requestAnimationFrame); let last = begun;
    while (last - begun < ms) { last = await new Promise(requestAnimationFrame); n += 1; }
    return 1000 * n / (last - begun);
}"""
_NAIVE = """dots => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.body.appendChild(document.createElementNS(space, "svg"));
    svg.setAttribute("width", 1180); svg.setAttribute("height", 1800);
    const nodes = dots.map(() => svg.appendChild(document.createElementNS(space, "circle")));
    for (const node of nodes) { node.setAttribute("r", 3); node.setAttribute("fill", "#0072b2"); }
    const frame = now => {
        nodes.forEach((node, i) => {
            const away = 8 * Math.sin(now / 200 + i);
            node.setAttribute("cx", dots[i][0] + away); node.setAttribute("cy", dots[i][1]);
        });
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless Chromium."""
    with sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


def opened(browser: Browser, text: str, folder: Path, until: str = "true") -> Page:
    """Open a page from its text; return it when ``until``, an expression, is true in it."""
    file = folder / "shown.html"
    file.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
    page.goto(file.as_uri())
    page.wait_for_function(until)
    return page


def frames_per_s(page: Page, seconds: float) -> float:
    """Return how many frames a second a page draws."""
    return float(page.evaluate(_FRAMES, seconds * 1000))


def naive(browser: Browser, dots: list[list[float]], folder: Path) -> Page:
    """Open the naive twin: an SVG circle a message, each with a new place in every frame."""
    page = opened(browser, "<!doctype html><title>naive</title><body></body>", folder)
    page.evaluate(_NAIVE, dots)
    return page


def script_ms(browser: Browser, page: Page, seconds: float) -> list[float]:
    """Return the processor time (ms) of the page's script in each frame."""
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    frames_per_s(page, seconds)
    told: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    found: dict[int, float] = {}
    for event in told:
        if event["name"] == "FireAnimationFrame" and "tdur" in event:
            # The callbacks of one frame follow one another within a millisecond.
            at = round(event["ts"] / 8000)
            found[at] = found.get(at, 0.0) + event["tdur"] / 1000
    return list(found.values())


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile.

    >>> percentiles([1.0] * 50 + [2.0] * 50)
    (1.5, 2.0)
    """
    return statistics.median(values), statistics.quantiles(values, n=20)[18]
