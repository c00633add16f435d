"""Fits: which distribution recorded times have, and whether arrivals are a Poisson process.

The distribution with the least AIC is taken (Akaike 1974: twice the number of parameters minus
twice the log-likelihood), unless a Kolmogorov-Smirnov test at 1 % rejects it; then the recorded
times themselves are. Critical values for estimated parameters: Stephens, "EDF statistics for
goodness of fit and some comparisons", JASA 69 (1974), tables 1-3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sandbox.draws import (
    Deterministic,
    Distribution,
    Empirical,
    Exponential,
    Floats,
    LogNormal,
    Uniform,
)
from sandbox.loads import Poisson, Trace

_FEWEST = 10
"""Below this many observations no test can tell one law from another."""
_SAME = 0.02
"""Times that vary less than this (coefficient of variation) count as one time."""
_MOST_KEPT = 1000
"""An empirical distribution keeps this many quantiles of its observations at most."""
_LEAST_S = 1e-9


@dataclass(frozen=True)
class Fit:
    """What was fitted to one part of a recording.

    ``parameters``: name to (estimate, standard error). ``aic``: what was tried, the least is
    best. ``distance``: the Kolmogorov-Smirnov statistic over its critical value at 1 %, so above
    1 is rejected; nan where nothing was tested.
    """

    task: str
    what: str
    chosen: str
    n: int
    parameters: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    aic: Mapping[str, float] = field(default_factory=dict)
    distance: float = math.nan

    def __str__(self) -> str:
        """Say it in one line."""
        told = ", ".join(f"{k} {v:.4g} ± {se:.2g}" for k, (v, se) in self.parameters.items())
        return f"{self.task} {self.what}: {self.chosen} of {self.n}{': ' if told else ''}{told}"


@dataclass(frozen=True)
class _Candidate:
    distribution: Distribution
    parameters: Mapping[str, tuple[float, float]]
    log_likelihood: float
    distance: float

    @property
    def aic(self) -> float:
        return 2 * len(self.parameters) - 2 * self.log_likelihood


def fit_service(
    task: str, times_s: Sequence[float], cut_s: Sequence[float] = ()
) -> tuple[Distribution, Fit]:
    """Return the distribution of recorded times (s), and how well it fits.

    ``cut_s`` are times that were ended from outside: the work would have taken longer. Needs at
    least one recorded time.

    >>> fit_service("hi", [0.5, 0.5, 0.5])[0]
    Deterministic(kind='deterministic', value_s=0.5)
    """
    times = np.maximum(np.sort(np.asarray(times_s, dtype=float)), _LEAST_S)
    cut = np.maximum(np.asarray(cut_s, dtype=float), _LEAST_S)
    n, mean_s, spread_s = len(times), float(times.mean()), float(times.std())
    if n < 2 or (spread_s <= _SAME * mean_s and not len(cut)):
        value_s = 0.0 if mean_s <= _LEAST_S else mean_s
        error_s = spread_s / math.sqrt(n)
        fit = Fit(task, "service", "deterministic", n, {"value_s": (value_s, error_s)})
        return Deterministic(value_s=value_s), fit
    tried = {name: law(times, cut) for name, law in _LAWS.items() if n >= _FEWEST}
    if len(cut):
        tried.pop("uniform", None)  # a time beyond a bound that was cut is not seen
    best = min(tried, key=lambda name: tried[name].aic, default="")
    aic = {name: one.aic for name, one in tried.items()}
    if best and not tried[best].distance > 1:
        chosen = tried[best]
        fit = Fit(task, "service", best, n, chosen.parameters, aic, chosen.distance)
        return chosen.distribution, fit
    kept = times if n <= _MOST_KEPT else np.quantile(times, np.linspace(0, 1, _MOST_KEPT))
    distance = tried[best].distance if best else math.nan
    told = {"mean_s": (mean_s, spread_s / math.sqrt(n))}
    values = tuple(float(value) for value in kept)
    return Empirical(values_s=values), Fit(task, "service", "empirical", n, told, aic, distance)


def _exponential(times: Floats, cut: Floats) -> _Candidate:
    n = len(times)
    mean_s = float(times.sum() + cut.sum()) / n  # the maximum-likelihood estimate with cut times
    likelihood = -n * math.log(mean_s) - n
    distance = math.nan if len(cut) else _exponential_distance(times / mean_s)
    parameters = {"mean_s": (mean_s, mean_s / math.sqrt(n))}
    return _Candidate(Exponential(mean_s=mean_s), parameters, likelihood, distance)


def _exponential_distance(scaled: Floats) -> float:
    """Return the statistic of times over their own mean, over its critical value at 1 %."""
    n = len(scaled)
    d = _ks(-np.expm1(-np.sort(scaled)))
    return (d - 0.2 / n) * (math.sqrt(n) + 0.26 + 0.5 / math.sqrt(n)) / 1.308


def _lognormal(times: Floats, cut: Floats) -> _Candidate:
    from scipy.special import log_ndtr, ndtr

    logs, cuts = np.log(times), np.log(cut)
    mu, var = _normal_of(logs, cuts)
    n, sigma = len(times), math.sqrt(var)
    z = (logs - mu) / sigma
    likelihood = float((-z * z / 2 - logs).sum()) - n * math.log(sigma * math.sqrt(2 * math.pi))
    likelihood += float(log_ndtr(-(cuts - mu) / sigma).sum())
    distance = math.nan
    if not len(cut):
        d = _ks(ndtr(z))
        distance = d * (math.sqrt(n) - 0.01 + 0.85 / math.sqrt(n)) / 1.035
    mean_s, cv = math.exp(mu + var / 2), math.sqrt(math.expm1(var))
    parameters = {
        "mean_s": (mean_s, mean_s * math.sqrt(var / n + var * var / (2 * n))),
        "cv": (cv, math.exp(var) / (2 * cv) * var * math.sqrt(2 / n)),
    }
    return _Candidate(LogNormal(mean_s=mean_s, cv=cv), parameters, likelihood, distance)


def _normal_of(values: Floats, beyond: Floats) -> tuple[float, float]:
    """Return mean and variance of a normal law of which some values are known to be ``beyond``.

    By expectation-maximisation: each is replaced by its mean and square given that it is beyond.
    """
    from scipy.special import log_ndtr

    mu, var = float(values.mean()), max(float(values.var()), 1e-12)
    n = len(values) + len(beyond)
    for _ in range(200 if len(beyond) else 0):
        sigma = math.sqrt(var)
        a = (beyond - mu) / sigma
        mills = np.exp(-a * a / 2 - math.log(math.sqrt(2 * math.pi)) - log_ndtr(-a))
        first = mu + sigma * mills
        second = mu * mu + var + sigma * (mu + beyond) * mills
        mu = float(values.sum() + first.sum()) / n
        var = max(float((values**2).sum() + second.sum()) / n - mu * mu, 1e-12)
    return mu, var


def _uniform(times: Floats, cut: Floats) -> _Candidate:  # noqa: ARG001 - one of a family
    n, low_s, high_s = len(times), float(times[0]), float(times[-1])
    width = high_s - low_s
    inner = (times[1:-1] - low_s) / width  # given both ends, the others are uniform between them
    parameters = {"low_s": (low_s, width / n), "high_s": (high_s, width / n)}
    distribution = Uniform(low_s=low_s, high_s=high_s)
    return _Candidate(distribution, parameters, -n * math.log(width), _uniform_distance(inner))


def _uniform_distance(shares: Floats) -> float:
    n = len(shares)
    return _ks(np.sort(shares)) * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) / 1.628


def _ks(shares: Floats) -> float:
    """Return the largest distance of sorted shares in [0, 1] from those of the uniform law."""
    n = len(shares)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - shares).max(), (shares - steps[:-1]).max()))


_LAWS: Mapping[str, Callable[[Floats, Floats], _Candidate]] = {
    "exponential": _exponential,
    "lognormal": _lognormal,
    "uniform": _uniform,
}


def fit_arrivals(task: str, times_s: Sequence[float], end_s: float) -> tuple[Poisson | Trace, Fit]:
    """Return a Poisson load when nothing speaks against it, else the recorded times (s).

    Two tests at 1 %: given their number, the times of a Poisson process are uniform, and its
    gaps are exponential. The load may begin after 0 and end before ``end_s``.
    """
    times = np.sort(np.asarray(times_s, dtype=float))
    n, worst = len(times), math.nan
    for first, last in ((False, False), (False, True), (True, False), (True, True)):
        if n < _FEWEST:
            break
        begin = float(times[0]) if first else 0.0
        stop = float(times[-1]) if last else end_s
        inner = times[int(first) : n - int(last)]
        if stop <= begin or inner[-1] > stop:
            continue
        gaps = np.diff(np.concatenate(([begin], inner)))
        shares = (inner - begin) / (stop - begin)
        worst = float(max(_exponential_distance(gaps / gaps.mean()), _uniform_distance(shares)))
        if worst <= 1:
            return _poisson(task, inner, begin, stop, end_s, worst)
    fit = Fit(task, "arrivals", "trace", n, distance=worst)
    return Trace(task=task, at_s=tuple(float(at) for at in times)), fit


def _poisson(  # noqa: PLR0913, PLR0917 - the window, the times in it, and what is told of them
    task: str, inner: Floats, begin: float, stop: float, end_s: float, distance: float
) -> tuple[Poisson, Fit]:
    rate = len(inner) / (stop - begin)
    # An end that was taken from the first or last arrival lies one mean gap beyond it.
    start_s = max(0.0, begin - 1 / rate)
    stop_s = stop + 1 / rate if stop < end_s else end_s
    load = Poisson(
        task=task, rate_per_s=rate, start_s=start_s, stop_s=stop_s if stop_s < end_s else None
    )
    told = {"rate_per_s": (rate, rate / math.sqrt(len(inner)))}
    return load, Fit(task, "arrivals", "poisson", len(inner), told, distance=distance)
