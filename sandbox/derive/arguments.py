"""Arguments: loads and service times as a command line says them, ``NAME=VALUE``."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sandbox.derive.names import plain
from sandbox.draws import Distribution, Exponential, from_quantiles
from sandbox.errors import ScenarioError
from sandbox.loads import Poisson
from sandbox.notes import Notes
from sandbox.rates import parse_rate


def rates(texts: Iterable[str]) -> tuple[Poisson, ...]:
    """Return a Poisson load for each ``TASK=RATE``; RATE is written as Celery's rate limits are.

    >>> rates(["mail.send=30/m"])[0].rate_per_s
    0.5
    """
    found = []
    for text in texts:
        task, value = _pair(text, "rate", "TASK=5/s")
        try:
            rate_per_s = parse_rate(value)
        except ValueError as exc:
            raise ScenarioError(f"rate is {text!r}: {exc}") from None
        name = plain(task, kind="task", notes=Notes())
        found.append(Poisson(task=name, rate_per_s=rate_per_s))
    return tuple(found)


def services(texts: Iterable[str]) -> dict[str, Distribution]:
    """Return the times of tasks: ``TASK=MEAN`` is exponential, ``TASK=P50/P95`` lognormal (s).

    >>> services(["mail.send=0.2", "scrape=1/3"])["mail.send"]
    Exponential(kind='exponential', mean_s=0.2)
    """
    found: dict[str, Distribution] = {}
    for text in texts:
        task, value = _pair(text, "service", "TASK=MEAN or TASK=P50/P95, in seconds")
        median, slash, high = value.partition("/")
        if slash:
            found[task] = from_quantiles(p50_s=_seconds(median, text), p95_s=_seconds(high, text))
        else:
            found[task] = Exponential(mean_s=_seconds(value, text))
    return found


def _pair(text: str, option: str, allowed: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not (name and equals and value):
        raise ScenarioError(f"{option} is {text!r}; allowed: {allowed}")
    return name, value


def _seconds(value: str, text: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ScenarioError(f"service is {text!r}; allowed: seconds above 0")
    return seconds
