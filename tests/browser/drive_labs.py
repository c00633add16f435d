"""``python -m tests.browser.drive_labs 01 02 --shots FOLDER``: drive labs in a real JupyterLab.

Each is done from its first cell to its last check, the solution typed into its exercises, and
photographed. Without numbers all labs are driven. Exits with 1 when a check is not green.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext

from sandbox.labs import Lesson
from sandbox.labs.lesson import all_lessons
from tests.browser import guard
from tests.browser.lab_driver import Driven, photographed, server_for_labs, solved, written
from tests.browser.lab_harness import LabPage, LabServer, chromium

_HEAD = "| lab | checks green | seconds | slowest cell | trouble |\n|---|---|---|---|---|"


def main(arguments: list[str] | None = None) -> int:
    """Drive labs, print a table, return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.drive_labs", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="default: all of them")
    parser.add_argument("--shots", type=Path, default=Path("shots"))
    asked = parser.parse_args(arguments)
    known = all_lessons()
    unknown = [number for number in asked.numbers if number not in known]
    if unknown:
        parser.error(f"there is no lab {unknown[0]!r}; allowed: {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="drive-") as home:
        server = server_for_labs(Path(home) / "lab")
        try:
            with chromium(Path(home) / "chromium") as context:
                found = [
                    drive(context, server, known[number], asked.shots)
                    for number in asked.numbers or known
                ]
        finally:
            server.close()
    print("\n".join([_HEAD, *map(row, found)]))
    return int(not all(one.is_green for one in found))


def drive(context: BrowserContext, server: LabServer, one: Lesson, shots: Path) -> Driven:
    """Drive one lab in a page and a kernel of its own, and photograph it."""
    page = LabPage(context.new_page(), server, server.add(written(one)), shots)
    driven = solved(page, one)
    driven.trouble += guard.told()
    photographed(page, one.name)
    page.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    page.page.close()
    print(f"lab {one.number}: {'green' if driven.is_green else 'red'}", flush=True)
    return driven


def row(one: Driven) -> str:
    """Return a lab as a line of the table."""
    n_green = sum(line.startswith("✓ right") for line in one.checks)
    parts = [one.number, f"{n_green} of {len(one.checks)}", f"{one.seconds:.0f}",
             f"{one.slowest_s:.0f} s", "; ".join(one.trouble) or "none"]  # fmt: skip
    return f"| {' | '.join(parts)} |"


if __name__ == "__main__":
    sys.exit(main())
