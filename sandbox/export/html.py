"""A page: one run as board, timeline and curves with one player; no Python, no network."""

from __future__ import annotations

import base64
import gzip
import html
import json
from importlib.resources import files
from typing import Any

from sandbox.run import Run
from sandbox.widgets.feed import Encoder, text_of
from sandbox.widgets.modules import BOARD, CURVES, PLOTS, TIMELINE, joined, styles
from sandbox.widgets.series import bin_s_of, end_of
from sandbox.widgets.topology import topology

_SOURCES = {"model": "a run of the model", "live": "a run of real workers"}
_PLACES = {"board": BOARD, "timeline": TIMELINE, "curves": CURVES}


def to_html(run: Run) -> str:
    """Return a page (HTML text) that plays ``run`` in a browser from its file alone.

    Every event that a picture shows is in it, compressed.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> "http" in to_html(Run(one, ())).replace("http://www.w3.org/2000/svg", "")
    False
    """
    engine = str(run.info.get("engine", ""))
    told = topology(run.scenario, source=_SOURCES.get(engine, engine))
    head = {"topology": told, "live": False, "led": True, "bin_s": bin_s_of(end_of(run))}
    return page(head, text_of(Encoder(told).rows(run.events)))


def page(head: dict[str, Any], past: str) -> str:
    """Return the page for a head and the events' text as the widgets take them."""
    packed = base64.b64encode(gzip.compress(past.encode(), mtime=0)).decode()
    return _PAGE.format(
        title=html.escape(str(head["topology"].get("name", "run"))),
        styles=styles(*PLOTS),
        places="".join(f'<section id="{name}" aria-label="{name}"></section>' for name in _PLACES),
        # "</" would end the script in the middle of a string.
        head=json.dumps(head, separators=(",", ":")).replace("</", "<\\/"),
        past=packed,
        widgets=",\n".join(f"{name}: {_widget(names)}" for name, names in _PLACES.items()),
        script=files("sandbox.export").joinpath("page.js").read_text(encoding="utf-8"),
    )


def _widget(names: tuple[str, ...]) -> str:
    """Return an expression for a widget: its modules in a scope of their own."""
    module = joined(*names).replace("export default { render };", "return { render };")
    return f"(() => {{\n{module}\n}})()"


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
const widgets = {{
{widgets}
}};
{script}</script></body></html>
"""
