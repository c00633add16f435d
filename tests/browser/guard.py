"""Guard: what no page of ours may do, whatever a test looks at; every browser test goes through it.

Nothing is asked of any machine but 127.0.0.1, a page from a file asks for nothing at all, the
console tells no error and no script throws.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

# JupyterLab's own noise; whatever else the console calls an error is ours.
NOT_OURS = ("favicon", "service-worker", "workspaces/", "ResizeObserver")
_NETWORK = {"http", "https", "ws", "wss", "ftp"}
_OWN = {"blob", "data"}
"""What is in the page's own memory: nobody is asked for it."""
WATCHES: list[Watch] = []
"""Of each Chromium that was started, what went wrong in it and was not yet told."""


class Watch:
    """Listens to all pages of a browser; ``wrong`` has a sentence for each thing that is wrong."""

    def __init__(self, context: BrowserContext) -> None:
        self.wrong: list[str] = []
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("page", lambda page: page.on("websocket", lambda it: self._socket(it.url)))
        WATCHES.append(self)

    def told(self) -> list[str]:
        """Return what was wrong since this was last asked, and forget it."""
        found, self.wrong = self.wrong, []
        return found

    def _request(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme in _NETWORK and place.hostname != "127.0.0.1":
            self.wrong.append(f"asked another machine: {request.url}")
        elif place.scheme in _OWN or request.is_navigation_request():
            return
        elif _page_of(request).startswith("file:"):
            self.wrong.append(f"a page from a file asked for {request.url}")

    def _socket(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            self.wrong.append(f"asked another machine: {url}")

    def _console(self, message: ConsoleMessage) -> None:
        where = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and not any(word in where for word in NOT_OURS):
            self.wrong.append(f"error on the console: {where}")

    def _error(self, error: WebError) -> None:
        self.wrong.append(f"a script threw: {error.error}")


def _page_of(request: Request) -> str:
    """Return the address of the page that asks; "" for what no page asks, a worker's script."""
    try:
        return str(request.frame.url)
    except Exception:  # noqa: BLE001 - Playwright has no name for "this request has no frame"
        return ""


def told() -> list[Any]:
    """Return all that was wrong in any browser since this was last asked."""
    return [one for watch in WATCHES for one in watch.told()]
