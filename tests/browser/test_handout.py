"""The page to print is one page of A4."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
HANDOUT = Path(__file__).parents[2] / "docs" / "handout.html"


def test_the_handout_is_one_page(plain_page: Page) -> None:
    """Law: printed with its own margins, nothing runs over."""
    plain_page.goto(HANDOUT.as_uri())
    pdf = plain_page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1
    (box,) = set(re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf))
    assert [round(float(side)) for side in box] == [595, 842]
