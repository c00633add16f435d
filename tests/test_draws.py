"""Draws: counter-based streams, and distributions that are what they say they are."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from celery.utils.time import get_exponential_backoff_interval, rate
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sandbox.draws import (
    Deterministic,
    Distribution,
    Empirical,
    Exponential,
    Floats,
    LogNormal,
    Uniform,
    _unit,
    draw_s,
    empirical,
    from_quantiles,
    full_jitter,
    jitter_seed,
    uniform,
    uniform_stream,
    uniforms,
)
from sandbox.errors import ScenarioError
from sandbox.rates import parse_rate
from sandbox.scenario import AutoRetry, SelfRetry
from tests.test_scenario import distributions, laws, sentence_of

SEEDS = st.integers(0, 2**63 - 1)
STREAMS = st.text("abc/0", min_size=1, max_size=12)
RETRIES = st.integers(0, 100)

N = 100_000
CHANCE_OF_A_FALSE_ALARM = 1e-4
"""Of a whole family of statistical checks, if the code is right (the seeds are fixed anyway)."""


def z(family: int) -> float:
    """Return the two-sided normal quantile for each of ``family`` checks (Bonferroni)."""
    return statistics.NormalDist().inv_cdf(1 - CHANCE_OF_A_FALSE_ALARM / 2 / family)


# --- streams ----------------------------------------------------------------------------------


@laws
@given(SEEDS, STREAMS, st.integers(0, 3000), RETRIES)
def test_a_single_draw_equals_its_place_in_the_vector(
    seed: int, stream: str, i: int, retry: int
) -> None:
    """uniform(i) is uniforms(n)[i], whatever the index, the seed, the stream and the retry."""
    vector = uniforms(seed, stream, i + 1, retry=retry)
    assert uniform(seed, stream, i, retry=retry) == vector[i]


def test_single_equals_vector_a_million_draws_away() -> None:
    """The law holds at any distance, block borders included."""
    vector = uniforms(1, "far/service", 1_000_005)
    for i in (*range(1_000_000, 1_000_005), 65_535, 65_536, 65_537):
        assert uniform(1, "far/service", i) == vector[i]


@laws
@given(SEEDS, STREAMS, st.integers(1, 3000))
def test_a_longer_vector_begins_with_the_shorter_one(seed: int, stream: str, n: int) -> None:
    """How many draws are asked for changes none of them."""
    assert (uniforms(seed, stream, n + 7)[:n] == uniforms(seed, stream, n)).all()


@laws
@given(SEEDS, STREAMS, st.integers(1, 3000))
def test_the_endless_stream_is_the_vector(seed: int, stream: str, n: int) -> None:
    """uniform_stream yields draw 0, 1, 2, …"""
    endless = uniform_stream(seed, stream)
    assert [next(endless) for _ in range(n)] == uniforms(seed, stream, n).tolist()


@laws
@given(st.permutations(range(50)))
def test_draws_need_no_order(order: list[int]) -> None:
    """Asked for in any order, each task gets the same number."""
    drawn = {i: uniform(5, "resize/service", i) for i in order}
    assert [drawn[i] for i in range(50)] == uniforms(5, "resize/service", 50).tolist()


@laws
@given(SEEDS, STREAMS, st.integers(0, 10**9), RETRIES)
def test_seed_stream_index_and_retry_each_change_the_draw(
    seed: int, stream: str, i: int, retry: int
) -> None:
    """Two draws are equal only if all that names them is equal."""
    draw = uniform(seed, stream, i, retry=retry)
    others = (
        uniform(seed ^ 1, stream, i, retry=retry),
        uniform(seed, f"{stream}x", i, retry=retry),
        uniform(seed, stream, i + 1, retry=retry),
        uniform(seed, stream, i, retry=retry + 1),
    )
    assert draw not in others


def test_draws_are_uniform_and_streams_are_independent() -> None:
    """Kolmogorov-Smirnov for each stream; no correlation between any two of them."""
    streams: list[Floats] = [
        uniforms(seed, name, N, retry=retry)
        for seed, name, retry in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1))
    ]
    pairs = [(i, j) for i in range(4) for j in range(i)]
    family = len(streams) * 2 + len(pairs)
    for one in streams:
        assert stats.kstest(one, "uniform").pvalue > CHANCE_OF_A_FALSE_ALARM / family
        assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < z(family) / math.sqrt(N)
    for i, j in pairs:
        assert abs(np.corrcoef(streams[i], streams[j])[0, 1]) < z(family) / math.sqrt(N)


def test_a_uniform_is_never_at_its_ends() -> None:
    """The least and the greatest word give numbers whose inverse CDF is finite."""
    low, high = _unit(np.array([0, 2**64 - 1], dtype=np.uint64)).tolist()
    assert 0 < low < high < 1
    for times in (Exponential(mean_s=1.0), LogNormal(mean_s=1.0, cv=1.0)):
        assert 0 <= times.quantile(low) < times.quantile(high) < math.inf


# --- distributions ----------------------------------------------------------------------------

_KINDS: list[Distribution] = [
    Exponential(mean_s=2.0),
    Uniform(low_s=0.5, high_s=3.0),
    LogNormal(mean_s=0.7, cv=0.3),
    LogNormal(mean_s=5.0, cv=1.0),
    Empirical(values_s=(3.0, 0.1, 0.2, 0.2, 9.0)),
    from_quantiles(p50_s=1.0, p95_s=3.0),
]


def sample(distribution: Distribution, seed: int) -> Floats:
    return np.array([distribution.quantile(u) for u in uniforms(seed, "sample", N)])


@pytest.mark.parametrize("distribution", _KINDS, ids=lambda kind: kind.kind)
def test_a_sample_has_the_stated_mean_and_cv(distribution: Distribution) -> None:
    """Mean and second moment lie within their intervals; 3 % more time would not."""
    mean, second = distribution.mean_s, distribution.mean_s**2 * (1 + distribution.cv**2)
    limit = z(2 * 3 * len(_KINDS)) / math.sqrt(N)
    for seed in range(3):
        times = sample(distribution, seed)
        assert abs(times.mean() - mean) < limit * times.std()
        assert abs((times**2).mean() - second) < limit * (times**2).std()
        assert abs(1.03 * times.mean() - mean) > limit * times.std()


@laws
@given(distributions(), st.floats(0.0001, 0.9999), st.floats(0.0001, 0.9999))
def test_a_greater_draw_is_never_a_shorter_time(
    distribution: Distribution, u: float, v: float
) -> None:
    """quantile is monotone, finite and not negative: one draw ranks alike everywhere."""
    low, high = sorted((u, v))
    assert 0 <= distribution.quantile(low) <= distribution.quantile(high) < math.inf


@laws
@given(distributions(), st.floats(0.001, 0.999), st.floats(0.5, 20))
def test_quantiles_are_those_of_the_textbook(
    distribution: Distribution, u: float, scale: float
) -> None:
    """SciPy's distributions, by their own parameters, have the same quantiles."""
    if isinstance(distribution, Exponential):
        theirs = stats.expon.ppf(u, scale=distribution.mean_s)
    elif isinstance(distribution, Uniform):
        low, high = distribution.low_s, distribution.high_s
        theirs = stats.uniform.ppf(u, loc=low, scale=high - low)
    elif isinstance(distribution, LogNormal):
        sigma = math.sqrt(math.log(1 + distribution.cv**2))
        median = distribution.mean_s / math.sqrt(1 + distribution.cv**2)
        theirs = stats.lognorm.ppf(u, sigma, scale=median)
    elif isinstance(distribution, Empirical):
        theirs = np.quantile(distribution.values_s, u)
    else:
        theirs = distribution.mean_s
    assert distribution.quantile(u) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@laws
