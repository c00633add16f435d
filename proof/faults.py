"""``make faults``: every fault under each ack mode on the model, the fake and Redis, and its page.

``python -m proof.faults PART …`` runs those whose names contain a part. Exit code 1 when a cell
is not as declared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from proof import damage_page
from proof.build import ACK_MODES
from proof.cells import ENGINES, Cell, judge
from proof.damage import CASES, Case
from proof.told import MODES
from sandbox import calibration

TOGETHER = 4
"""How many live cells run at once: nearly all of their time is waiting."""


def main(arguments: list[str]) -> int:
    """Run all cells, or those of the cases named; return 1 if any differs."""
    began = time.monotonic()
    chosen = [case for case in CASES if not arguments or any(a in case.title for a in arguments)]
    machine, cells = calibration.machine(), []
    for cell in outcomes(chosen):
        cells.append(cell)
        print(line(cell), flush=True)
    damage_page.add(machine, cells)
    table = damage_page.stored()
    damage_page.PAGE.write_text(damage_page.page(table, machine), encoding="utf-8")
    print(damage_page.summary({cell.name: damage_page.Shown.of(cell) for cell in cells}, machine))
    print(f"{time.monotonic() - began:.0f} s; {damage_page.PAGE.name} is written")
    return int(any(cell.verdict == "differs" for cell in cells))


def outcomes(cases: list[Case]) -> Iterator[Cell]:
    """Yield the model's cells, then the live ones as they end; those on a URL early only."""
    predicted = {}
    for case in cases:
        for mode in ACK_MODES:
            cell = judge(case, mode, "model")
            predicted[case.title, mode] = cell.found
            yield cell
    live = [(case, mode, engine) for engine in ENGINES[1:] for case in cases for mode in ACK_MODES]
    live += [(case, "early", "url") for case in cases]
    with ThreadPoolExecutor(TOGETHER) as pool:
        jobs = [pool.submit(judge, *one, predicted[one[0].title, one[1]]) for one in live]
        yield from (job.result() for job in as_completed(jobs))


def line(cell: Cell) -> str:
    """Return a cell as a line of the table."""
    parts = [cell.case.title, MODES[cell.mode], cell.engine, cell.verdict]
    return "| " + " | ".join([*parts, cell.told or "–", f"{cell.took_s:.1f} s"]) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
