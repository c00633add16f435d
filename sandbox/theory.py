"""Closed forms of queueing theory: what a simulation of workers must agree with.

Rates are per second (``_per_s``), times are seconds (``_s``), an offered load is in erlangs
(arrival rate x mean service time). Arrivals are Poisson and the order is first in, first out
unless a function says otherwise. Every result is exact for its model except `allen_cunneen`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sandbox.theory_arguments import is_finite, not_negative, positive, reject, whole

__all__ = [
    "MMc", "MachineRepair", "allen_cunneen", "erlang_b", "erlang_c", "kiefer_wolfowitz", "little",
    "machine_repair", "md1", "mdc", "mg1", "mmc", "mmc_priorities", "retry_attempts",
]  # fmt: skip

FloatArray = npt.NDArray[np.float64]


def _offered_load(
    rate: float, service_time_s: float, n_servers: int | None, name: str = "arrival_rate_per_s"
) -> float:
    """Check the arguments (n_servers None: one by definition); return rate x time, in erlangs."""
    not_negative(**{name: rate})
    positive(service_time_s=service_time_s)
    if n_servers is not None:
        whole("n_servers", n_servers)
    servers, label = (1, "1") if n_servers is None else (n_servers, "n_servers")
    if rate * service_time_s >= servers:
        limit = f"below {label} / service_time_s = {float(f'{servers / service_time_s:.6g}')}"
        reject(name, rate, f"{limit}: the queue would grow without bound")
    return rate * service_time_s


def erlang_b(n_servers: int, offered_load: float) -> float:
    """Probability that an arrival finds all servers busy when nobody may wait (M/G/c/c).

    Valid for any offered load (erlangs) and any service distribution. Source: A. K. Erlang (1917),
    "Solution of some problems in the theory of probabilities of significance in automatic
    telephone exchanges".

    >>> round(erlang_b(n_servers=10, offered_load=10.0), 4)
    0.2146
    """
    whole("n_servers", n_servers)
    not_negative(offered_load=offered_load)
    blocked = 1.0
    for n in range(1, n_servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    return blocked


def erlang_c(n_servers: int, offered_load: float) -> float:
    """Probability that an arrival has to wait in M/M/c.

    Valid for offered_load (erlangs) below n_servers. Source: Erlang (1917), as for `erlang_b`.

    >>> round(erlang_c(n_servers=10, offered_load=8.0), 4)
    0.4092
    """
    whole("n_servers", n_servers)
    not_negative(offered_load=offered_load)
    if offered_load >= n_servers:
        limit = f"below n_servers = {n_servers}"
        reject("offered_load", offered_load, f"{limit}: the queue would grow without bound")
    blocked = erlang_b(n_servers, offered_load)
    return n_servers * blocked / (n_servers - offered_load + offered_load * blocked)


@dataclass(frozen=True)
class MMc:
    """Steady state of an M/M/c queue, as `mmc` returns it.

    >>> mmc(7.2, service_time_s=1.0, n_servers=8).utilisation
    0.9
    """

    utilisation: float  # share of time a server is busy, 0 to 1
    p_wait: float  # probability that an arrival waits
    mean_wait_s: float  # in the queue, over all arrivals
    mean_queue: float  # number waiting
    mean_sojourn_s: float  # wait + service

    def wait_quantile_s(self, p: float) -> float:
        """The wait that a share p (0 <= p < 1) of the arrivals does not exceed, in seconds.

        Exact: a wait is 0 with probability 1 - p_wait, else exponential. Source: Erlang (1917).

        >>> round(mmc(7.2, service_time_s=1.0, n_servers=8).wait_quantile_s(0.95), 4)
        3.3016
        """
        if not (is_finite(p) and 0 <= p < 1):
            reject("p", p, "a number from 0 up to, but not including, 1")
        if 1 - p >= self.p_wait:
            return 0.0
        return self.mean_wait_s / self.p_wait * math.log(self.p_wait / (1 - p))


def mmc(arrival_rate_per_s: float, service_time_s: float, n_servers: int) -> MMc:
    """M/M/c: exponential service with mean service_time_s on n_servers identical servers.

    Valid for arrival_rate_per_s x service_time_s below n_servers. Source: Erlang (1917).

    >>> round(mmc(arrival_rate_per_s=7.2, service_time_s=1.0, n_servers=8).mean_wait_s, 4)
    0.8769
    """
    load = _offered_load(arrival_rate_per_s, service_time_s, n_servers)
    p_wait = erlang_c(n_servers, load)
    wait = p_wait * service_time_s / (n_servers - load)
    queue = little(arrival_rate_per_s, wait)
    return MMc(load / n_servers, p_wait, wait, queue, mean_sojourn_s=wait + service_time_s)


def mdc(arrival_rate_per_s: float, service_time_s: float, n_servers: int) -> float:
    """Mean wait in seconds in M/D/c: every service takes exactly service_time_s.

    Valid for arrival_rate_per_s x service_time_s below n_servers. Exact: the number waiting, seen
    every service_time_s, obeys Q' = max(0, Q + Poisson(load) - n_servers), and its mean is a sum
    over the roots of z**n_servers = exp(load (z - 1)) in the unit circle. Source: C. D. Crommelin
    (1932), "Delay probability formulae when the holding times are constant".

    >>> round(mdc(arrival_rate_per_s=7.2, service_time_s=1.0, n_servers=8), 5)
    0.44997
    """
    load = _offered_load(arrival_rate_per_s, service_time_s, n_servers)
    if load == 0:
        return 0.0
    rho = load / n_servers
    unity = np.exp(2j * np.pi * np.arange(1, n_servers) / n_servers)
    z = np.zeros_like(unity)
    for _ in range(20):  # Newton converges within ten steps for any load
        image = unity * np.exp(rho * (z - 1))
        z -= (z - image) / (1 - rho * image)
    # z - unity, written as a product so that nothing cancels at a small load
    shift = unity * np.expm1(rho * (z - 1))
    over_roots = float(np.sum(shift / ((1 - z) * (1 - unity))).real) / load
    return max(0.0, over_roots - (n_servers - 1 - load) / (2 * (n_servers - load))) * service_time_s


def mg1(arrival_rate_per_s: float, service_time_s: float, service_cv: float) -> float:
    """Mean wait in seconds in M/G/1: one server, any service distribution.

    service_time_s is the mean, service_cv the standard deviation / mean of the service. Valid for
    arrival_rate_per_s x service_time_s below 1. Source: F. Pollaczek (1930), "Ueber eine Aufgabe
    der Wahrscheinlichkeitstheorie"; A. Khinchine (1932), "Mathematical theory of a stationary
    queue".

    >>> mg1(arrival_rate_per_s=0.5, service_time_s=1.0, service_cv=2.0)
    2.5
    """
    load = _offered_load(arrival_rate_per_s, service_time_s, None)
    not_negative(service_cv=service_cv)
    return load * service_time_s * (1 + service_cv**2) / (2 * (1 - load))


def md1(arrival_rate_per_s: float, service_time_s: float) -> float:
    """Mean wait in seconds in M/D/1: one server, every service takes exactly service_time_s.

    Valid for arrival_rate_per_s x service_time_s below 1. Half the wait of M/M/1.
    Source: A. K. Erlang (1909), "The theory of probabilities and telephone conversations".

    >>> md1(arrival_rate_per_s=0.5, service_time_s=1.0)
    0.5
    """
    return mg1(arrival_rate_per_s, service_time_s, service_cv=0.0)


def mmc_priorities(
    arrival_rates_per_s: Sequence[float], service_time_s: float, n_servers: int
) -> tuple[float, ...]:
    """Mean wait in seconds of each class in M/M/c with priorities, most urgent class first.

    A free server takes the most urgent waiting task and never interrupts a running one; all
    classes share one exponential service. Valid for sum(arrival_rates_per_s) x service_time_s
    below n_servers. Source: A. Cobham (1954), "Priority assignment in waiting line problems".

    >>> [round(w, 4) for w in mmc_priorities([0.2, 0.6, 1.2], service_time_s=1 / 3, n_servers=1)]
    [0.2381, 0.3247, 0.9091]
    """
    if len(arrival_rates_per_s) == 0:
        reject("arrival_rates_per_s", arrival_rates_per_s, "a list of at least one rate")
    for index, rate in enumerate(arrival_rates_per_s):
        not_negative(**{f"arrival_rates_per_s[{index}]": rate})
    sums = list(itertools.accumulate(map(float, arrival_rates_per_s), initial=0.0))
    load = _offered_load(sums[-1], service_time_s, n_servers, name="sum(arrival_rates_per_s)")
    first_free_s = erlang_c(n_servers, load) * service_time_s / n_servers
    idle = [1 - rate * service_time_s / n_servers for rate in sums]
    return tuple(first_free_s / (above * own) for above, own in itertools.pairwise(idle))


@dataclass(frozen=True)
class MachineRepair:
    """Steady state of a finite source, as `machine_repair` returns it.

    >>> round(machine_repair(5, 1 / 30, service_time_s=3.0, n_servers=2).throughput_per_s, 4)
    0.1512
    """

    p0: float  # probability that nobody is at the servers
    mean_in_system: float  # L: waiting or in service
    mean_sojourn_s: float  # W: wait + service
    throughput_per_s: float  # completions


def machine_repair(
    n_sources: int, rate_per_source_per_s: float, service_time_s: float, n_servers: int
) -> MachineRepair:
    """M/M/c with a finite source: each of n_sources sends a request, waits for it, thinks, repeats.

    rate_per_source_per_s is 1 / mean think time (a machine's failure rate), service_time_s the
    mean exponential service (repair). Valid, and stable, for all positive arguments.
    Source: C. Palm (1947), "The distribution of repairmen in servicing automatic machines";
    D. Gross and C. M. Harris, "Fundamentals of Queueing Theory", finite-source queues.

    >>> round(machine_repair(5, 1 / 30, service_time_s=3.0, n_servers=2).mean_sojourn_s, 4)
    3.0746
    """
    whole("n_sources", n_sources)
    whole("n_servers", n_servers)
    positive(rate_per_source_per_s=rate_per_source_per_s, service_time_s=service_time_s)
    n = np.arange(n_sources + 1)
    steps = np.log((n_sources - n[:-1]) / np.minimum(n[1:], n_servers))
    steps += math.log(rate_per_source_per_s) + math.log(service_time_s)
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    weights = np.exp(logs - logs.max())
    p = weights / weights.sum()
    throughput = float(np.minimum(n, n_servers) @ p) / service_time_s
    mean_in_system = float(n @ p)
    return MachineRepair(float(p[0]), mean_in_system, mean_in_system / throughput, throughput)


def allen_cunneen(
    arrival_rate_per_s: float, service_time_s: float, n_servers: int,
    arrival_cv: float, service_cv: float,
) -> float:  # fmt: skip
    """APPROXIMATE mean wait in seconds in G/G/c: M/M/c scaled by (arrival_cv^2 + service_cv^2) / 2.

    The cvs are standard deviation / mean of the gaps between arrivals and of the service.
    Exact for M/M/c and M/G/1; elsewhere best at high load. Valid for arrival_rate_per_s x
    service_time_s below n_servers. Source: A. O. Allen (1978), "Probability, Statistics, and
    Queueing Theory with Computer Science Applications", the Allen-Cunneen formula.

    >>> round(allen_cunneen(7.2, 1.0, n_servers=8, arrival_cv=1.0, service_cv=0.0), 4)
    0.4385
    """
    not_negative(arrival_cv=arrival_cv, service_cv=service_cv)
    exponential_s = mmc(arrival_rate_per_s, service_time_s, n_servers).mean_wait_s
    return exponential_s * (arrival_cv**2 + service_cv**2) / 2


def little(arrival_rate_per_s: float, mean_time_s: float) -> float:
    """Mean number present, L = lambda W, where arrivals stay mean_time_s on average.

    Valid for any stable system, order and distribution; the wait gives the queue length, the
    sojourn the number in the system, the service time the busy servers. Source: J. D. C. Little
    (1961), "A proof for the queuing formula: L = lambda W".

    >>> little(arrival_rate_per_s=4.0, mean_time_s=0.5)
    2.0
    """
    not_negative(arrival_rate_per_s=arrival_rate_per_s, mean_time_s=mean_time_s)
    return arrival_rate_per_s * mean_time_s


def _require_each(name: str, values: FloatArray, valid: npt.NDArray[np.bool_], must: str) -> None:
    if not np.all(valid):
        index = int(np.argmin(valid))
        reject(f"{name}[{index}]", values[index], must)


def kiefer_wolfowitz(
    arrivals: npt.ArrayLike, services: npt.ArrayLike, n_servers: int
) -> FloatArray:
    """Wait in seconds of every customer of one given path through G/G/c, first in, first out.

    arrivals are the arrival times in seconds, in order, and services the service times in
    seconds; both may follow any law, also an overloaded one. Exact: each customer takes the
    server that is free first, so a simulation fed the same numbers must give the same waits.
    Source: J. Kiefer and J. Wolfowitz (1955), "On the theory of queues with many servers".

    >>> kiefer_wolfowitz(arrivals=[0, 1, 2], services=[5, 3, 1], n_servers=2).tolist()
    [0.0, 0.0, 2.0]
    """
    whole("n_servers", n_servers)
    arrived, served = np.asarray(arrivals, np.float64), np.asarray(services, np.float64)
    if arrived.ndim != 1:
        reject("the shape of arrivals", arrived.shape, "one-dimensional")
    if served.shape != arrived.shape:
        reject("the shape of services", served.shape, f"that of arrivals = {arrived.shape}")
    _require_each("arrivals", arrived, np.isfinite(arrived), "a finite number")
    ordered = np.diff(arrived, prepend=-math.inf) >= 0
    _require_each("arrivals", arrived, ordered, "no earlier than the one before it")
    _require_each("services", served, np.isfinite(served) & (served >= 0), "finite, 0 or more")
    free_at = [-math.inf] * n_servers
    waits = np.empty(len(arrived))
    for i, (arrival, service) in enumerate(zip(arrived.tolist(), served.tolist(), strict=True)):
        start = max(arrival, free_at[0])
        waits[i] = start - arrival
        heapq.heapreplace(free_at, start + service)
    return waits


def retry_attempts(p_failure: float, max_retries: int | None) -> float:
    """Expected number of attempts of a task retried after each failure: the load's growth factor.

    Attempts fail independently with probability p_failure (0 to 1); at most max_retries follow the
    first, None for no limit (then p_failure must be below 1). Source: W. Feller (1950), "An
    Introduction to Probability Theory and Its Applications", the (truncated) geometric law.

    >>> retry_attempts(p_failure=0.5, max_retries=2)
    1.75
    """
    if not (is_finite(p_failure) and 0 <= p_failure <= 1):
        reject("p_failure", p_failure, "a number from 0 to 1")
    if max_retries is None:
        if p_failure == 1:
            reject("p_failure", p_failure, "below 1 without max_retries: no attempt would be last")
        return 1 / (1 - p_failure)
    whole("max_retries", max_retries, minimum=0)
    if p_failure in (0, 1):
        return 1.0 + p_failure * max_retries
    return -math.expm1((max_retries + 1) * math.log(p_failure)) / (1 - p_failure)