@given(st.floats(1e-3, 1e3), st.floats(1.01, 100))
def test_from_quantiles_has_the_quantiles_it_was_given(p50_s: float, ratio: float) -> None:
    """Median and 95th percentile come back."""
    times = from_quantiles(p50_s=p50_s, p95_s=p50_s * ratio)
    assert times.quantile(0.5) == pytest.approx(p50_s)
    assert times.quantile(0.95) == pytest.approx(p50_s * ratio)


@pytest.mark.parametrize(
    ("p50_s", "p95_s"),
    [(0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (-1.0, 1.0)],
)
def test_quantiles_that_contradict_each_other_are_refused(p50_s: float, p95_s: float) -> None:
    """The 95th percentile is above the median, which is above 0."""
    with pytest.raises(ScenarioError) as caught:
        from_quantiles(p50_s=p50_s, p95_s=p95_s)
    assert f"p95_s is {p95_s}" in sentence_of(caught)


@pytest.mark.parametrize("p95_s", [1e200, 1e300])
def test_quantiles_whose_mean_overflows_are_refused(p95_s: float) -> None:
    """A ratio that no lognormal can have is one sentence, not an OverflowError."""
    with pytest.raises(ScenarioError) as caught:
        from_quantiles(p50_s=1e-10, p95_s=p95_s)
    sentence_of(caught)


def test_observations_are_sorted_and_equal_in_any_order() -> None:
    """An empirical distribution is what was seen, not when."""
    assert Empirical(values_s=(3.0, 1.0, 2.0)) == Empirical(values_s=(1.0, 2.0, 3.0))


@laws
@given(distributions(), SEEDS, st.integers(0, 1000), RETRIES)
def test_draw_s_is_the_quantile_of_the_draw(
    distribution: Distribution, seed: int, i: int, retry: int
) -> None:
    """Both engines draw through this one function."""
    u = uniform(seed, "resize/service", i, retry=retry)
    drawn = draw_s(distribution, seed, "resize/service", i, retry=retry)
    assert drawn == distribution.quantile(u)


def test_a_deterministic_time_has_no_spread() -> None:
    """It is its own mean and every quantile."""
    assert Deterministic(value_s=2.0).cv == 0
    assert {Deterministic(value_s=2.0).quantile(u) for u in (0.01, 0.5, 0.99)} == {2.0}


# --- empirical(csv) -----------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_(content: str | bytes) -> Path:
        path = tmp_path / "times.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_


def test_a_csv_column_becomes_a_distribution(write: Callable[..., Path]) -> None:
    """The first column, or the one that is named; a spreadsheet's byte order mark is no letter."""
    path = write("\ufeffseconds,other\n2.5,7\n0.5,9\n")
    assert empirical(path) == Empirical(values_s=(0.5, 2.5))
    assert empirical(path, column="seconds") == empirical(str(path))
    assert empirical(path, column="other") == Empirical(values_s=(7.0, 9.0))


@pytest.mark.parametrize(
    ("content", "column", "says"),
    [
        ("", None, "has no column ''"),
        ("seconds\n", None, "has 0 observed times"),
        ("seconds\n1.5\n", None, "has 1 observed times"),
        ("seconds\n1.5\nfast\n", None, "line 3: seconds is 'fast'"),
        ("seconds\n1.5\n\n-2\n", None, "line 4: seconds is '-2'"),
        ("seconds\n1.5\nnan\n", None, "line 3: seconds is 'nan'"),
        ("seconds\n1.5\ninf\n", None, "line 3: seconds is 'inf'"),
        ("a,seconds\n1,1\n2\n", "seconds", "line 3: seconds is None"),
        ("seconds\n1\n2\n", "second", "did you mean 'seconds'?"),
        (b"seconds\n\xff\xfe\n", None, "cannot be read as a CSV file"),
    ],
)
def test_a_wrong_csv_is_named_with_its_line(
    write: Callable[..., Path], content: str | bytes, column: str | None, says: str
) -> None:
    """Path, line, what is there and what is allowed, in one sentence."""
    path = write(content)
    with pytest.raises(ScenarioError) as caught:
        empirical(path, column=column)
    said = sentence_of(caught)
    assert says in said
    assert said.startswith(str(path))


def test_a_csv_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file and a folder: one sentence."""
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(ScenarioError) as caught:
            empirical(path)
        assert str(path) in sentence_of(caught)


# --- against Celery's own code --------------------------------------------------------------------

_RESEEDED = st.tuples(SEEDS, STREAMS, st.integers(0, 12))


@laws
@given(_RESEEDED, st.integers(1, 60), st.integers(1, 3600))
def test_full_jitter_is_celerys_after_reseeding(
    drawn: tuple[int, str, int], backoff_s: int, most_s: int
) -> None:
    """The model's jitter is what a worker draws whose global generator was seeded alike."""
    seed, task, retry = drawn
    ceiling = AutoRetry(backoff_s=backoff_s, backoff_max_s=most_s).ceiling(retry)
    before = random.getstate()
    random.seed(jitter_seed(seed, task, retry))
    theirs = get_exponential_backoff_interval(backoff_s, retry, most_s, full_jitter=True)
    random.setstate(before)
    assert full_jitter(seed, task, retry, ceiling) == theirs


@laws
@given(st.integers(1, 60), st.integers(1, 3600), st.integers(0, 30))
def test_the_backoff_without_jitter_is_celerys(backoff_s: int, most_s: int, retry: int) -> None:
    """ceiling(n) is Celery's exponential backoff before retry n."""
    theirs = get_exponential_backoff_interval(backoff_s, retry, most_s, full_jitter=False)
    assert AutoRetry(backoff_s=backoff_s, backoff_max_s=most_s).ceiling(retry) == theirs


def test_jitter_covers_every_whole_second_alike() -> None:
    """Full jitter: each of 0 … countdown is equally likely (chi-square over 10 000 tasks)."""
    drawn = [full_jitter(1, f"resize/{n}", 0, 8) for n in range(10_000)]
    counts = [drawn.count(second) for second in range(9)]
    assert sum(counts) == len(drawn)
    assert stats.chisquare(counts).pvalue > CHANCE_OF_A_FALSE_ALARM


def test_self_retry_multiplies_its_countdown() -> None:
    """The countdown before retry n is countdown_s · factor^n."""
    retry = SelfRetry(countdown_s=60.0, factor=2.0)
    assert [retry.countdown(n) for n in range(4)] == [60.0, 120.0, 240.0, 480.0]


@laws
@given(st.integers(1, 10_000) | st.floats(0.001, 1000).map(lambda x: round(x, 3)), st.data())
def test_a_rate_is_read_as_celery_reads_it(number: float, data: Any) -> None:
    """Tasks a second of '5', '5/s', '5/m' and '5/h' are those of celery.utils.time.rate."""
    text = f"{number}{data.draw(st.sampled_from(('', '/s', '/m', '/h')))}"
    assert parse_rate(text) == pytest.approx(rate(text))


@pytest.mark.parametrize("text", ["", "5/", "/m", "5/x", "5 /m", "-5/m", "0", "0/h", "5/d", "nan"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    """What Celery could not read, or what would never run a task."""
    with pytest.raises(ValueError, match="a rate is a number above 0"):
        parse_rate(text)
