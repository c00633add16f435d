"""Run benchmarks and print one table: ``python -m benchmarks [--write] [name …]``.

With ``--write`` the whole table also replaces the README's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import (
    fake_redis,
    ledger,
    model_scale,
    model_speed,
    pictures,
    proxy,
    recorder,
    startup,
    what_if,
)
from benchmarks.table import HEAD, Row
from proof.readme import README, write_into

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "startup": startup.measure,
    "fake": fake_redis.measure,
    "model": model_speed.measure,
    "scale": model_scale.measure,
    "recorder": recorder.measure,
    "proxy": proxy.measure,
    "ledger": ledger.measure,
    "what-if": what_if.measure,
    "pictures": pictures.measure,
}


def main(arguments: list[str]) -> None:
    """Print the table for the benchmarks named, or for all."""
    names = [name for name in arguments if name != "--write"]
    unknown = set(names) - BENCHMARKS.keys()
    if unknown:
        raise SystemExit(f"no benchmark {sorted(unknown)}; allowed: {', '.join(BENCHMARKS)}")
    print(HEAD)
    lines = []
    for name in names or BENCHMARKS:
        for row in BENCHMARKS[name]():
            lines.append(row.line())
            print(lines[-1], flush=True)
    if "--write" in arguments and not names:
        write_into(README, "benchmarks", "bench", "\n".join([HEAD, *lines]))


if __name__ == "__main__":
    main(sys.argv[1:])
