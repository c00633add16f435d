"""docs/faults.md: what each fault says of itself, beside what it was seen to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from proof.build import ACK_MODES
from proof.cells import ENGINES, Cell, Verdict, address
from proof.damage import DAMAGE, ROLES, Case
from proof.told import MODES, about, sentences
from sandbox.errors import ScenarioError
from sandbox.faults import FAULTS

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
STORED = Path(__file__).with_name("live-damage.json")
PARTS = (*ROLES, "exits")
MARKS: dict[Verdict | None, str] = {
    "proven": "proven", "differs": "**differs**", "not possible": "not possible", None: "–",
}  # fmt: skip
_NAMES = {"model": "model", "fake": "fake", "redis": "Redis", "url": "a URL"}
_POOLS = ("threads", "solo")
_INTRO = """# Faults: what each one does, and to whom

Written by `make faults`. Every cell is one scenario with the fault in it, on an event, run by the
model (virtual time), by real Celery workers on the fake broker, and by real workers on Redis. It
is *proven* when the audit of the run shows what `proof/damage/` declares, and the same numbers as
the model; it *differs* when it does not; it is *not possible* where the engine refuses it, and the
sentence is the engine's own.

Tasks are told apart by what they were when the fault came: *running* in a process of the worker;
*prefetched*, in its memory and in `unacked`; *queued*, in their queue; *published later*. Each
worker holds as many as its credit allows: one or two prefetched (under early ack a task that runs
has left `unacked`, so one more). "Begun again": its first execution ended with its process.
*Workers end*: by themselves or by the fault, each with its exit code or signal. In the column *a
URL* the broker is one that the sandbox does not own, under early ack only.
"""


@dataclass(frozen=True)
class Shown:
    """What the page needs of a cell: the verdict, why it is not proven, and each role's fates."""

    verdict: Verdict
    told: str
    parts: dict[str, str]
    took_s: float

    @classmethod
    def of(cls, cell: Cell) -> Shown:
        """Return what is shown of a cell."""
        parts = {} if cell.found is None else {part: cell.found.told(part) for part in PARTS}
        return cls(cell.verdict, cell.told, parts, round(cell.took_s, 1))


Table = dict[str, Shown]


def stored() -> Table:
    """Return the newest outcome of each cell, by its address."""
    if not STORED.exists():
        return {}
    return {name: Shown(**shown) for name, shown in json.loads(STORED.read_text())["cells"].items()}


def add(source: dict[str, Any], cells: Iterable[Cell]) -> None:
    """Store outcomes over what was stored of the same cells before."""
    table = stored() | {cell.name: Shown.of(cell) for cell in cells}
    known = {name for case in _cases() for name in _addresses(case)}
    kept = {name: asdict(shown) for name, shown in table.items() if name in known}
    text = json.dumps({"source": source, "cells": kept}, separators=(",", ":"), sort_keys=True)
    STORED.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


def _cases() -> list[Case]:
    return [case for cases in DAMAGE.values() for case in cases]


def _addresses(case: Case) -> list[str]:
    engines = (*ENGINES, "url")
    return [address(case, mode, engine) for mode in ACK_MODES for engine in engines]


# --- the page ------------------------------------------------------------------------------


def page(table: Table, source: dict[str, Any]) -> str:
    """Return the whole page."""
    parts = [_INTRO, summary(table, source), "", _overview(table)]
    parts += [_section(kind, table) for kind in DAMAGE]
    return "\n".join(parts)


def summary(table: Table, source: dict[str, Any]) -> str:
    """Return in a sentence how many cells came to what, and on which machine."""
    counts = ", ".join(
        f"{sum(one.verdict == verdict for one in table.values())} {verdict}"
        for verdict in ("proven", "differs", "not possible")
    )
    versions = ", ".join(f"{name} {version}" for name, version in source["versions"].items())
    return (
        f"{len(table)} cells of {len(DAMAGE)} faults in {len(_cases())} situations: {counts}. "
        f"{source['cores']} cores, {versions}."
    )


def _overview(table: Table) -> str:
    """Return the table fault x ack mode x engine, with a verdict in each cell."""
    heads = [f"{label}: {_NAMES[e]}" for label in MODES.values() for e in ENGINES]
    heads.append("early ack: a URL")
    signs = {"proven": "✓", "differs": "✗", "not possible": "not possible"}
    lines = [f"| fault | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for case in _cases():
        names = [address(case, mode, engine) for mode in MODES for engine in ENGINES]
        names.append(address(case, "early", "url"))
        found = [signs[table[name].verdict] if name in table else "–" for name in names]
        lines.append(f"| {case.title} | {' | '.join(found)} |")
    return "\n".join(["## All cells", "", *lines, ""])


def _section(kind: str, table: Table) -> str:
    fault = FAULTS[kind]
    platforms = getattr(fault, "platforms", "")
    parts = [f"## {kind}", "", about(fault), ""]
    parts += [f"Platforms: {platforms}.", ""] if platforms else []
    heads = ("ack mode", "the fault says", "situation", "running", "prefetched", "queued")
    heads += ("published later", "workers end", *(_NAMES[engine] for engine in ENGINES))
    parts += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for mode, label in MODES.items():
        says = sentences(fault)[mode].replace("``", "`")
        for i, case in enumerate(DAMAGE[kind]):
            first = (label, says) if i == 0 else ("", "")
            parts.append(f"| {' | '.join((*first, *_row(case, mode, table)))} |")
    told = [*(f"- {case.name}: {case.why}" for case in DAMAGE[kind] if case.why)]
    told += [f"- {told}" for told in (*_reasons(kind, table), *_pools(kind))]
    return "\n".join([*parts, "", *told, *([""] if told else [])])


def _row(case: Case, mode: str, table: Table) -> list[str]:
    cells = [table.get(address(case, mode, engine)) for engine in ENGINES]
    best = next((one for one in reversed(cells) if one is not None and one.parts), None)
    parts = best.parts if best is not None else {}
    seen = [parts.get(part) or "–" for part in PARTS]
    return [case.name or "–", *seen, *(MARKS[one.verdict if one else None] for one in cells)]


def _reasons(kind: str, table: Table) -> list[str]:
    """Return, without repetition, why cells of a fault are not possible, or how they differ."""
    found: dict[str, None] = {}
    for case in DAMAGE[kind]:
        for name in _addresses(case):
            shown = table.get(name)
            if shown is not None and shown.told:
                engine = _NAMES[name.rpartition("@ ")[2]]
                what = f" ({name})" if shown.verdict == "differs" else ""
                found[f"{shown.verdict} on {engine}{what}: {shown.told}"] = None
    return list(found)


def _pools(kind: str) -> list[str]:
    """Return why a fault has no meaning with other pools, in the scenario's own words."""
    told = []
    scenario = DAMAGE[kind][0].build("early")
    for pool in _POOLS:
        changed = [one.but(pool=pool, concurrency=1) for one in scenario.workers]
        try:
            scenario.but(workers=changed)
        except ScenarioError as exc:
            told.append(f"not possible with a pool of {pool}: {exc}")
    return told
