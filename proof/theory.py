"""``make theory``: the model's mean sojourns against queueing theory's, in a table.

Each row has three preset seeds; each seed's interval (independent replications, a tenth cut as
warm-up, Student t) must contain theory's value and be no wider than ±2 % of it, all of them
together at 99 % (Bonferroni). The same check must refuse a service that is 2 % slower. What is
known of the draws (mean gap, mean service) serves as control variates: these come from the
stated laws, never from the model, so a slow model cannot hide behind them.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from proof.queues import ROWS, TheoryRow
from proof.readme import README, write_into
from sandbox.draws import Deterministic, uniforms
from sandbox.engines.model import start
from sandbox.engines.model.engine import waits_s
from sandbox.loads import Poisson
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.theory import kiefer_wolfowitz

PAGE = Path(__file__).parents[1] / "docs" / "theory.md"
FREE = Overheads(**{name: 0.0 for name in Overheads.figures() if name.endswith("_s")})
SEEDS = (1, 2, 3)
LEVEL = 0.99
WIDEST = 0.02
SLOW = 1.02
WARM_UP = 0.1
_SEED_STEP = 10_000

HEAD = (
    "| queue | theory | model, seeds 1, 2, 3 (s) | half-width | 2 % slower |\n|---|---|---|---|---|"
)
_INTRO = """# The model against queueing theory

Written by `make theory`. Mean sojourn of the model without overheads; each of three preset seeds
must contain theory's value in an interval of at most ±{widest:.0%}, all {n} intervals together at
{level:.0%}. *2 % slower*: for how many of the seeds the same check refuses a service that is 2 %
slower than stated. For M/G/c theory has only bounds, and the interval must lie between them.
"""


@dataclass(frozen=True)
class Interval:
    """A mean with the half-width of its family-wise interval."""

    mean: float
    half_width: float

    def fits(self, row: TheoryRow) -> bool:
        """Whether theory's value is inside, or for bounds whether it lies between them."""
        low, high = row.low, row.high
        if low == high:
            return abs(self.mean - low) <= self.half_width
        return low <= self.mean + self.half_width and self.mean - self.half_width <= high


def measured(
    row: TheoryRow, seed: int, *, slower: float = 1.0, n_intervals: int = 3 * len(ROWS)
) -> Interval:
    """Return the mean sojourn (s) of a row from its replications, with its interval."""
    means, controls = [], []
    for i in range(row.n_replications):
        stated = row.scenario(seed * _SEED_STEP + i, 1.0)
        numbers, arrived, sojourn = _sojourns(row.scenario(stated.seed, slower), row.task)
        first = int(WARM_UP * len(sojourn))
        means.append(float(sojourn[first:].mean()))
        controls.append(_controls(stated, row.task, numbers[first:], arrived[first:]))
    return interval(means, controls, 1 - (1 - LEVEL) / n_intervals)


def interval(
    values: list[float], controls: list[list[float]] | None = None, level: float = LEVEL
) -> Interval:
    """Return the interval of the mean; ``controls`` are deviations from known expectations."""
    design = np.column_stack([np.ones(len(values)), *np.transpose(controls or [[]] * len(values))])
    freedom = len(values) - design.shape[1]
    fit, _, _, _ = np.linalg.lstsq(design, np.array(values), rcond=None)
    residual = np.array(values) - design @ fit
    error = float(residual @ residual) / freedom * np.linalg.inv(design.T @ design)[0, 0]
    t = stats.t.ppf((1 + level) / 2, freedom)
    return Interval(float(fit[0]), float(t) * math.sqrt(error))


