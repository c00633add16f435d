"""Loads: where tasks come from. Times are seconds after all workers are ready."""

from __future__ import annotations

import math
from itertools import accumulate, islice, pairwise, takewhile
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sandbox.draws import Deterministic, Distribution, Exponential, uniform_stream
from sandbox.errors import ScenarioError
from sandbox.parts import Count, Name, NonNegative, Part, Positive

Arrivals = list[float]


class Poisson(Part):
    """Independent arrivals at a constant rate, from ``start_s`` until ``stop_s`` or the horizon.

    >>> 80 < len(Poisson(task="resize", rate_per_s=10.0).arrivals_s(10.0, seed=1, stream="a")) < 120
    True
    """

    kind: Literal["poisson"] = "poisson"
    task: Name
    rate_per_s: Positive
    start_s: NonNegative = 0.0
    stop_s: Positive | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Poisson:
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise ScenarioError(
                f"stop_s is {self.stop_s} but must be above start_s = {self.start_s}"
            )
        return self

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are expected before ``horizon_s``."""
        stop = min(horizon_s, self.stop_s or math.inf)
        return max(0.0, stop - self.start_s) * self.rate_per_s

    def arrivals_s(self, horizon_s: float, *, seed: int, stream: str) -> Arrivals:
        """Return the arrival times (s), ascending, all before ``horizon_s``."""
        stop = min(horizon_s, self.stop_s or math.inf)
        gap = Exponential(mean_s=1 / self.rate_per_s)
        gaps = map(gap.quantile, uniform_stream(seed, stream))
        times = islice(accumulate(gaps, initial=self.start_s), 1, None)
        return list(takewhile(lambda at: at < stop, times))


class Burst(Part):
    """``n`` tasks published one after the other, as fast as one client can.

    >>> Burst(task="resize", n=3, at_s=1.0).arrivals_s(10.0, seed=1, stream="a")
    [1.0, 1.0, 1.0]
    """

    kind: Literal["burst"] = "burst"
    task: Name
    n: Count
    at_s: NonNegative = 0.0

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are expected before ``horizon_s``."""
        return float(self.n)

    def arrivals_s(self, horizon_s: float, *, seed: int, stream: str) -> Arrivals:
        """Return the arrival times (s), ascending, all before ``horizon_s``."""
        return [self.at_s] * self.n if self.at_s < horizon_s else []


class Trace(Part):
    """Arrivals at recorded times.

    >>> Trace(task="resize", at_s=(2.0, 1.0)).arrivals_s(10.0, seed=1, stream="a")
    [1.0, 2.0]
    """

    kind: Literal["trace"] = "trace"
    task: Name
    at_s: Annotated[tuple[NonNegative, ...], Field(max_length=1_000_000)]

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are expected before ``horizon_s``."""
        return float(len(self.at_s))

    def arrivals_s(self, horizon_s: float, *, seed: int, stream: str) -> Arrivals:
        """Return the arrival times (s), ascending, all before ``horizon_s``."""
        return [at for at in sorted(self.at_s) if at < horizon_s]


class Rates(Part):
    """A Poisson load whose rate is constant by pieces: pairs of (from_s, rate_per_s).

    >>> day = Rates(task="resize", steps=((0.0, 5.0), (10.0, 0.0), (20.0, 1.0)))
    >>> times = day.arrivals_s(30.0, seed=1, stream="a")
    >>> any(10 <= at < 20 for at in times)
    False
    """

    kind: Literal["rates"] = "rates"
    task: Name
    steps: Annotated[
        tuple[tuple[NonNegative, NonNegative], ...], Field(min_length=1, max_length=100_000)
    ]

    @model_validator(mode="after")
    def _ascending(self) -> Rates:
        if any(b[0] <= a[0] for a, b in pairwise(self.steps)):
            starts = [start for start, _ in self.steps]
            raise ScenarioError(f"steps start at {starts} but must start at ascending times")
        return self

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are expected before ``horizon_s``."""
        ends = [start for start, _ in self.steps[1:]] + [math.inf]
        return sum(
            max(0.0, min(end, horizon_s) - start) * rate
            for (start, rate), end in zip(self.steps, ends, strict=True)
        )

    def arrivals_s(self, horizon_s: float, *, seed: int, stream: str) -> Arrivals:
        """Return the arrival times (s), ascending, all before ``horizon_s``."""
        draws = uniform_stream(seed, stream)
        times: Arrivals = []
        unit = Exponential(mean_s=1.0)
        due = unit.quantile(next(draws))
        ends = [start for start, _ in self.steps[1:]] + [math.inf]
        for (begins_s, rate), end in zip(self.steps, ends, strict=True):
            start, stop = begins_s, min(end, horizon_s)
            # `due` is the next arrival on the clock of expected arrivals, which runs at `rate`.
            while rate and start + due / rate < stop:
                start += due / rate
                times.append(start)
                due = unit.quantile(next(draws))
            due = max(0.0, due - max(0.0, stop - start) * rate)
        return times


class Closed(Part):
    """``n_clients`` that publish, wait for the result, think, and publish again.

    >>> Closed(task="resize", n_clients=5, think=Exponential(mean_s=2.0)).n_clients
    5
    """

    kind: Literal["closed"] = "closed"
    task: Name
    n_clients: Count
    think: Distribution = Deterministic(value_s=0.0)

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are under way at most: how many follow depends on the system."""
        return float(self.n_clients)


class BeatEntry(Part):
    """A periodic task that ``celery beat`` publishes: first after one period, then each period.

    >>> BeatEntry(name="health", task="ping", every_s=4.0).arrivals_s(10.0, seed=1, stream="b")
    [4.0, 8.0]
    """

    name: Name
    task: Name
    every_s: Positive

    def expected_n(self, horizon_s: float) -> float:
        """Return how many tasks are expected before ``horizon_s``."""
        return horizon_s / self.every_s

    def arrivals_s(self, horizon_s: float, *, seed: int, stream: str) -> Arrivals:
        """Return the times (s) at which beat publishes, all before ``horizon_s``."""
        most = math.ceil(horizon_s / self.every_s)  # one too many when the quotient is rounded up
        times = (self.every_s * i for i in range(1, most + 1))
        return [at for at in times if at < horizon_s]


OpenLoad = Poisson | Burst | Trace | Rates
Load = Annotated[Poisson | Burst | Trace | Rates | Closed, Field(discriminator="kind")]
