"""All pairs: few rows in which every two values of any two columns meet at least once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

Pair = tuple[tuple[str, str], tuple[str, str]]


def pairs_of(row: Mapping[str, str]) -> set[Pair]:
    """Return the pairs that one row covers.

    >>> len(pairs_of({"ack": "late", "prefetch": "1", "fault": "none"}))
    3
    """
    return set(combinations(sorted(row.items()), 2))


def all_pairs(columns: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return rows that cover every pair; greedy: always the row with most that are missing.

    >>> rows = all_pairs({"ack": "el", "prefetch": "14", "fault": "nkt"})
    >>> len(rows)
    6
    """
    rows = [dict(zip(columns, values, strict=True)) for values in product(*columns.values())]
    missing = set().union(*map(pairs_of, rows))
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(pairs_of(row) & missing))
        chosen.append(best)
        missing -= pairs_of(best)
    return chosen
