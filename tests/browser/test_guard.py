"""The guard of the browser tests sees what it is there for; else it would guard nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser import guard
from tests.waiting import until

pytestmark = pytest.mark.browser

_WRONG = {
    "asked another machine": "fetch('http://localhost:9/').catch(() => {})",
    "asked another machine: ws": "new WebSocket('ws://localhost:9/').onerror = () => {}",
    "a page from a file asked for": "new Image().src = 'beside.png'",
    "error on the console": "console.error('sorry')",
    "a script threw": "setTimeout(() => { throw new Error('sorry'); })",
}


@pytest.mark.parametrize(("sentence", "script"), _WRONG.items())
def test_what_is_wrong_is_told(
    context: BrowserContext, tmp_path: Path, sentence: str, script: str
) -> None:
    """Law: each thing that no page may do is told by the guard, in a page from a file."""
    page = context.new_page()
    page.route("http*://**", lambda route: route.abort())
    file = tmp_path / "page.html"
    file.write_text("<!doctype html><title>page</title>", encoding="utf-8")
    page.goto(file.as_uri())
    assert guard.told() == []
    page.evaluate(f"() => {{ {script}; }}")
    found: list[str] = []

    def is_told() -> bool:
        page.evaluate("1")
        found.extend(guard.told())
        return any(one.startswith(sentence) for one in found)

    until("it is told", is_told)
    page.close()
    guard.told()
