"""Loads: how many arrivals, when, and of what shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from sandbox.errors import ScenarioError
from sandbox.loads import BeatEntry, Burst, OpenLoad, Poisson, Rates, Trace
from tests.test_scenario import laws, loads, sentence_of

ANY_LOAD = loads(st.just("hi"))
SEEDS = range(30)
CHANCE_OF_A_FALSE_ALARM = 1e-4
"""Of a whole family of checks, if the code is right."""


def arrivals(load: OpenLoad | BeatEntry, horizon_s: float, seed: int = 0) -> list[float]:
    return load.arrivals_s(horizon_s, seed=seed, stream="load0/arrival")


def assert_poisson(counts: list[int], mean: float) -> None:
    """Each count, their sum and their dispersion lie where Poisson's law puts them."""
    chance = CHANCE_OF_A_FALSE_ALARM / (2 * (len(counts) + 2))
    low, high = stats.poisson.ppf([chance, 1 - chance], mean)
    assert all(low <= count <= high for count in counts)
    total = len(counts) * mean
    assert stats.poisson.ppf(chance, total) <= sum(counts) <= stats.poisson.ppf(1 - chance, total)
    dispersion = sum((count - mean) ** 2 / mean for count in counts)
    low, high = stats.chi2.ppf([chance, 1 - chance], len(counts))
    assert low <= dispersion <= high


# --- every load ---------------------------------------------------------------------------------


@laws
@given(ANY_LOAD, st.floats(0.1, 200), st.integers(0, 9))
def test_arrivals_ascend_and_stop_before_the_horizon(
    load: OpenLoad, horizon_s: float, seed: int
) -> None:
    """Times are in order, none is negative, none reaches the horizon."""
    times = arrivals(load, horizon_s, seed)
    assert times == sorted(times)
    assert all(0 <= at < horizon_s for at in times)


@laws
@given(ANY_LOAD, st.floats(0.1, 200), st.floats(0.1, 200), st.integers(0, 9))
def test_a_longer_horizon_only_adds_arrivals(
    load: OpenLoad, one: float, other: float, seed: int
) -> None:
    """What happens before a moment does not depend on what comes after it."""
    short, long = sorted((one, other))
    begun = [at for at in arrivals(load, long, seed) if at < short]
    assert begun == arrivals(load, short, seed)


@laws
@given(ANY_LOAD, st.integers(0, 9))
def test_the_same_seed_gives_the_same_arrivals(load: OpenLoad, seed: int) -> None:
    """Arrivals are a function of the load, the seed and the stream, and of nothing else."""
    assert arrivals(load, 50.0, seed) == arrivals(load, 50.0, seed)


# --- Poisson ------------------------------------------------------------------------------------


def test_the_counts_of_a_poisson_load_obey_poissons_law() -> None:
    """Mean and variance are rate × time; 3 % more arrivals would be noticed."""
    load = Poisson(task="hi", rate_per_s=20.0)
    counts = [len(arrivals(load, 100.0, seed)) for seed in SEEDS]
    assert_poisson(counts, 2000.0)
    with pytest.raises(AssertionError):
        assert_poisson([round(count * 1.03) for count in counts], 2000.0)


def test_the_gaps_of_a_poisson_load_are_exponential() -> None:
    """Kolmogorov-Smirnov against the exponential; successive gaps are uncorrelated."""
    gaps = np.diff(arrivals(Poisson(task="hi", rate_per_s=50.0), 1000.0))
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > CHANCE_OF_A_FALSE_ALARM
    limit = stats.norm.ppf(1 - CHANCE_OF_A_FALSE_ALARM / 2) / math.sqrt(len(gaps))
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < limit


def test_a_poisson_load_keeps_to_its_window() -> None:
    """Nothing before start_s, nothing from stop_s on, the stated rate between them."""
    load = Poisson(task="hi", rate_per_s=20.0, start_s=30.0, stop_s=80.0)
    runs = [arrivals(load, 100.0, seed) for seed in SEEDS]
    assert all(30 <= at < 80 for times in runs for at in times)
    assert_poisson([len(times) for times in runs], 1000.0)


def test_a_later_start_only_shifts_a_poisson_load() -> None:
    """The same gaps, begun later: start_s changes no draw."""
    early = arrivals(Poisson(task="hi", rate_per_s=5.0), 50.0)
    late = arrivals(Poisson(task="hi", rate_per_s=5.0, start_s=10.0), 60.0)
    assert late == pytest.approx([at + 10 for at in early])


def test_twice_the_rate_is_half_the_gap() -> None:
    """The draws stay; only the clock runs faster."""
    slow = arrivals(Poisson(task="hi", rate_per_s=5.0), 100.0)
    fast = arrivals(Poisson(task="hi", rate_per_s=10.0), 50.0)
    assert fast == pytest.approx([at / 2 for at in slow])


