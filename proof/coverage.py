"""``make coverage``: how often one further live run lies in its 95 % prediction interval.

Small systems of up to 2 s, 200 live runs with seeds of their own. A row of the table is a metric;
all of them together should be inside in 93 % to 97 % of the cases. Metrics that cannot vary
(a count that Celery fixes) are left out: they would always be inside, and flatter the share.
"""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scipy import stats

from proof.build import ACK_MODES, burst, poisson, scenario, task
from proof.grid import performed
from proof.row import Row
from sandbox import workbench
from sandbox.engines.predicting import predict
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction
from sandbox.scenario import Scenario

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
RUNS = 200
BUDGET_S = 780.0
LOW, HIGH = 0.93, 0.97
METRICS = (
    "throughput_per_s", "mean_latency_s", "p50_latency_s", "p95_latency_s", "mean_service_s",
    "utilisation",
)  # fmt: skip
HEAD = "| metric | inside | runs | share (95 %) |\n|---|---|---|---|"


def systems() -> dict[str, Scenario]:
    """Return the systems; each is run with many seeds."""
    found = {}
    for ack, mode in ACK_MODES.items():
        for load, n in ((0.5, 2), (0.7, 4)):
            found[f"{ack}-{n}"] = _system(f"{ack}-{n}", load * n / 0.08, n, mode)
    drawn = {"kind": "exponential", "mean_s": 0.06}
    found["burst"] = _short("burst", tasks=[task() | {"service": drawn}], loads=[burst(40)])
    retries = [{"kind": "self", "max_retries": 2, "countdown_s": 0.3}]
    failing = task(p_failure=0.3, retries=retries) | {"service": drawn}
    found["retries"] = _short("retries", tasks=[failing], loads=[poisson(20.0)])
    return found


def _system(name: str, rate_per_s: float, n: int, mode: dict[str, Any]) -> Scenario:
    service = {"kind": "lognormal", "mean_s": 0.08, "cv": 0.8}
    workers = [{"concurrency": n, "prefetch_multiplier": 1}]
    tasks = [task(**mode) | {"service": service}]
    return _short(name, tasks=tasks, loads=[poisson(rate_per_s)], workers=workers)


def _short(name: str, **fields: Any) -> Scenario:
    two = {"workers": [{"concurrency": 2, "prefetch_multiplier": 1}]}
    return scenario(name=name, **(two | {"horizon_s": 1.5, "deadline_s": 10.0} | fields))


def judged(n_runs: int, overheads: Overheads) -> Iterator[tuple[str, bool]]:
    """Yield a metric's name and whether it was inside, for each metric of each live run."""
    predictions = {
        name: predict(one, overheads=overheads, budget_s=2.0) for name, one in systems().items()
    }
    began = time.monotonic()
    for i in range(n_runs):
        if time.monotonic() - began > BUDGET_S:
            return
        name = list(predictions)[i % len(predictions)]
        prediction = predictions[name]
        # No replication has this seed: a live run is one further run.
        scenario_i = prediction.scenario.but(seed=1_000_003 + i)
        run = performed(Row(name, scenario_i, (), ()), "redis")
        found = measure(run)
        for metric in METRICS:
            value = found.value(metric)
            if not math.isnan(value):
                yield metric, inside(prediction, metric, value)


def inside(prediction: Prediction, metric: str, value: float) -> bool:
    """Return whether a value lies in the metric's own 95 % interval."""
    low, high = prediction.interval(metric)
    return low <= value <= high


def table(counts: dict[str, list[bool]]) -> tuple[list[str], float]:
    """Return the lines of the table, and the share of all together."""
    lines, together = [], [one for found in counts.values() for one in found]
    for name, found in [*counts.items(), ("all", together)]:
        ci = stats.binomtest(sum(found), len(found)).proportion_ci(0.95)
        share = f"{sum(found) / len(found):.1%} ({ci.low:.1%} … {ci.high:.1%})"
        lines.append(f"| {name} | {sum(found)} | {len(found)} | {share} |")
    return lines, sum(together) / len(together)


def main(arguments: list[str]) -> int:
    """Make the runs (200, or as many as asked for); print and store the table; 1 if it is off."""
    n_runs = int(arguments[0]) if arguments else RUNS
    overheads = workbench.calibrated("redis", tell=print)
    counts: dict[str, list[bool]] = defaultdict(list)
    for metric, is_inside in judged(n_runs, overheads):
        counts[metric].append(is_inside)
    lines, share = table(counts)
    done = len(counts[METRICS[0]])
    told = f"{done} live runs of {len(systems())} systems on Redis; {overheads.source}."
    verdict = "as stated" if LOW <= share <= HIGH else f"not within {LOW:.0%} to {HIGH:.0%}"
    text = "\n".join([HEAD, *lines, "", f"{told} All together: {share:.1%}, {verdict}."])
    print(text)
    if done >= RUNS:
        PAGE.write_text(
            f"# Coverage of the 95 % intervals\n\nWritten by `make coverage`.\n\n{text}\n"
        )
    return int(not LOW <= share <= HIGH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
