"""Run every benchmark and print one table: ``python -m benchmarks [name …]``."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

from benchmarks import fake_redis, model_speed, startup


class Result(NamedTuple):
    """One line of the table: two medians over rounds taken in turns."""

    what: str
    ours: list[float]
    theirs: list[float]
    unit: str


BENCHMARKS: dict[str, Callable[[], list[tuple[str, list[float], list[float], str]]]] = {
    "startup": startup.measure,
    "fake": fake_redis.measure,
    "model": model_speed.measure,
}


def main(names: list[str]) -> None:
    """Print the table for the benchmarks named, or for all."""
    unknown = set(names) - BENCHMARKS.keys()
    if unknown:
        raise SystemExit(f"no benchmark {sorted(unknown)}; allowed: {', '.join(BENCHMARKS)}")
    print("| what | first | second | ratio | rounds |")
    print("|---|---|---|---|---|")
    for name in names or BENCHMARKS:
        for row in map(Result._make, BENCHMARKS[name]()):
            ours, theirs = statistics.median(row.ours), statistics.median(row.theirs)
            print(
                f"| {row.what} | {ours:.4g} {row.unit} | {theirs:.4g} {row.unit} "
                f"| {ours / theirs:.2f} | {len(row.ours)} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
