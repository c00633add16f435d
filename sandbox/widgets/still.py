"""Still: what stands where a widget was, in a saved notebook: picture and table, in plain HTML."""

from __future__ import annotations

import base64
import html
from typing import Any

from sandbox.widgets.tally import Counts


def counts_table(counts: Counts, caption: str) -> str:
    """Return the counters as an HTML table.

    >>> counts_table(Counts((("celery", 3),), ()), "now")[:48]
    '<table><caption>now</caption><tr><th>counter</th'
    """
    cells = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{n}</td><td>{html.escape(note)}</td></tr>'
        for name, n, note in counts.rows()
    )
    head = "<tr><th>counter</th><th>n</th><th>remark</th></tr>"
    return f"<table><caption>{html.escape(caption)}</caption>{head}{cells}</table>"


def picture_html(picture: Any) -> str:
    """Return a picture of `sandbox.pictures` as an HTML image that needs no other file."""
    png, about = picture._repr_png_()
    packed = base64.b64encode(png).decode()
    alt = html.escape(about["alt"])
    return f'<img alt="{alt}" style="max-width:100%" src="data:image/png;base64,{packed}">'