def _sojourns(
    scenario: Scenario, task: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return numbers, arrival times and sojourns (s) of a type's tasks, in order of arrival."""
    session = start(scenario, overheads=FREE, kinds={"sent", "succeeded"})
    session.wait()
    sent: dict[str, float] = {}
    ended: dict[str, float] = {}
    for event in session.close().events:
        if event.task is not None and event.task.startswith(f"{task}/"):
            (sent if event.kind == "sent" else ended)[event.task] = event.t_s
    keys = [key for key in sent if key in ended]
    arrived = np.array([sent[key] for key in keys])
    numbers = np.array([int(key.rpartition("/")[2]) for key in keys])
    return numbers, arrived, np.array([ended[key] for key in keys]) - arrived


def _controls(
    scenario: Scenario, task: str, numbers: NDArray[Any], arrived: NDArray[Any]
) -> list[float]:
    """Return drawn minus expected, as shares: the mean gap, and the mean service if drawn."""
    found = []
    load = next(load for load in scenario.loads if load.task == task)
    if isinstance(load, Poisson):
        found.append(float(np.diff(arrived).mean()) * load.rate_per_s - 1)
    service = scenario.task(task).service
    if not isinstance(service, Deterministic):
        draws = uniforms(scenario.seed, f"{task}/service", int(numbers.max()) + 1)[numbers]
        drawn = [service.quantile(u) for u in draws.tolist()]
        found.append(float(np.mean(drawn)) / service.mean_s - 1)
    return found


# --- number by number ----------------------------------------------------------------------


def path_difference(row: TheoryRow, seed: int) -> float:
    """Return how far any wait of the model is from the Kiefer-Wolfowitz recursion's, at most."""
    scenario = row.scenario(seed, 1.0)
    waits = waits_s(scenario, overheads=FREE)
    pool, kind, load = scenario.workers[0], scenario.task(row.task), scenario.loads[0]
    arrivals = load.arrivals_s(scenario.horizon_s, seed=seed, stream="load0/arrival")  # type: ignore[union-attr]
    draws = uniforms(seed, f"{row.task}/service", len(arrivals)).tolist()
    services = [kind.service.quantile(u) for u in draws]
    recursion = kiefer_wolfowitz(arrivals, services, pool.concurrency)
    return float(np.max(np.abs(np.array(waits) - np.array(recursion))))


# --- the table -----------------------------------------------------------------------------


def _job(name: str, seed: int, slower: float) -> Interval:
    return measured(ROWS[name], seed, slower=slower)


def line_of(name: str, found: list[Interval], slow: list[Interval]) -> tuple[str, bool]:
    """Return a row of the table, and whether it holds."""
    row = ROWS[name]
    widest = max(one.half_width for one in found) / row.high
    refused = sum(not one.fits(row) for one in slow)
    good = all(one.fits(row) for one in found) and widest <= WIDEST
    value = f"{row.low:.4f}" if row.low == row.high else f"{row.low:.4f} … {row.high:.4f}"
    shown = ", ".join(f"{one.mean:.4f}" for one in found)
    mark = "" if good else " **off**"
    told = f"{refused} of {len(slow)} refused" if slow else "–"
    return (
        f"| {name} | {value} ({row.formula}) | {shown}{mark} | ±{widest:.2%} | {told} |",
        good and (not slow or refused == len(slow)),
    )


def _replace(lines: list[str]) -> None:
    """Put newer rows in the place of those of the same queues on the page."""
    newer = {line.split("|")[1]: line for line in lines}
    page = PAGE.read_text(encoding="utf-8").splitlines()
    kept = [newer.get(line.split("|")[1], line) if "|" in line else line for line in page]
    PAGE.write_text("\n".join([*kept, ""]), encoding="utf-8")


def main(names: list[str]) -> int:
    """Measure every row, or those named, print the table, write it; return 1 if a row is off."""
    began = time.monotonic()
    lines, holds = [], True
    print(HEAD)
    with ProcessPoolExecutor(2) as pool:
        run: Callable[..., Any] = partial(pool.submit, _job)
        jobs = {
            name: [
                [run(name, seed, slower) for seed in SEEDS]
                for slower in ((1.0, SLOW) if name in PLANTED else (1.0,))
            ]
            for name in names or ROWS
        }
        for name, (exact, *planted) in jobs.items():
            found = [job.result() for job in exact]
            line, good = line_of(name, found, [job.result() for jobs in planted for job in jobs])
            lines.append(line)
            holds &= good
            print(line, flush=True)
    if names:
        _replace(lines)
        return int(not holds)
    paths = [f"{name} {path_difference(ROWS[name], 5):.1e} s" for name in PATHS]
    told = (
        "Number by number, the greatest difference of any wait from the Kiefer–Wolfowitz "
        f"recursion on the same draws: {', '.join(paths)}. "
        f"All took {time.monotonic() - began:.0f} s."
    )
    print(told)
    intro = _INTRO.format(widest=WIDEST, n=3 * len(ROWS), level=LEVEL)
    PAGE.write_text("\n".join([intro, HEAD, *lines, "", told, ""]), encoding="utf-8")
    write_into(README, "theory", "theory", "\n".join([HEAD, *lines]))
    return int(not holds)


PLANTED = ("M/M/1 at 0.5", "M/D/2 at 0.8", "M/G/1 lognormal at 0.5", "machine repair, 5 and 2")
PATHS = ("M/M/1 at 0.5", "M/M/8 at 0.8", "M/G/4 lognormal at 0.7")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
