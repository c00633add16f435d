"""The exported page of a run of 100,000 events: it opens, scrubs, plays and draws."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import BrowserContext

from sandbox.export import to_html
from tests.browser.test_exported_page import show
from tests.large import large_run
from tests.waiting import until

_SCRUB = """share => {
    const slider = document.querySelector("#board .sb-range");
    slider.value = share * Number(slider.max);
    slider.dispatchEvent(new Event("input"));
    return Number(slider.max) * share;
}"""


def test_100_000_events_open_scrub_and_play(context: BrowserContext, tmp_path: Path) -> None:
    """Law: at each moment the page counts what the fold in Python counts, and it plays on."""
    run, page = large_run(), context.new_page()
    show(page, to_html(run), tmp_path)
    assert "share of busy processes" in page.locator("#timeline").inner_text()
    number = page.locator("#board .sb-source b")
    for share in (0.9, 0.2, 0.6):
        at_s = page.evaluate(_SCRUB, share)
        n_sent = len({e.task for e in run.events if e.kind == "sent" and round(e.t_s, 4) <= at_s})
        until("the board has followed", lambda n=n_sent: number.inner_text() == str(n))
        said = page.locator("#curves [data-id='reads:queued']").inner_text()
        assert said.startswith("queued")
    assert page.locator("#board .sb-over").evaluate_all(
        "nodes => nodes.some(node => node.textContent.startsWith('+'))"
    ), "what finds no seat is counted"
    before = number.inner_text()
    page.locator("#board").get_by_role("button", name="Play").click()
    until("it plays", lambda: number.inner_text() != before)
    page.close()
