"""sandbox.theory against textbook values, laws that must hold, and obvious slow computations."""

from __future__ import annotations

import dataclasses
import doctest
import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import theory

LOADS = [0.01, 0.3, 0.6, 0.8, 0.9, 0.99]
SERVERS = [1, 2, 3, 8, 25, 100]


# --- published and computed values ------------------------------------------------------------


@pytest.mark.parametrize(("servers", "expected"), [(5, 0.2849), (10, 0.2146), (20, 0.1589)])
def test_erlang_b_at_a_load_of_one_per_server(servers: int, expected: float) -> None:
    assert theory.erlang_b(servers, float(servers)) == pytest.approx(expected, abs=5e-5)


def test_erlang_c_of_ten_servers_at_eight_erlangs() -> None:
    assert theory.erlang_c(10, 8.0) == pytest.approx(0.4092, abs=5e-5)


def test_mm8_at_90_percent() -> None:
    queue = theory.mmc(arrival_rate_per_s=7.2, service_time_s=1.0, n_servers=8)
    assert queue.utilisation == pytest.approx(0.9)
    assert queue.p_wait == pytest.approx(0.7015, abs=5e-5)
    assert queue.mean_wait_s == pytest.approx(0.8769, abs=5e-5)
    assert queue.wait_quantile_s(0.95) == pytest.approx(3.3016, abs=5e-5)


def test_gross_and_harris_eye_clinic_and_barber() -> None:
    assert theory.mmc(6.0, 1 / 3, n_servers=3).mean_queue == pytest.approx(0.8889, abs=5e-5)
    assert theory.mmc(5.0, 1 / 6, n_servers=1).mean_queue == pytest.approx(4.1667, abs=5e-5)


def test_gross_and_harris_machine_repair() -> None:
    shop = theory.machine_repair(5, rate_per_source_per_s=1 / 30, service_time_s=3.0, n_servers=2)
    assert shop.p0 == pytest.approx(0.6186, abs=5e-5)
    assert shop.mean_in_system == pytest.approx(0.4648, abs=5e-5)
    assert shop.mean_sojourn_s == pytest.approx(3.0746, abs=5e-5)


def test_hillier_and_lieberman_county_hospital() -> None:
    assert theory.mmc(2.0, 1 / 3, n_servers=1).mean_wait_s == pytest.approx(0.6667, abs=5e-5)
    assert theory.mmc(2.0, 1 / 3, n_servers=2).mean_wait_s == pytest.approx(0.04167, abs=5e-6)


@pytest.mark.parametrize(
    ("servers", "expected"), [(1, (0.2381, 0.3247, 0.9091)), (2, (0.0287, 0.0332, 0.0481))]
)
def test_county_hospital_with_three_priorities(
    servers: int, expected: tuple[float, float, float]
) -> None:
    waits = theory.mmc_priorities([0.2, 0.6, 1.2], service_time_s=1 / 3, n_servers=servers)
    assert waits == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("servers", "at_80", "at_90"),
    [
        (2, 0.90328, 2.14692),
        (5, 0.28906, 0.77670),
        (8, 0.15195, 0.44997),
        (10, 0.10983, 0.34458),
        (25, 0.02387, 0.10719),
    ],
)
def test_mdc_table(servers: int, at_80: float, at_90: float) -> None:
    assert theory.mdc(0.8 * servers, 1.0, servers) == pytest.approx(at_80, abs=5e-6)
    assert theory.mdc(0.9 * servers, 1.0, servers) == pytest.approx(at_90, abs=5e-6)


# --- Erlang -----------------------------------------------------------------------------------


@given(servers=st.integers(1, 1000), rho=st.floats(0.01, 0.999))
def test_erlang_c_follows_from_erlang_b(servers: int, rho: float) -> None:
    blocked = theory.erlang_b(servers, rho * servers)
    waits = theory.erlang_c(servers, rho * servers)
    assert waits == pytest.approx(blocked / (1 - rho * (1 - blocked)), rel=1e-9)
    assert 0 <= blocked <= waits < 1


@pytest.mark.parametrize("servers", [1, 2, 5, 10])
@pytest.mark.parametrize("load", [0.1, 1.0, 7.0])
def test_erlang_b_is_the_truncated_poisson_sum(servers: int, load: float) -> None:
    terms = [load**n / math.factorial(n) for n in range(servers + 1)]
    assert theory.erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms))


