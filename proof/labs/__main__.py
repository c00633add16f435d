"""``make labs``: build every lab twice and prove it; ``python -m proof.labs 03 --broker fake``.

Without numbers all labs are proved, on Redis and then on the fake, and docs/labs.md is written.
Exits with 1 when anything is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from proof.labs import budget, opening, page
from proof.labs.one import Report
from proof.labs.verified import TOGETHER, Verified, verify
from sandbox.labs import Lesson
from sandbox.labs.lesson import all_lessons
from tools import build_labs
from tools.build_notebooks import ROOT

_LAB_S = 900
BROKERS = {"both": ("redis", "fake"), "redis": ("redis",), "fake": ("fake",)}


def main(arguments: list[str] | None = None) -> int:
    """Prove all labs, or those named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m proof.labs", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="default: all of them")
    parser.add_argument("--broker", choices=BROKERS, default="both")
    asked = parser.parse_args(arguments)
    known = all_lessons()
    unknown = [number for number in asked.numbers if number not in known]
    if unknown:
        parser.error(f"there is no lab {unknown[0]!r}; allowed: {', '.join(known)}")
    chosen = {n: one for n, one in known.items() if not asked.numbers or n in asked.numbers}
    with tempfile.TemporaryDirectory(prefix="labs-") as folder:
        return _prove(chosen, BROKERS[asked.broker], Path(folder), is_all=chosen == known)


def _prove(
    lessons: dict[str, Lesson], brokers: tuple[str, ...], folder: Path, *, is_all: bool
) -> int:
    began = time.monotonic()
    problems = [f"{name}: no text makes it" for name in build_labs.strays()]
    reports = dict(sorted(_reports(lessons, brokers[0], folder)))
    paths = [path for one in lessons.values() if (path := build_labs.solution_path(one)).exists()]
    verified: dict[str, dict[str, Verified]] = {}
    for broker in brokers:
        print(f"nbval, {len(paths)} solutions on {broker}", flush=True)
        missing = {one.name: Verified(problems=["it has no solution"]) for one in lessons.values()}
        verified[broker] = missing | verify(paths, folder / f"nbval-{broker}", broker=broker)
    cells = {path.stem: budget.in_files([path]) for path in paths}
    all_cells = sum(cells.values(), budget.in_files(sorted(ROOT.glob("notebooks/*.ipynb"))))
    problems += all_cells.problems()
    for number, one in lessons.items():
        told = reports[number].problems[:]
        for broker in brokers:
            told += [f"{broker}: {line}" for line in verified[broker][one.name].problems]
        problems += [f"lab {number}: {line}" for line in told]
    lines = page.table(lessons, reports, verified, cells)
    summed = page.sums(lessons, verified, all_cells)
    took_s = time.monotonic() - began
    if is_all:
        problems += page.too_long(verified, took_s)
        problems += opening.problems(opening.commands(), folder / "opening")
    if is_all and not problems and len(brokers) == len(BROKERS["both"]):
        page.PAGE.write_text(page.text(lines, summed, all_cells), encoding="utf-8")
    not_verified = [f"not verified: {line}" for line in all_cells.unverified]
    print("\n".join([*not_verified, lines, summed, f"it took {took_s / 60:.1f} minutes"]))
    print("\n".join(f"RED {line}" for line in problems) or "all labs are proved", flush=True)
    return int(bool(problems))


def _reports(lessons: dict[str, Lesson], broker: str, folder: Path) -> list[tuple[str, Report]]:
    """Prove each lab in a process of its own, as many at once as there are cores to share."""
    found = []
    with ThreadPoolExecutor(TOGETHER) as pool:
        jobs = [pool.submit(_report, number, broker, folder / number) for number in lessons]
        for job in as_completed(jobs):
            report = job.result()
            state = f"{len(report.problems)} problems" if report.problems else "green"
            print(
                f"lab {report.number}: {report.built or 'not built'}, {report.seconds:.0f} s on "
                f"{broker}, {state}; {report.n_live_again} live runs for wrong answers",
                flush=True,
            )
            found.append((report.number, report))
    return found


def _report(number: str, broker: str, folder: Path) -> Report:
    folder.mkdir()
    command = [sys.executable, "-m", "proof.labs.one", number, str(folder), str(os.getpid())]
    environment = os.environ | {"SANDBOX_BROKER": broker, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=folder, env=environment, capture_output=True, text=True,
            timeout=_LAB_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Report(number, problems=[f"it did not end within {_LAB_S} s"])
    file = folder / "report.json"
    if not file.exists():
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return Report(number, problems=[last])
    return Report(**json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main())
