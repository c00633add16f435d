"""Every picture is for everybody: WCAG 2.2 AA by axe, contrast, sizes, keyboard, screen reader.

The widgets' own modules and styles are in plain pages, as a reader's browser, JupyterLab and VS
Code would colour them; test_accessible_in_lab.py has the panel in a real JupyterLab.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from playwright.sync_api import Page

from sandbox.export import to_html
from tests.browser import seen
from tests.browser.many_states import many
from tests.browser.plain import HOSTS, settled, show
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

WIDTHS = (600, 900, 1200, 1920)
_ROOTS = ("#board", "#timeline", "#curves", "#sliders", "#diary")


@pytest.mark.parametrize("host", HOSTS)
def test_no_violation_and_no_pale_word(
    plain_page: Page, states: dict[str, Any], host: str, tmp_path: Path
) -> None:
    """Law: in each host and theme axe finds nothing, and each text has 4.5:1 to its ground."""
    page = plain_page
    page.set_viewport_size({"width": 1200, "height": 900})
    show(page, states, host, tmp_path)
    stage = page.locator(".sb-stage")
    stage.focus()
    stage.press("ArrowDown")
    until("a history is open", page.locator("#board .sb-tip").is_visible)
    settled(page)
    if host.startswith("reader"):  # what axe looks at beside colours is the same in all
        assert seen.violations(page, *_ROOTS) == []
    assert seen.pale(page, "main") == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_can_be_read_at_every_width(
    plain_page: Page, states: dict[str, Any], width: int, tmp_path: Path
) -> None:
    """Law: at 600 to 1920 px no text is below 12 px, cut, out of its place or on another."""
    page = plain_page
    page.set_viewport_size({"width": width, "height": 900})
    show(page, states, "reader light", tmp_path)
    for root in _ROOTS:
        box = page.locator(root)
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth"), f"{root} is too wide"
        found = seen.texts(page, root)
        assert seen.small(found) == [], root
        assert seen.overlapping(found) == [], root
        assert seen.cut(found) == [], root


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_exported_page(plain_page: Page, scheme: str, tmp_path: Path) -> None:
    """Law: the page to hand on holds the same, in both of its reader's schemes."""
    page = plain_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    file = tmp_path / "run.html"
    file.write_text(to_html(many()), encoding="utf-8")
    page.goto(file.as_uri())
    until("it is shown", lambda: page.evaluate("document.body.dataset.state") == "ready")
    settled(page)
    assert seen.violations(page, "html") == []
    assert seen.pale(page, "main") == []
    found = seen.texts(page, "main")
    assert seen.small(found) == seen.overlapping(found) == seen.cut(found) == []
