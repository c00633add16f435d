"""Goodput beside throughput: what a system did in each stretch of time, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sandbox.run import Event, Run

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("sent", "attempts", "served", "served to nobody", "done")


def goodput_table(run: Run, every_s: float = 30.0) -> pd.DataFrame:
    """Return what happened every so many seconds, a row each stretch that had an event.

    ``sent``: tasks, without their retries. ``attempts``: bodies begun, which is the throughput
    asked for. ``served``: calls that a dependency answered; ``served to nobody``: those whose
    caller had given up by then. ``done``: tasks that succeeded, the goodput.
    """
    import pandas as pd

    if every_s <= 0:
        raise ValueError(f"every_s is {every_s}; allowed: above 0")
    found = Counter((int(e.t_s // every_s), _column(e)) for e in run.events)
    stretches = sorted({stretch for stretch, column in found if column})
    rows = [[found[stretch, column] for column in COLUMNS] for stretch in stretches]
    index = pd.Index([f"{i * every_s:g}" for i in stretches], name="from s")
    return pd.DataFrame(rows, columns=list(COLUMNS), index=index)


def _column(event: Event) -> str:
    """Return the column that an event counts in; an empty text for one that counts nowhere."""
    if event.kind == "call_ended":
        outcome = (event.detail or {}).get("outcome")
        return {"served": "served", "abandoned": "served to nobody"}.get(str(outcome), "")
    if event.kind == "sent":
        return "" if event.retry else "sent"
    return {"started": "attempts", "succeeded": "done"}.get(event.kind, "")
