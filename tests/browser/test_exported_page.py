"""The exported page plays from its file: no network, no kernel, one player for all pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import BrowserContext, Page

from sandbox import workbench
from sandbox.export import to_html
from sandbox.export.html import page as page_of
from sandbox.run import Run
from sandbox.systems import get
from sandbox.widgets.topology import topology
from tests.waiting import until

_TASK = "celery_app.browser_automation_task/61"


def show(page: Page, text: str, folder: Path) -> None:
    """Open a page from its file; the guard tells what it asks for and what goes wrong."""
    file = folder / "run.html"
    file.write_text(text, encoding="utf-8")
    page.goto(file.as_uri())
    until("it is shown", lambda: page.evaluate("document.body.dataset.state") == "ready")
    until("it is drawn", lambda: page.locator(".sb-now").count() >= 5)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Return a page without a network."""
    page = context.new_page()
    page.route("http*://**", lambda route: route.abort())
    return page


def test_a_worker_s_kill_plays_offline(page: Page, tmp_path: Path) -> None:
    """Law: chain, cursor and keys work in all three pictures, and it fits a narrow window."""
    night = workbench.run(get("leadlawk").scenario, engine="model")
    show(page, to_html(night), tmp_path)
    bars = page.locator("#timeline .sb-bar")
    assert bars.count() == 217
    assert page.locator("#timeline [data-verb=kill_worker]").count() == 1

    page.locator(f"#timeline [data-task='{_TASK}']").first.click()
    until("its chain is drawn", lambda: page.locator("#timeline .sb-link").count() == 1)
    assert "back of its queue" in page.locator("#timeline .sb-detail").inner_text()

    page.get_by_label("Time", exact=True).fill("12")
    cursors = "ns => ns.map(n => n.getAttribute('x1'))"
    until("all follow", lambda: "done 6.00" in page.locator("#curves").inner_text())
    before = page.locator(".sb-now").evaluate_all(cursors)
    page.locator("#board").get_by_role("button", name="Play").click()
    until("all play", lambda: page.locator(".sb-now").evaluate_all(cursors) != before)

    stage = page.locator(".sb-attempts-of")
    stage.focus()
    stage.press("ArrowRight")
    until("keys choose", lambda: page.locator("#timeline .sb-chosen").count() > 0)
    stage.press("+")
    until("zoomed", lambda: bars.count() < 217)
    page.set_viewport_size({"width": 600, "height": 900})
    wide = "() => document.documentElement.scrollWidth <= 600"
    until("it fits a narrow window", lambda: page.evaluate(wide))
    page.close()


def test_an_empty_run_and_a_wrong_list_say_so(page: Page, tmp_path: Path) -> None:
    """Law: nothing to show, or what is no event, is told in a sentence."""
    described = get("leadlawk").scenario
    show(page, to_html(Run(described, ())), tmp_path)
    assert "no events yet" in page.locator("#timeline").inner_text()
    head = {"topology": topology(described), "led": True, "bin_s": 0.5}
    show(page, page_of(head, json.dumps([[1, 99], None, 7, "<b>"])), tmp_path)
    assert "4 broken events were left out" in page.locator("#timeline").inner_text()
    page.close()
