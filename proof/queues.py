"""The queues of the theory table: their scenarios, and what theory says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.draws import Deterministic, Distribution, Exponential, LogNormal, Uniform
from sandbox.scenario import Scenario
from sandbox.theory import machine_repair, md1, mdc, mg1, mmc, mmc_priorities


@dataclass(frozen=True)
class TheoryRow:
    """One queue. ``scenario(seed, slower)`` makes it, with services ``slower`` times as long.

    The mean sojourn of ``task`` is ``low`` = ``high`` seconds by theory, or between them.
    """

    scenario: Callable[[int, float], Scenario]
    task: str
    low: float
    high: float
    formula: str
    n_replications: int


def scaled(service: Distribution, factor: float) -> Distribution:
    """Return the same law with every time ``factor`` times as long."""
    times = {k: v * factor for k, v in service.model_dump().items() if k.endswith("_s")}
    return service.but(**times)


def _central(  # noqa: PLR0913, PLR0917 - a queue has that many parts
    service: Distribution, n_servers: int, rate_per_s: float, n: int, seed: int, slower: float
) -> Scenario:
    """Late ack and multiplier 1: the pool's processes share one central queue."""
    load = {"kind": "poisson", "task": "job", "rate_per_s": rate_per_s}
    return Scenario(
        name="queue",
        tasks=[{"name": "job", "service": scaled(service, slower), "acks_late": True}],
        workers=[{"concurrency": n_servers, "prefetch_multiplier": 1}],
        loads=[load],
        horizon_s=n / rate_per_s,
        seed=seed,
    )


def _row(  # noqa: PLR0913 - a queue has that many parts
    service: Distribution, n_servers: int, load: float, n: int, *,
    wait_s: Callable[[float], float | tuple[float, float]], formula: str, reps: int = 24,
) -> TheoryRow:  # fmt: skip
    """Return a queue at ``load``; ``wait_s`` gives its mean wait, or bounds, at a rate."""
    rate = load * n_servers / service.mean_s
    found = wait_s(rate)
    low, high = found if isinstance(found, tuple) else (found, found)
    mean_s = service.mean_s
    scenario = partial(_central, service, n_servers, rate, n)
    return TheoryRow(scenario, "job", low + mean_s, high + mean_s, formula, reps)


def _mmc(n_servers: int, load: float, n: int, reps: int = 24) -> TheoryRow:
    def wait_s(rate: float) -> float:
        return mmc(rate, 1.0, n_servers).mean_sojourn_s - 1.0

    return _row(UNIT, n_servers, load, n, wait_s=wait_s, formula="Erlang C", reps=reps)


def _mdc(n_servers: int, load: float, n: int) -> TheoryRow:
    return _row(
        EXACT, n_servers, load, n, wait_s=lambda rate: mdc(rate, 1.0, n_servers),
        formula="Crommelin",
    )  # fmt: skip


def _mg1(service: Distribution, load: float, n: int) -> TheoryRow:
    return _row(
        service, 1, load, n, wait_s=lambda rate: mg1(rate, service.mean_s, service.cv),
        formula="Pollaczek-Khinchine",
    )  # fmt: skip


def _mgc(service: Distribution, n_servers: int, load: float, n: int) -> TheoryRow:
    """Return a queue whose wait lies between those of M/D/c and M/M/c (0 < cv < 1)."""

    def bounds(rate: float) -> tuple[float, float]:
        return mdc(rate, 1.0, n_servers), mmc(rate, 1.0, n_servers).mean_sojourn_s - 1.0

    return _row(
        service, n_servers, load, n, wait_s=bounds, formula="between M/D/c and M/M/c",
    )  # fmt: skip


RATES_PER_S = (0.4, 0.6)


