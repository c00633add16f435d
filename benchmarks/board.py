"""The board in headless Chromium: frames a second with 2,000 messages in view, bytes an event.

``python -m benchmarks.board`` prints one line a figure. Software rendering; the page is the
board's own modules on a model's run, without JupyterLab.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from sandbox import workbench
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems import get
from sandbox.widgets.board import Board
from sandbox.widgets.page import standalone

CHROMIUM = "/usr/bin/chromium"
_QUEUES, _EACH = 24, 109
_SECONDS = 4.0
_FRAMES = """async ms => {
    const gaps = []; const begun = performance.now(); let last = begun;
    while (last - begun < ms) {
        const now = await new Promise(requestAnimationFrame); gaps.push(now - last); last = now;
    }
    gaps.sort((a, b) => a - b);
    return {fps: 1000 * gaps.length / (last - begun), p95: gaps[Math.floor(0.95 * gaps.length)]};
}"""


def crowded() -> Run:
    """Return a run of the model with 2,616 messages, most of which wait at once."""
    names = [f"queue{i}" for i in range(_QUEUES)]
    work: dict[str, Any] = {"kind": "exponential", "mean_s": 0.35}
    described = Scenario(
        name="crowded",
        tasks=[{"name": f"task{i}", "queue": q, "service": work} for i, q in enumerate(names)],
        queues=names,
        workers=[{"n_workers": 6, "concurrency": 8, "queues": names}],
        loads=[{"kind": "burst", "task": f"task{i}", "n": _EACH} for i in range(_QUEUES)],
        horizon_s=1.0,
        deadline_s=60.0,
    )
    return workbench.run(described, engine="model")


def opened(page: Page, board: Board, folder: Path) -> float:
    """Show a board; return the seconds until it is drawn."""
    file = folder / "board.html"
    file.write_text(standalone(board), encoding="utf-8")
    begun = time.monotonic()
    page.goto(file.as_uri())
    page.wait_for_function("window.sandboxView?.areas.size > 0")
    return time.monotonic() - begun


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        board = Board(crowded(), at_s=5.3)
        opened(page, board, Path(folder))
        page.evaluate("window.sandboxView.transport.play.click()")
        told = page.evaluate(_FRAMES, _SECONDS * 1000)
        in_view = page.evaluate("window.sandboxView.dots.all.length")
        print(f"frames/s, {in_view} dots at the end: {told['fps']:.1f}, p95 {told['p95']:.1f} ms")
        work = page.evaluate(
            "() => { const v = window.sandboxView, t = performance.now();"
            "for (let i = 0; i < 50; i += 1) { v.show(350); v.dots.draw(performance.now()); }"
            "return (performance.now() - t) / 50; }"
        )
        print(f"work of one frame that moves every message: {work:.2f} ms")
        for name, run in (("LeadLawk", workbench.run(get("leadlawk").scenario, engine="model")),):
            shown = Board(run)
            n_bytes = len(json.dumps(shown.get_state()["past"]))
            print(f"{name}: {n_bytes / shown.n_shown:.0f} bytes an event, {shown.n_shown} events")
        browser.close()


if __name__ == "__main__":
    main()