def test_erlang_with_a_thousand_servers_matches_logarithms() -> None:
    servers, load = 1000, 950.0
    logs = np.array([n * math.log(load) - math.lgamma(n + 1) for n in range(servers + 1)])
    weights = np.exp(logs - logs.max())
    assert theory.erlang_b(servers, load) == pytest.approx(weights[-1] / weights.sum(), rel=1e-9)
    assert 0.99 < theory.erlang_c(servers, 999.9) < 1


# --- M/M/c ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", LOADS)
def test_mm1_special_case(rho: float) -> None:
    service = 2.0
    queue = theory.mmc(rho / service, service, n_servers=1)
    assert queue.p_wait == pytest.approx(rho)
    assert queue.mean_wait_s == pytest.approx(rho * service / (1 - rho))
    assert queue.mean_sojourn_s == pytest.approx(service / (1 - rho))
    assert queue.mean_queue == pytest.approx(rho**2 / (1 - rho))


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("rho", LOADS)
def test_mmc_quantile_inverts_the_waiting_time_distribution(servers: int, rho: float) -> None:
    queue = theory.mmc(rho * servers, 1.0, servers)
    for p in (0.0, 0.5, 0.9, 0.999):
        wait = queue.wait_quantile_s(p)
        below = 1 - queue.p_wait * math.exp(-(servers - rho * servers) * wait)
        assert below == pytest.approx(p) if wait > 0 else below >= p


def test_mmc_without_arrivals_is_empty() -> None:
    queue = theory.mmc(0.0, 3.0, n_servers=2)
    assert dataclasses.astuple(queue) == (0.0, 0.0, 0.0, 0.0, 3.0)
    assert queue.wait_quantile_s(0.99) == 0.0
    assert theory.mdc(0.0, 3.0, n_servers=2) == 0.0


def test_mmc_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        theory.mmc(1.0, 0.5, n_servers=1).p_wait = 0.0  # type: ignore[misc]


# --- M/D/c and M/G/1 --------------------------------------------------------------------------


@pytest.mark.parametrize("rho", LOADS)
def test_md1_waits_half_as_long_as_mm1(rho: float) -> None:
    exponential = theory.mmc(rho / 3, 3.0, n_servers=1).mean_wait_s
    assert theory.md1(rho / 3, 3.0) == pytest.approx(exponential / 2)
    assert theory.mdc(rho / 3, 3.0, n_servers=1) == pytest.approx(exponential / 2)
    assert theory.mg1(rho / 3, 3.0, service_cv=1.0) == pytest.approx(exponential)


def mdc_by_random_walk(load: float, servers: int) -> float:
    """Spitzer's identity: Lq = sum of E[max(0, Poisson(n load) - n servers)] / n, all positive."""
    rho = load / servers
    decay = servers * (rho - 1 - math.log(rho))
    queue = 0.0
    for n in range(1, math.ceil(40 / decay) + 2):
        m, mean = n * servers, n * load
        log_pmf = m * math.log(mean) - mean - math.lgamma(m + 1)
        j = np.arange(1, math.ceil(min(40 / -math.log(rho), 9 * math.sqrt(m) + 50)) + 3)
        queue += math.exp(log_pmf) * float(np.sum(j * np.cumprod(mean / (m + j)))) / n
    return queue / load


@pytest.mark.parametrize(
    ("servers", "rho"),
    [
        *itertools.product([*SERVERS, 1000], [1e-6, 0.01, 0.3, 0.6, 0.8, 0.9]),
        (100, 0.99),
        (1000, 0.99),
    ],
)
def test_mdc_equals_an_independent_exact_series(servers: int, rho: float) -> None:
    expected = mdc_by_random_walk(rho * servers, servers)
    found = theory.mdc(rho * servers, 1.0, servers)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("servers", [2, 8])
def test_mdc_equals_crommelins_markov_chain(servers: int) -> None:
    load, size = 0.8 * servers, 150
    poisson = np.array(
        [math.exp(n * math.log(load) - load - math.lgamma(n + 1)) for n in range(size)]
    )
    p = np.full(size, 1 / size)
    for _ in range(1500):  # one step = one service time; whoever waited beyond `servers` stays
        left = np.concatenate(([p[: servers + 1].sum()], p[servers + 1 :]))
        p = np.convolve(left, poisson)[:size]
        p /= p.sum()
    queue = float(np.maximum(np.arange(size) - servers, 0) @ p)
    assert theory.mdc(load, 1.0, servers) == pytest.approx(queue / load, rel=1e-9)


