"""A JupyterLab and a Chromium for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import BrowserContext, Page

from sandbox import lab
from sandbox.widgets.modules import HERE
from tests.browser import guard
from tests.browser.lab_harness import CHROMIUM, LabPage, LabServer, chromium
from tests.browser.many_states import KILLED_S, MANY, many
from tests.browser.plain import state_of
from tests.waiting import until

Opened = Callable[[Path], LabPage]
States = dict[str, Any]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Return one JupyterLab for all tests."""
    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Return one Chromium for all tests; without one, skip on a laptop and fail in CI."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {CHROMIUM}, so nothing would be proved in a browser")
        pytest.skip(f"no {CHROMIUM} on this machine (Debian: apt install chromium; any other "
                    "Chromium by its path in $SANDBOX_CHROMIUM)")  # fmt: skip
    with chromium(tmp_path_factory.mktemp("chromium")) as context:
        yield context


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    """Fail a test in which a page did what none may do; see ``guard``."""
    yield
    assert guard.told() == []


@pytest.fixture
def opened(context: BrowserContext, server: LabServer, tmp_path: Path) -> Iterator[Opened]:
    """Return a function that opens a notebook, with a kernel of its own."""
    with opening(context, server, tmp_path / "shots") as opened:
        yield opened


@pytest.fixture(scope="module")
def kept(
    context: BrowserContext, server: LabServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """Return the same for notebooks that all tests of a module share."""
    with opening(context, server, tmp_path_factory.mktemp("shots")) as opened:
        yield opened


@contextmanager
def opening(context: BrowserContext, server: LabServer, shots: Path) -> Iterator[Opened]:
    """Open notebooks, each in a page of its own, until the end; then no kernel is left.

    ``$SANDBOX_SHOTS`` names a folder that keeps the pictures.
    """
    shots = Path(os.environ.get("SANDBOX_SHOTS") or shots)
    pages: list[Page] = []

    def opened(notebook: Path) -> LabPage:
        pages.append(context.new_page())
        return LabPage(pages[-1], server, server.add(notebook), shots)

    yield opened
    for page in pages:
        page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
        page.close()
    until("the kernel is gone", lambda: not server.processes())


@pytest.fixture(scope="session")
def states() -> States:
    """Return every widget at a telling moment, as a page gets it."""
    run = many()
    board = lab.board(run, at_s=KILLED_S)
    board.log = ["kill_worker('worker2'): done", "skip(12): done"]
    predicted = [lab.model(MANY.but(seed=seed)) for seed in (4, 5, 6)]
    sliders = lab.sliders(MANY)
    sliders.pin()
    sliders.move({"concurrency:worker": 5})
    sliders.wait()
    diary = {
        "_esm": (HERE / "diary.js").read_text(encoding="utf-8"),
        "_css": (HERE / "diary.css").read_text(encoding="utf-8"),
        "lines": ["2.50 s: kill_worker('worker2')", "4.00 s: start_worker('worker2')"],
        "scenario": MANY.to_json(),
        "left_out": ["save_run"],
    }
    widgets = {
        "board": board,
        "timeline": lab.timeline(run, predicted[0]),
        "curves": lab.curves(run, predicted, at_s=KILLED_S),
        "sliders": sliders,
    }
    told = {name: state_of(widget) for name, widget in widgets.items()} | {"diary": diary}
    sliders.close()
    return told


@pytest.fixture
def plain_page(context: BrowserContext) -> Iterator[Page]:
    """Return a page whose errors fail the test."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []
