"""Still: what stands where a widget was, in a saved notebook: a table, in plain HTML."""

from __future__ import annotations

import html

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
