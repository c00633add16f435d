"""Stored live facts: what real workers did in each row, written by ``make conformance``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from proof.facts import Facts, facts_of
from proof.grid import Outcome, predicted
from proof.row import Row
from sandbox.overheads import Overheads

PATH = Path(__file__).with_name("live-facts.json")


def facts_stored(row: Row) -> Facts:
    """Return the facts of a row's stored live run; the model's own for a row without one.

    Raises KeyError, with the row's name, when ``make conformance`` has not stored it yet.
    """
    if not row.on_redis:
        return facts_of(predicted(row, overheads_stored()), row.fixed)
    facts: Facts = read()["rows"][row.name]
    return facts


def read() -> dict[str, Any]:
    """Return what is stored: versions, broker, and facts by row."""
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def overheads_stored() -> Overheads:
    """Return the calibration that the stored live runs were held against."""
    return Overheads(**read()["source"]["overheads"])


def add(source: dict[str, Any], outcomes: Iterable[Outcome]) -> None:
    """Store what live runs showed, over what was stored of the same rows before."""
    known = read() if PATH.exists() else {"rows": {}, "outcomes": {}}
    for one in outcomes:
        shown = {"took_s": one.took_s, "unlike": one.unlike, "off": one.off, "noise": one.noise}
        known["outcomes"][f"{one.row.name} @ {one.broker}"] = shown
        if one.broker == "redis":
            known["rows"][one.row.name] = one.facts
    text = json.dumps(known | {"source": source}, separators=(",", ":"), sort_keys=True)
    PATH.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


def outcomes_stored(rows: Iterable[Row]) -> list[Outcome]:
    """Return the newest outcome of each row, those on Redis first."""
    known = read()
    return [
        Outcome(
            row, broker, shown["took_s"], known["rows"].get(row.name, {}),
            tuple(shown["unlike"]), shown["off"], shown["noise"],
        )
        for broker in ("redis", "fake")
        for row in rows
        if (shown := known["outcomes"].get(f"{row.name} @ {broker}")) is not None
    ]  # fmt: skip