@pytest.mark.parametrize("stop_s", [5.0, 2.0])
def test_a_load_that_stops_before_it_starts_is_refused(stop_s: float) -> None:
    """It would publish nothing, which nobody means."""
    with pytest.raises(ScenarioError) as caught:
        Poisson(task="hi", rate_per_s=1.0, start_s=5.0, stop_s=stop_s)
    assert f"stop_s is {stop_s}" in sentence_of(caught)


# --- Rates --------------------------------------------------------------------------------------


def test_each_piece_of_a_rates_load_obeys_poissons_law() -> None:
    """Rate × length in each piece, nothing in a piece of rate 0 and nothing before the first."""
    load = Rates(task="hi", steps=((10.0, 30.0), (40.0, 0.0), (70.0, 10.0), (170.0, 100.0)))
    runs = [arrivals(load, 180.0, seed) for seed in SEEDS]
    pieces = ((0.0, 10.0, 0.0), (10.0, 40.0, 900.0), (40.0, 70.0, 0.0), (70.0, 170.0, 1000.0),
              (170.0, 180.0, 1000.0))  # fmt: skip
    for begin, end, mean in pieces:
        counts = [sum(begin <= at < end for at in times) for times in runs]
        if mean:
            assert_poisson(counts, mean)
        else:
            assert counts == [0] * len(runs)


def test_a_rates_load_of_one_piece_is_a_poisson_load() -> None:
    """Constant by pieces with one piece is constant: the same draws, the same times."""
    one = Rates(task="hi", steps=((5.0, 7.0),))
    assert arrivals(one, 100.0) == pytest.approx(
        arrivals(Poisson(task="hi", rate_per_s=7.0, start_s=5.0), 100.0)
    )


@laws
@given(st.lists(st.floats(0.1, 99), min_size=1, max_size=6, unique=True))
def test_cutting_a_piece_in_two_changes_nothing(cuts: list[float]) -> None:
    """Pieces of one rate are one piece, wherever they are cut."""
    whole = Rates(task="hi", steps=((0.0, 3.0),))
    cut = Rates(task="hi", steps=((0.0, 3.0), *((at, 3.0) for at in sorted(cuts))))
    assert arrivals(cut, 100.0) == pytest.approx(arrivals(whole, 100.0))


def test_a_pause_delays_what_comes_after_it() -> None:
    """A piece of rate 0 shifts the rest by its length: the clock of expected arrivals stands."""
    steady = arrivals(Rates(task="hi", steps=((0.0, 5.0),)), 50.0)
    paused = arrivals(Rates(task="hi", steps=((0.0, 5.0), (20.0, 0.0), (30.0, 5.0))), 60.0)
    assert paused == pytest.approx([at if at < 20 else at + 10 for at in steady])


def test_a_rates_load_of_rate_zero_is_silent() -> None:
    """No rate, no arrival, and no endless loop."""
    assert arrivals(Rates(task="hi", steps=((0.0, 0.0),)), 1e6) == []


# --- burst, trace, beat ---------------------------------------------------------------------------


@laws
@given(st.integers(1, 1000), st.floats(0, 100), st.floats(0.1, 100))
def test_a_burst_is_all_or_nothing(n: int, at_s: float, horizon_s: float) -> None:
    """n arrivals at one moment, or none when that moment is not before the horizon."""
    times = arrivals(Burst(task="hi", n=n, at_s=at_s), horizon_s)
    assert times == ([at_s] * n if at_s < horizon_s else [])


@laws
@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0.1, 100))
def test_a_trace_is_replayed_in_order(at_s: list[float], horizon_s: float) -> None:
    """Every recorded time before the horizon, sorted, repeats included."""
    times = arrivals(Trace(task="hi", at_s=tuple(at_s)), horizon_s)
    assert times == sorted(at for at in at_s if at < horizon_s)


@laws
@given(st.floats(0.001, 100), st.floats(0.1, 1000))
@example(0.005, 0.035)  # 0.035 / 0.005 is rounded up to more than 7
@example(0.29, 29.0)  # 0.29 * 100 is rounded down to less than 29
def test_beat_publishes_after_every_period(every_s: float, horizon_s: float) -> None:
    """First after one period, then each period, as often as fits before the horizon."""
    times = arrivals(BeatEntry(name="tick", task="hi", every_s=every_s), horizon_s)
    assert times == [every_s * n for n in range(1, len(times) + 1)]
    assert all(at < horizon_s for at in times)
    assert every_s * (len(times) + 1) >= horizon_s


def test_beat_needs_no_draws() -> None:
    """Its times are the same under every seed."""
    entry = BeatEntry(name="tick", task="hi", every_s=3.0)
    assert arrivals(entry, 20.0, seed=1) == arrivals(entry, 20.0, seed=2) == [3, 6, 9, 12, 15, 18]