def two_classes(
    n_servers: int, rates: tuple[float, float], n: int, seed: int, slower: float
) -> Scenario:
    """Return an urgent class at priority 0 and a patient one at 9, without preemption."""
    pairs = (("urgent", 0, rates[0]), ("patient", 9, rates[1]))
    return Scenario(
        name="priorities",
        tasks=[
            {"name": name, "service": scaled(UNIT, slower), "acks_late": True, "priority": priority}
            for name, priority, _ in pairs
        ],
        workers=[{"concurrency": n_servers, "prefetch_multiplier": 1}],
        loads=[{"kind": "poisson", "task": name, "rate_per_s": rate} for name, _, rate in pairs],
        horizon_s=n / sum(rates),
        seed=seed,
    )


def _cobham(i: int, n_servers: int, n: int) -> TheoryRow:
    rates = (RATES_PER_S[0] * n_servers / 2, RATES_PER_S[1] * n_servers / 2)
    value = mmc_priorities(rates, 1.0, n_servers=n_servers)[i] + 1.0
    scenario = partial(two_classes, n_servers, rates, n)
    return TheoryRow(scenario, ("urgent", "patient")[i], value, value, "Cobham", 40)


def repair(n_machines: int, n: float, seed: int, slower: float) -> Scenario:
    """Return machines that run 3 s, break and wait for one of two repairers."""
    think: dict[str, Any] = {"kind": "exponential", "mean_s": 3.0}
    load = {"kind": "closed", "task": "job", "n_clients": n_machines, "think": think}
    return Scenario(
        name="repair",
        tasks=[{"name": "job", "service": scaled(UNIT, slower), "acks_late": True}],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
        loads=[load],
        horizon_s=n,
        seed=seed,
    )


def _repair(n_machines: int, n: float) -> TheoryRow:
    value = machine_repair(n_machines, 1 / 3, 1.0, 2).mean_sojourn_s
    return TheoryRow(partial(repair, n_machines, n), "job", value, value, "Gross & Harris", 24)


def limited(rate_per_s: float, n: int, seed: int, slower: float) -> Scenario:
    """Return one token a second for tasks without work: the tokens are the server."""
    rate = f"{round(3600 / slower, 6)}/h"
    load = {"kind": "poisson", "task": "job", "rate_per_s": rate_per_s}
    return Scenario(
        name="limited",
        tasks=[{"name": "job", "rate_limit": rate}],
        workers=[{"concurrency": 1, "prefetch_multiplier": 0}],
        loads=[load],
        horizon_s=n / rate_per_s,
        seed=seed,
    )


def _limited(rate_per_s: float, n: int) -> TheoryRow:
    value = md1(rate_per_s, 1.0)
    return TheoryRow(partial(limited, rate_per_s, n), "job", value, value, "M/D/1 wait", 24)


UNIT, EXACT = Exponential(mean_s=1.0), Deterministic(value_s=1.0)
ROWS: dict[str, TheoryRow] = {
    "M/M/1 at 0.5": _mmc(1, 0.5, 16_000),
    "M/M/2 at 0.6": _mmc(2, 0.6, 19_000),
    "M/M/8 at 0.8": _mmc(8, 0.8, 32_000),
    "M/D/1 at 0.6": _mdc(1, 0.6, 16_000),
    "M/D/2 at 0.8": _mdc(2, 0.8, 36_000),
    "M/D/5 at 0.8": _mdc(5, 0.8, 10_000),
    "M/D/8 at 0.8": _mdc(8, 0.8, 8_000),
    "M/G/1 lognormal at 0.5": _mg1(LogNormal(mean_s=1.0, cv=0.7), 0.5, 13_000),
    "M/G/1 uniform at 0.6": _mg1(Uniform(low_s=0.2, high_s=1.8), 0.6, 14_000),
    "M/G/4 lognormal at 0.7": _mgc(LogNormal(mean_s=1.0, cv=0.5), 4, 0.7, 8_000),
    "M/M/2, urgent, 0.5": _cobham(0, 2, 8_000),
    "M/M/2, patient, 0.5": _cobham(1, 2, 8_000),
    "M/M/1, urgent, 0.5": _cobham(0, 1, 10_000),
    "machine repair, 5 and 2": _repair(5, 4_000.0),
    "a rate limit at 0.5": _limited(0.5, 32_000),
}
