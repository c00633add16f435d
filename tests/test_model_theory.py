"""The model engine against exact queueing theory, inside stated intervals: the short form.

``make theory`` has three seeds and ±2 %. Here each row has one, at most ±3 %, all rows together
at 99 %; the same check must refuse a service that is 3 % slower than stated.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from proof.queues import ROWS
from proof.theory import (
    FREE,
    PATHS,
    SEEDS,
    Interval,
    interval,
    line_of,
    measured,
    path_difference,
)
from sandbox.draws import Deterministic
from sandbox.engines.model import start
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.theory import allen_cunneen, mmc, retry_attempts

WIDEST = 0.03
SLOW = 1.03
EXACT = Deterministic(value_s=1.0)


def short(name: str, slower: float = 1.0) -> Interval:
    """Return a row's interval from two thirds of its replications."""
    row = ROWS[name]
    fewer = replace(row, n_replications=row.n_replications * 2 // 3)
    return measured(fewer, 0, slower=slower, n_intervals=len(ROWS))


@pytest.mark.parametrize("name", ROWS)
def test_the_mean_sojourn_is_theorys(name: str) -> None:
    """Theory's value lies inside an interval of at most ±3 % of it, or it inside the bounds."""
    row, found = ROWS[name], short(name)
    assert found.half_width <= WIDEST * row.high
    assert found.fits(row)


@pytest.mark.parametrize("name", ["M/M/8 at 0.8", "M/D/2 at 0.8", "M/G/1 lognormal at 0.5"])
def test_a_service_three_percent_slower_is_refused(name: str) -> None:
    """A check that cannot fail proves nothing: the same interval excludes theory's value."""
    assert not short(name, slower=SLOW).fits(ROWS[name])


def test_priorities_are_not_one_class() -> None:
    """Neither class waits as it would without priorities."""
    one_class = mmc(1.0, 1.0, 2).mean_sojourn_s
    for name in ("M/M/2, urgent, 0.5", "M/M/2, patient, 0.5"):
        row = ROWS[name]
        assert not short(name).fits(replace(row, low=one_class, high=one_class))


def test_bounds_refuse_what_is_outside_them() -> None:
    """M/G/c: the interval lies strictly between deterministic and exponential service."""
    row, found = ROWS["M/G/4 lognormal at 0.7"], short("M/G/4 lognormal at 0.7")
    assert row.low < found.mean - found.half_width
    assert found.mean + found.half_width < row.high
    # The usual approximation, which theory does not promise, is near as well.
    approximate = 1.0 + allen_cunneen(2.8, 1.0, 4, arrival_cv=1.0, service_cv=0.5)
    assert found.mean == pytest.approx(approximate, rel=0.05)


@pytest.mark.parametrize("name", PATHS)
def test_every_wait_is_the_recursions(name: str) -> None:
    """Kiefer and Wolfowitz, fed the same numbers: no wait differs by more than rounding."""
    assert path_difference(ROWS[name], seed=5) < 1e-9


def test_the_table_says_so_when_a_row_is_off() -> None:
    """An interval without theory's value, one that is too wide, a planted error that passes."""
    name = "M/M/1 at 0.5"
    value = ROWS[name].high
    good, wide = Interval(value, 0.01 * value), Interval(value, 0.03 * value)
    off = Interval(1.02 * value, 0.01 * value)
    three = len(SEEDS)
    assert line_of(name, [good] * three, [off] * three)[1]
    assert not line_of(name, [good, good, off], [off] * three)[1]
    assert not line_of(name, [good, good, wide], [off] * three)[1]
    assert not line_of(name, [good] * three, [off, off, good])[1]


def simulate(scenario: Scenario) -> Run:
    with start(scenario, overheads=FREE) as session:
        assert session.wait() == "drained"
    return session.close()


def test_retries_multiply_the_load_by_the_truncated_geometric_sum() -> None:
    """p = 0.4 and two retries: 1 + p + p² executions a task, in the mean over replications."""
    policy = {"kind": "self", "max_retries": 2, "countdown_s": 1.0}
    means = []
    for seed in range(20):
        scenario = Scenario(
            name="retries",
            tasks=[{"name": "job", "service": EXACT, "p_failure": 0.4, "retries": [policy]}],
            workers=[{"concurrency": 64, "prefetch_multiplier": 4}],
            loads=[{"kind": "burst", "task": "job", "n": 500}],
            horizon_s=1_000.0,
            seed=seed,
        )
        means.append(len(simulate(scenario).of_kind("started")) / 500)
    found = interval(means)
    expected = retry_attempts(0.4, max_retries=2)
    assert found.half_width <= WIDEST * expected
    assert abs(found.mean - expected) <= found.half_width
