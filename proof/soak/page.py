"""The page of the soak: docs/soak.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proof.soak.chaos import LEFT_OUT
from proof.soak.judge import Criterion
from proof.soak.watch import Sample

_HEAD = """# Soak

Written by `make soak`: one session of real workers on a real Redis, its cores never idle, broken
and mended at random for {minutes:g} minutes (seed {seed}), then drained and audited.
"""
_WORDS = {True: "holds", False: "**fails**", None: "told only"}


@dataclass(frozen=True)
class Facts:
    """What a soak did, for the reader."""

    n_events: int
    kinds: Counter[str]
    counts: Mapping[str, int]
    totals: str
    guarantees: Sequence[str]
    causes: Counter[str]
    faults: Counter[str]
    refused: Counter[str]
    revived: Counter[str]
    cores: float
    idle_cores: float
    n_processes: int
    took_s: float


def written(
    seconds: float,
    seed: int,
    criteria: Sequence[Criterion],
    facts: Facts,
    minutes: Sequence[Sample],
) -> str:
    """Return the page."""
    parts = [
        _HEAD.format(minutes=seconds / 60, seed=seed),
        _table(
            ["criterion", "wanted", "found", ""],
            [[one.name, one.wanted, one.found, _WORDS[one.holds]] for one in criteria],
        ),
        _load(facts),
        _faults(facts),
        _accounts(facts),
        "## Minute by minute\n\nMedians; memory in MB (anonymous and shared, proportional).\n",
        _minutes(minutes),
    ]
    return "\n".join(parts)


def _load(facts: Facts) -> str:
    total = facts.totals.replace("\n", "; ")
    a_minute = facts.n_events / facts.took_s * 60
    return (
        "## The load\n\n"
        f"{facts.n_events} events ({a_minute:.0f} a minute, of which {facts.kinds['sample']} are "
        f"samples of the broker) in {facts.took_s:.0f} s; {facts.n_processes} processes "
        f"altogether; at least {facts.cores:.2f} cores busy with it, as seen every two seconds, "
        f"and {facts.idle_cores:.2f} of the machine's idle. {total}.\n"
    )


def _faults(facts: Facts) -> str:
    lines = [f"- {verb}: {n}" for verb, n in sorted(facts.faults.items())]
    lines += [f"- refused: {why} ({n})" for why, n in sorted(facts.refused.items())]
    lines += [f"- started again: {why} ({n})" for why, n in sorted(facts.revived.items())]
    lines += [f"- not used: {verb}, since {why}" for verb, why in LEFT_OUT.items()]
    return f"## {sum(facts.faults.values())} faults\n\n" + "\n".join(lines) + "\n"


def _accounts(facts: Facts) -> str:
    lines = [f"- {verdict}: {n}" for verdict, n in facts.counts.items()]
    lines += [
        f"- of those that are lost, doubled or unknown: {c} ({n})" for c, n in facts.causes.items()
    ]
    lines += [f"- {told}" for told in facts.guarantees]
    return "## What became of every task\n\n" + "\n".join(lines) + "\n"


def _minutes(minutes: Sequence[Sample]) -> str:
    roles = list(dict.fromkeys(role for one in minutes for role in one.memory))
    rows = []
    for one in minutes:
        cells = [_cell(one, role) for role in roles]
        rows.append([f"{one.at_s / 60:.0f}", f"{sum(one.memory.values()):.1f}", *cells])
    return _table(["minute", "all", *(f"{role} (fds)" for role in roles)], rows)


def _cell(one: Sample, role: str) -> str:
    if role not in one.memory:
        return "–"
    n = one.descriptors.get(role)
    return f"{one.memory[role]:.1f}" + (f" ({n})" if n else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