@given(servers=st.integers(1, 60), rho=st.floats(0.001, 0.9999), scale=st.floats(0.01, 100))
def test_mdc_lies_between_nothing_and_mmc_and_scales_with_the_clock(
    servers: int, rho: float, scale: float
) -> None:
    wait = theory.mdc(rho * servers, 1.0, servers)
    assert 0 <= wait <= theory.mmc(rho * servers, 1.0, servers).mean_wait_s + 1e-12
    slower = theory.mdc(rho * servers / scale, scale, servers)
    assert slower / scale == pytest.approx(wait, rel=1e-9, abs=1e-12)


def test_mg1_grows_with_the_squared_cv() -> None:
    waits = [theory.mg1(0.8, 1.0, service_cv=cv) for cv in (0.0, 1.0, 2.0)]
    assert waits == pytest.approx([2.0, 4.0, 10.0])


# --- priorities, finite source, approximation, Little, retries --------------------------------


@given(
    rates=st.lists(st.floats(0.01, 10), min_size=2, max_size=6),
    servers=st.integers(1, 40),
    rho=st.floats(0.01, 0.99),
)
def test_priorities_only_redistribute_the_wait(
    rates: list[float], servers: int, rho: float
) -> None:
    """Cobham's waits keep the conservation law: weighted by rate they sum to the FIFO wait."""
    total = sum(rates)
    service = rho * servers / total
    waits = theory.mmc_priorities(rates, service, servers)
    fifo = theory.mmc(total, service, servers).mean_wait_s
    weighted = sum(rate * wait for rate, wait in zip(rates, waits, strict=True)) / total
    assert weighted == pytest.approx(fifo, rel=1e-9)
    assert all(urgent <= later for urgent, later in itertools.pairwise(waits))


def test_a_single_priority_is_plain_mmc() -> None:
    assert theory.mmc_priorities([7.2], 1.0, 8) == pytest.approx([0.8769162], abs=1e-7)


def test_machine_repair_keeps_its_balance() -> None:
    for sources, servers in [(1, 1), (5, 2), (40, 8), (3000, 100)]:
        shop = theory.machine_repair(sources, 0.1, 2.0, servers)
        sent = (sources - shop.mean_in_system) * 0.1
        assert shop.throughput_per_s == pytest.approx(sent)
        in_system = theory.little(shop.throughput_per_s, shop.mean_sojourn_s)
        assert in_system == pytest.approx(shop.mean_in_system)


def test_machine_repair_with_a_server_for_each_source_never_waits() -> None:
    shop = theory.machine_repair(6, 0.5, 2.0, n_servers=6)
    assert shop.mean_sojourn_s == pytest.approx(2.0)
    assert shop.p0 == pytest.approx(0.5**6)


def test_machine_repair_with_many_sources_tends_to_mmc() -> None:
    shop = theory.machine_repair(200_000, 7.2 / 200_000, 1.0, n_servers=8)
    assert shop.mean_sojourn_s == pytest.approx(theory.mmc(7.2, 1.0, 8).mean_sojourn_s, rel=1e-3)


def test_allen_cunneen_is_exact_where_it_claims_to_be() -> None:
    queue = theory.mmc(7.2, 1.0, 8)
    assert theory.allen_cunneen(7.2, 1.0, 8, arrival_cv=1, service_cv=1) == queue.mean_wait_s
    approximate = theory.allen_cunneen(0.7, 1.0, 1, arrival_cv=1, service_cv=1.7)
    assert approximate == pytest.approx(theory.mg1(0.7, 1.0, service_cv=1.7))


def test_allen_cunneen_is_close_to_mdc_under_high_load() -> None:
    approximate = theory.allen_cunneen(7.2, 1.0, 8, arrival_cv=1, service_cv=0)
    assert approximate == pytest.approx(theory.mdc(7.2, 1.0, 8), rel=0.03)


def test_little_ties_mean_wait_to_mean_queue() -> None:
    queue = theory.mmc(7.2, 1.0, 8)
    assert theory.little(7.2, queue.mean_wait_s) == pytest.approx(queue.mean_queue)
    assert theory.little(7.2, 1.0) == pytest.approx(8 * queue.utilisation)


