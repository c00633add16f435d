"""A run as a page that plays in any browser; the widgets' own page does it."""

from __future__ import annotations

from sandbox.widgets.page import page, to_html

__all__ = ["page", "to_html"]
