"""Page: pictures of a run in one HTML file; no Python, no kernel, no network.

The page's own model stands where a notebook's kernel would, and one player moves all pictures.
Every event that a picture shows is in the file, compressed.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import RunError
from sandbox.run import Run
from sandbox.widgets.feed import Encoder, text_of
from sandbox.widgets.modules import BOARD, CURVES, HERE, PLOTS, TIMELINE, scoped, styles
from sandbox.widgets.series import bin_s_of, end_of
from sandbox.widgets.topology import topology

if TYPE_CHECKING:
    from sandbox.widgets.board import Board

PLACES = {"board": BOARD, "timeline": TIMELINE, "curves": CURVES}
"""The pictures of a recording: the modules of each, by the name of its place."""
_SOURCES = {"model": "a run of the model", "live": "a run of real workers"}


def to_html(run: Run) -> str:
    """Return a page (HTML text) that plays ``run`` in a browser from its file alone.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> "http" in to_html(Run(one, ())).replace("http://www.w3.org/2000/svg", "")
    False
    """
    engine = str(run.info.get("engine", ""))
    told = topology(run.scenario, source=_SOURCES.get(engine, engine))
    head = {"topology": told, "live": False, "led": True, "bin_s": bin_s_of(end_of(run))}
    return page(head, text_of(Encoder(told).rows(run.events)))


def export_html(run: Run, file: str | Path) -> Path:
    """Write the page of a run and return its path; RunError where it cannot be written."""
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_html(run), encoding="utf-8")
    except OSError as exc:
        raise RunError(f"{path} cannot be written: {exc.strerror}") from None
    return path


def standalone(board: Board) -> str:
    """Return a page with a board alone, at the moment it is set to."""
    state = board.get_state()
    traits = {name: state[name] for name in ("cursor_s", "focus", "log")}
    return page(state["head"], state["past"], places={"board": BOARD}, traits=traits)


def page(
    head: Mapping[str, Any],
    past: str,
    *,
    places: Mapping[str, tuple[str, ...]] = PLACES,
    traits: Mapping[str, Any] | None = None,
) -> str:
    """Return the page for a head and the events' text as the widgets take them."""
    packed = base64.b64encode(gzip.compress(past.encode(), mtime=0)).decode()
    return _PAGE.format(
        title=html.escape(str(head["topology"].get("name", "run"))),
        styles=styles(*PLOTS),
        places="".join(f'<section id="{name}" aria-label="{name}"></section>' for name in places),
        head=_script_text(head),
        traits=_script_text(traits or {}),
        past=packed,
        widgets=",\n".join(f"{name}: {scoped(*names)}" for name, names in places.items()),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )


def _script_text(data: Mapping[str, Any]) -> str:
    # "</" would end the script in the middle of a string.
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1280px; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #101418; }} }}
{styles}
</style></head>
<body><main>{places}</main>
<noscript>This page plays a run with JavaScript, which is turned off here.</noscript>
<script type="application/octet-stream" id="past">{past}</script>
<script type="module">
const head = {head};
const given = {traits};
const widgets = {{
{widgets}
}};
{script}</script></body></html>
"""