@given(p=st.floats(0, 1), retries=st.integers(0, 50))
def test_retry_attempts_is_a_plain_geometric_sum(p: float, retries: int) -> None:
    expected = math.fsum(p**n for n in range(retries + 1))
    assert theory.retry_attempts(p, retries) == pytest.approx(expected)


def test_retry_attempts_without_limit() -> None:
    assert theory.retry_attempts(0.75, None) == 4.0
    assert theory.retry_attempts(0.75, 10_000) == pytest.approx(4.0)


# --- Kiefer and Wolfowitz ---------------------------------------------------------------------

PATHS = st.lists(
    st.tuples(st.integers(0, 40).map(float), st.integers(0, 90).map(float)), max_size=30
)


def waits_by_brute_force(
    arrivals: list[float], services: list[float], n_servers: int
) -> list[float]:
    """Integer ticks: each tick, free servers take waiting customers in order of arrival."""
    waits: list[float] = []
    ends: list[float] = []
    tick = 0
    while len(waits) < len(arrivals):
        ends = [end for end in ends if end > tick]
        head = len(waits)
        if len(ends) < n_servers and arrivals[head] <= tick:
            waits.append(tick - arrivals[head])
            ends.append(tick + services[head])
        else:
            tick += 1
    return waits


@given(path=PATHS, servers=st.integers(1, 5))
def test_kiefer_wolfowitz_equals_a_tick_by_tick_simulation(
    path: list[tuple[float, float]], servers: int
) -> None:
    arrivals = sorted(arrival for arrival, _ in path)
    services = [service for _, service in path]
    waits = theory.kiefer_wolfowitz(arrivals, services, servers)
    assert waits.dtype == np.float64
    assert waits.tolist() == waits_by_brute_force(arrivals, services, servers)


@given(path=PATHS)
def test_kiefer_wolfowitz_with_one_server_is_lindleys_recursion(
    path: list[tuple[float, float]],
) -> None:
    arrivals = sorted(arrival for arrival, _ in path)
    services = [service for _, service in path]
    expected = [0.0] * len(path)
    for n in range(1, len(path)):
        gap = arrivals[n] - arrivals[n - 1]
        expected[n] = max(0.0, expected[n - 1] + services[n - 1] - gap)
    assert theory.kiefer_wolfowitz(arrivals, services, 1).tolist() == expected


def test_kiefer_wolfowitz_equals_the_sorted_workload_vector() -> None:
    """The recursion as published: a sorted vector of remaining work, drained between arrivals."""
    rng = np.random.default_rng(5)
    gaps, services = rng.exponential(1 / 3.6, 2000), rng.exponential(1.0, 2000)
    work, expected = np.zeros(4), []
    for gap, service in zip(gaps, services, strict=True):
        work = np.sort(np.maximum(work - gap, 0.0))
        expected.append(work[0])
        work[0] += service
    found = theory.kiefer_wolfowitz(np.cumsum(gaps), services, 4)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("service", ["exponential", "constant"])
def test_a_long_path_approaches_the_closed_forms(service: str) -> None:
    rng = np.random.default_rng(2024)
    count, rate, servers = 200_000, 5.6, 8
    arrivals = np.cumsum(rng.exponential(1 / rate, count))
    constant = service == "constant"
    services = np.ones(count) if constant else rng.exponential(1.0, count)
    closed = theory.mdc if constant else lambda *a: theory.mmc(*a).mean_wait_s
    found = float(theory.kiefer_wolfowitz(arrivals, services, servers).mean())
    assert found == pytest.approx(closed(rate, 1.0, servers), rel=0.06)


def test_kiefer_wolfowitz_with_nobody() -> None:
    assert theory.kiefer_wolfowitz([], [], 3).shape == (0,)


# --- errors, doctests, imports ----------------------------------------------------------------


