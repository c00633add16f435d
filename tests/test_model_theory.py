"""The model engine against exact queueing theory, inside stated intervals.

Each row: independent replications with seeds 0, 1, …, a fixed warm-up of a tenth of the tasks,
and a Student t interval of the mean over them, Bonferroni-corrected so that all rows together
hold with 95 %. The interval must contain theory's value and be no wider than ±2.5 % of it; the
same check must refuse a service that is 3 % slower than stated. The value is the mean sojourn
(wait + service); that the waits are right one by one is test_model's Kiefer-Wolfowitz law.

The replications' means are adjusted by two controls whose expectation is known: the mean
drawn service time and the mean drawn gap between arrivals. Both come from the stated laws,
never from the model, so a model that is slow cannot hide behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sandbox.draws import Deterministic, Distribution, Exponential, LogNormal, Uniform, uniforms
from sandbox.engines.model import start
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.theory import (
    machine_repair,
    mdc,
    mg1,
    mmc,
    mmc_priorities,
    retry_attempts,
)

FREE = Overheads(
    **dict.fromkeys([name for name in Overheads.model_fields if name.endswith("_s")], 0.0)
)
FAMILY_ERROR = 0.05
N_ROWS = 12  # all the intervals of this file that must hold
WARM_UP = 0.1
WIDEST = 0.025
SLOW = 1.03


@dataclass(frozen=True)
class Interval:
    """A mean with the half-width of its family-wise interval."""

    mean: float
    half_width: float

    def holds(self, value: float) -> bool:
        return abs(self.mean - value) <= self.half_width


def interval(values: list[float], controls: list[list[float]] | None = None) -> Interval:
    """Return the interval of the mean; ``controls`` are deviations from known expectations."""
    design = np.column_stack([np.ones(len(values)), *np.transpose(controls or [[]] * len(values))])
    freedom = len(values) - design.shape[1]
    fit, _, _, _ = np.linalg.lstsq(design, np.array(values), rcond=None)
    residual = np.array(values) - design @ fit
    error = float(residual @ residual) / freedom * np.linalg.inv(design.T @ design)[0, 0]
    t = stats.t.ppf(1 - FAMILY_ERROR / N_ROWS / 2, freedom)
    return Interval(float(fit[0]), float(t) * math.sqrt(error))


# --- one queue in the model ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """c servers at a load, and how much of it is simulated."""

    service: Distribution
    n_servers: int
    utilisation: float
    n_tasks: int
    n_replications: int = 30

    @property
    def rate_per_s(self) -> float:
        return self.utilisation * self.n_servers / self.service.mean_s

    def scenario(self, seed: int, service: Distribution) -> Scenario:
        """Late ack and multiplier 1: the pool's processes share one central queue."""
        load = {"kind": "poisson", "task": "job", "rate_per_s": self.rate_per_s}
        return Scenario(
            name="queue",
            tasks=[{"name": "job", "service": service, "acks_late": True}],
            workers=[{"concurrency": self.n_servers, "prefetch_multiplier": 1}],
            loads=[load],
            horizon_s=self.n_tasks / self.rate_per_s,
            seed=seed,
        )

    def mean_sojourn(self, slower: float = 1.0) -> Interval:
        """Return the mean sojourn (s) in the model, whose service is ``slower`` than stated."""
        means, controls = [], []
        for seed in range(self.n_replications):
            run = simulate(self.scenario(seed, scaled(self.service, slower)))
            arrived, sojourn = sojourns(run, "job")
            first = int(WARM_UP * len(sojourn))
            means.append(float(sojourn[first:].mean()))
            controls.append(self.controls(seed, arrived, first))
        return interval(means, controls)

    def controls(self, seed: int, arrived: np.ndarray[Any, Any], first: int) -> list[float]:
        """Return drawn minus expected: mean gap and, unless it is constant, mean service."""
        gaps = [float(np.diff(arrived[first:]).mean()) * self.rate_per_s - 1]
        if isinstance(self.service, Deterministic):
            return gaps
        draws = uniforms(seed, "job/service", len(arrived))[first:]
        services = [self.service.quantile(u) for u in draws.tolist()]
        return [*gaps, float(np.mean(services)) / self.service.mean_s - 1]


def scaled(service: Distribution, factor: float) -> Distribution:
    """Return the same law with every time ``factor`` times as long."""
    times = {k: v * factor for k, v in service.model_dump().items() if k.endswith("_s")}
    return service.but(**times)


def simulate(scenario: Scenario) -> Run:
    with start(scenario, overheads=FREE) as session:
        assert session.wait() == "drained"
    return session.close()


