"""``python -m proof.soak --minutes 20``: break a session for that long, and judge what it did.

Prints the page and stores it when it was a long one; ends with 1 when a criterion fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from proof.soak import judge, page
from proof.soak.chaos import Chaos
from proof.soak.system import DRAIN_S, system
from proof.soak.watch import Watch
from sandbox.audit import Audit, audit
from sandbox.engines.live.engine import start
from sandbox.run import Run

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
_LONG_MIN = 20.0


def main(arguments: list[str]) -> int:
    """Run a soak; return 1 when a criterion fails."""
    parser = argparse.ArgumentParser(prog="python -m proof.soak")
    parser.add_argument("--minutes", type=float, default=_LONG_MIN)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args(arguments)
    print(f"a soak of {asked.minutes:g} minutes, seed {asked.seed}", flush=True)
    temp = Path(tempfile.mkdtemp(prefix="soak-"))
    # What is written outside the run's folder is found here, where nobody else writes.
    os.environ["TMPDIR"] = tempfile.tempdir = str(temp / "tmp")
    for name in ("tmp", "here"):
        (temp / name).mkdir()
    os.chdir(temp / "here")
    text, failing = soak(asked.minutes * 60, asked.seed, temp)
    print(text, flush=True)
    if asked.minutes >= _LONG_MIN:
        PAGE.write_text(text, encoding="utf-8")
    if failing:
        print(f"does not hold: {'; '.join(failing)}. The run is kept in {temp}", flush=True)
    else:
        shutil.rmtree(temp)
    return int(bool(failing))


def soak(seconds: float, seed: int, temp: Path) -> tuple[str, list[str]]:
    """Break a session for so long; return the page, and which criteria do not hold."""
    began, idle_s = time.monotonic(), psutil.cpu_times().idle
    session = start(system(seconds, seed), broker="redis", runs=temp / "runs")
    with session:
        chaos = Chaos(session, seed)
        with Watch(session) as watch:
            chaos.run(seconds)
            cores = (psutil.cpu_times().idle - idle_s) / (time.monotonic() - began)
            is_drained = chaos.drain(DRAIN_S)
            at_end = watch.look()
        run = session.close()
    left = watch.left()
    files = [
        str(path.relative_to(temp)) for name in ("tmp", "here") for path in (temp / name).rglob("*")
    ]
    found = audit(run)
    minutes = watch.found.minutes
    criteria = [
        judge.memory(minutes, watch.lives, watch.n_mains, watch.n_children, seconds),
        judge.descriptors(watch.found.most, at_end.descriptors, seconds),
        judge.Criterion("drained at the end", "yes", "yes" if is_drained else "no", is_drained),
        *judge.accounted(found, run, seconds),
        *judge.leftovers(left, files),
    ]
    facts = _facts(run, found, chaos, watch, cores, time.monotonic() - began)
    text = page.written(seconds, seed, criteria, facts, minutes)
    return text, [one.name for one in criteria if one.holds is False]


def _facts(  # noqa: PLR0913, PLR0917 - all that is told
    run: Run, found: Audit, chaos: Chaos, watch: Watch, idle_cores: float, took_s: float
) -> page.Facts:
    causes = Counter(cause or "nothing" for cause in judge.explained(found, run).values())
    return page.Facts(
        n_events=len(run.events),
        kinds=Counter(event.kind for event in run.events),
        counts={verdict: n for verdict, n in found.counts().items() if n},
        totals=str(found.totals),
        guarantees=[str(one)[:300] for one in found.guarantees],
        causes=causes,
        faults=chaos.count,
        refused=chaos.refused,
        revived=chaos.revived,
        cores=sum(watch.busy_s.values()) / took_s,
        idle_cores=idle_cores,
        n_processes=len(watch.pids),
        took_s=took_s,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