def test_an_unstable_queue_is_refused_in_one_sentence() -> None:
    expected = (
        "arrival_rate_per_s is 10.0 but must be below n_servers / service_time_s = 8.0: "
        "the queue would grow without bound"
    )
    for rate in (10.0, np.float64(10.0)):
        with pytest.raises(ValueError) as caught:
            theory.mmc(arrival_rate_per_s=rate, service_time_s=1.0, n_servers=8)
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.erlang_b(0, 1.0), "n_servers is 0 but must be a whole number, 1 or more"),
        (lambda: theory.erlang_b(3, math.nan), "offered_load is nan but must be a finite"),
        (lambda: theory.erlang_c(8, 8.0), "offered_load is 8.0 but must be below n_servers = 8:"),
        (lambda: theory.mmc(8.0, 1.0, 8), "arrival_rate_per_s is 8.0 but must be below n_servers"),
        (lambda: theory.mmc(1.0, 0.0, 8), "service_time_s is 0.0 but must be a finite number abo"),
        (lambda: theory.mmc(-1.0, 1.0, 8), "arrival_rate_per_s is -1.0 but must be a finite"),
        (lambda: theory.mmc(1.0, 1.0, 2.5), "n_servers is 2.5 but must be a whole number"),
        (lambda: theory.mmc(1.0, 1.0, True), "n_servers is True but must be a whole number"),
        (lambda: theory.mmc("1", 1.0, 2), "arrival_rate_per_s is '1' but must be a finite"),
        (lambda: theory.mmc(1.0, 0.5, 1).wait_quantile_s(1.0), "p is 1.0 but must be a number"),
        (lambda: theory.mdc(9.0, 1.0, 8), "arrival_rate_per_s is 9.0 but must be below n_servers"),
        (lambda: theory.mg1(2.0, 1.0, 1.0), "arrival_rate_per_s is 2.0 but must be below 1 / serv"),
        (lambda: theory.mg1(0.5, 1.0, -1.0), "service_cv is -1.0 but must be a finite number, 0"),
        (lambda: theory.md1(1.0, 1.0), "arrival_rate_per_s is 1.0 but must be below 1 / service"),
        (lambda: theory.mmc_priorities([], 1.0, 1), "arrival_rates_per_s is [] but must be a list"),
        (lambda: theory.mmc_priorities([1, -2], 1.0, 9), "arrival_rates_per_s[1] is -2 but must"),
        (lambda: theory.mmc_priorities([1, 2], 1.0, 3), "sum(arrival_rates_per_s) is 3.0 but must"),
        (lambda: theory.machine_repair(0, 1.0, 1.0, 1), "n_sources is 0 but must be a whole"),
        (lambda: theory.machine_repair(2, 0.0, 1.0, 1), "rate_per_source_per_s is 0.0 but must"),
        (lambda: theory.allen_cunneen(1.0, 0.5, 1, -1.0, 0.0), "arrival_cv is -1.0 but must be"),
        (lambda: theory.little(1.0, math.inf), "mean_time_s is inf but must be a finite number"),
        (lambda: theory.kiefer_wolfowitz([0, 2, 1], [1, 1, 1], 1), "arrivals[2] is 1.0 but must"),
        (lambda: theory.kiefer_wolfowitz([0, math.nan], [1, 1], 1), "arrivals[1] is nan but must"),
        (lambda: theory.kiefer_wolfowitz([0, 1], [1, -1], 1), "services[1] is -1.0 but must be"),
        (lambda: theory.kiefer_wolfowitz([0], [1, 1], 1), "the shape of services is (2,) but must"),
        (lambda: theory.kiefer_wolfowitz([[0]], [[1]], 1), "the shape of arrivals is (1, 1) but"),
        (lambda: theory.kiefer_wolfowitz([0], [1], 0), "n_servers is 0 but must be a whole number"),
        (lambda: theory.retry_attempts(1.1, 3), "p_failure is 1.1 but must be a number from 0 to"),
        (lambda: theory.retry_attempts(0.5, -1), "max_retries is -1 but must be a whole number, 0"),
        (lambda: theory.retry_attempts(1.0, None), "p_failure is 1.0 but must be below 1 without"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_every_public_function_has_a_doctest_that_runs() -> None:
    result = doctest.testmod(theory)
    assert result.failed == 0
    functions = [name for name in theory.__all__ if callable(getattr(theory, name))]
    for name in functions:
        documented = getattr(theory, name)
        if not isinstance(documented, type):
            assert documented.__doc__ is not None and ">>> " in documented.__doc__, name


def test_importing_theory_stays_light() -> None:
    code = (
        "import sys, sandbox.theory; "
        "print(sorted({'scipy', 'simpy', 'celery', 'pandas'} & set(sys.modules)))"
    )
    root = Path(theory.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