def sojourns(run: Run, kind: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return arrival times and sojourns (s) of a type's tasks, in order of arrival."""
    sent, ended = {}, {}
    for event in run.events:
        if event.kind == "sent" and event.task is not None and event.task.startswith(kind):
            sent[event.task] = event.t_s
        elif event.kind == "succeeded":
            ended[event.task] = event.t_s
    arrived = np.array(list(sent.values()))
    return arrived, np.array([ended[key] for key in sent]) - arrived


def mmc_sojourn(row: Row) -> float:
    return mmc(row.rate_per_s, row.service.mean_s, row.n_servers).mean_sojourn_s


def mdc_sojourn(row: Row) -> float:
    return mdc(row.rate_per_s, row.service.mean_s, row.n_servers) + row.service.mean_s


def mg1_sojourn(row: Row) -> float:
    mean_s = row.service.mean_s
    return mg1(row.rate_per_s, mean_s, row.service.cv) + mean_s


UNIT, EXACT = Exponential(mean_s=1.0), Deterministic(value_s=1.0)
ROWS: dict[str, tuple[Row, Callable[[Row], float]]] = {
    "M/M/1 at 0.5": (Row(UNIT, 1, 0.5, 4_500), mmc_sojourn),
    "M/M/4 at 0.7": (Row(UNIT, 4, 0.7, 4_500), mmc_sojourn),
    "M/M/8 at 0.8": (Row(UNIT, 8, 0.8, 8_000, 20), mmc_sojourn),
    "M/D/1 at 0.6": (Row(EXACT, 1, 0.6, 4_000), mdc_sojourn),
    "M/D/2 at 0.7": (Row(EXACT, 2, 0.7, 4_000), mdc_sojourn),
    "M/D/5 at 0.8": (Row(EXACT, 5, 0.8, 4_000), mdc_sojourn),
    "M/G/1 lognormal at 0.5": (Row(LogNormal(mean_s=1.0, cv=0.7), 1, 0.5, 4_000), mg1_sojourn),
    "M/G/1 uniform at 0.6": (Row(Uniform(low_s=0.2, high_s=1.8), 1, 0.6, 5_000), mg1_sojourn),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_mean_sojourn_is_theorys(name: str) -> None:
    """Theory's value lies inside an interval of at most ±2.5 % of it."""
    row, theory = ROWS[name]
    measured = row.mean_sojourn()
    assert measured.half_width <= WIDEST * theory(row)
    assert measured.holds(theory(row))


@pytest.mark.parametrize("name", ["M/M/8 at 0.8", "M/D/2 at 0.7", "M/G/1 lognormal at 0.5"])
def test_a_service_three_percent_slower_is_refused(name: str) -> None:
    """A check that cannot fail proves nothing: the same interval excludes theory's value."""
    row, theory = ROWS[name]
    assert not row.mean_sojourn(slower=SLOW).holds(theory(row))


# --- more than one class, a finite source, retries -----------------------------------------

RATES_PER_S = (0.4, 0.6)


def test_two_priorities_wait_as_cobham_says() -> None:
    """M/M/2 at 0.5, the urgent class on priority 0: each class's sojourn, without preemption."""
    expected = [wait + 1.0 for wait in mmc_priorities(RATES_PER_S, 1.0, n_servers=2)]
    means: list[list[float]] = [[], []]
    for seed in range(36):
        run = simulate(two_classes(seed))
        for i, kind in enumerate(("urgent", "patient")):
            _, sojourn = sojourns(run, kind)
            means[i].append(float(sojourn[int(WARM_UP * len(sojourn)) :].mean()))
    for values, value in zip(means, expected, strict=True):
        measured = interval(values)
        assert measured.half_width <= WIDEST * value
        assert measured.holds(value)
    one_class = mmc(sum(RATES_PER_S), 1.0, 2).mean_sojourn_s
    assert not any(interval(values).holds(one_class) for values in means)


def two_classes(seed: int) -> Scenario:
    pairs = (("urgent", 0, RATES_PER_S[0]), ("patient", 9, RATES_PER_S[1]))
    return Scenario(
        name="priorities",
        tasks=[
            {"name": name, "service": UNIT, "acks_late": True, "priority": priority}
            for name, priority, _ in pairs
        ],
        workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
        loads=[{"kind": "poisson", "task": name, "rate_per_s": rate} for name, _, rate in pairs],
        horizon_s=5_000.0,
        seed=seed,
    )


def test_a_closed_load_is_the_machine_repair_model() -> None:
    """Gross & Harris: five machines, two repairers; the sojourn of a repair."""
    expected = machine_repair(5, rate_per_source_per_s=1 / 3, service_time_s=1.0, n_servers=2)
    means = []
    for seed in range(20):
        load = {"kind": "closed", "task": "job", "n_clients": 5, "think": Exponential(mean_s=3.0)}
        scenario = Scenario(
            name="repair",
            tasks=[{"name": "job", "service": UNIT, "acks_late": True}],
            workers=[{"concurrency": 2, "prefetch_multiplier": 1}],
            loads=[load],
            horizon_s=1_500.0,
            seed=seed,
        )
        _, sojourn = sojourns(simulate(scenario), "job")
        means.append(float(sojourn[int(WARM_UP * len(sojourn)) :].mean()))
    measured = interval(means)
    assert measured.half_width <= WIDEST * expected.mean_sojourn_s
    assert measured.holds(expected.mean_sojourn_s)


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
    measured = interval(means)
    expected = retry_attempts(0.4, max_retries=2)
    assert measured.half_width <= WIDEST * expected
    assert measured.holds(expected)
