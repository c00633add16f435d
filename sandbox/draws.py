"""Random quantities: distributions with units, and the streams both engines draw from.

A draw is the inverse CDF of a counter-based uniform. The generator is Philox, keyed by
(seed, crc32 of a stream's name); the counter's high word is the number of retries, the
low words are the number of the task. A draw therefore needs no order and no shared
state: the model, a worker's child and a notebook all get the same number for the same
task, and a changed setting leaves every other draw alone.
"""

from __future__ import annotations

import csv
import math
import random
import statistics
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from sandbox.errors import ScenarioError, one_of
from sandbox.parts import NonNegative, Part, Positive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

_WORDS_A_BLOCK = 4
_BLOCK = 1024
_NORMAL = statistics.NormalDist()


@lru_cache(maxsize=4096)
def _crc32(stream: str) -> int:
    return zlib.crc32(stream.encode())


def _generator(seed: int, stream: str, retry: int) -> np.random.Philox:
    # Here, since a process that describes or starts a scenario draws nothing.
    import numpy as np

    counter = np.array([0, 0, 0, retry], dtype=np.uint64)
    return np.random.Philox(key=np.array([seed, _crc32(stream)], dtype=np.uint64), counter=counter)


def _unit(words: NDArray[np.uint64]) -> Floats:
    """Map 64-bit words to the open interval (0, 1): an inverse CDF is infinite at its ends."""
    # 52 bits, not 53: so the half can still be added exactly, and the largest stays below 1.
    return ((words >> 12).astype("float64") + 0.5) * 2.0**-52


def uniforms(seed: int, stream: str, n: int, *, retry: int = 0) -> Floats:
    """Return the draws of tasks 0…n-1 of one stream, each in (0, 1).

    >>> first_three = uniforms(1, "resize/service", 3)
    >>> bool(first_three[2] == uniform(1, "resize/service", 2))
    True
    """
    return _unit(_generator(seed, stream, retry).random_raw(n))


def uniform(seed: int, stream: str, i: int, *, retry: int = 0) -> float:
    """Return the draw of task ``i`` alone, equal to ``uniforms(…)[i]``, at any distance.

    >>> 0 < uniform(1, "resize/service", 10**9) < 1
    True
    """
    generator = _generator(seed, stream, retry)
    generator.advance(i // _WORDS_A_BLOCK)
    words = generator.random_raw(i % _WORDS_A_BLOCK + 1)
    return float(_unit(words[-1:])[0])


def uniform_stream(seed: int, stream: str) -> Iterator[float]:
    """Yield the draws of a stream without end: ``uniform`` for 0, 1, 2 and so on.

    >>> stream = uniform_stream(1, "load0/arrival")
    >>> next(stream) == uniform(1, "load0/arrival", 0)
    True
    """
    generator = _generator(seed, stream, retry=0)
    while True:
        yield from _unit(generator.random_raw(_BLOCK)).tolist()


def jitter_seed(seed: int, task: str, retry: int) -> int:
    """Return the seed for Python's ``random`` before Celery draws the jitter of this retry.

    Celery takes its jitter from the global generator, so the only way to give model and
    worker the same jitter is to seed that generator alike, attempt by attempt.
    """
    return zlib.crc32(f"{seed}/{task}/jitter/{retry}".encode())


def full_jitter(seed: int, task: str, retry: int, countdown: int) -> int:
    """Return Celery's full jitter: whole seconds from 0 to ``countdown``, both included.

    Source: celery/utils/time.py, ``get_exponential_backoff_interval``.

    >>> 0 <= full_jitter(1, "resize/7", 0, 4) <= 4
    True
    """
    return random.Random(jitter_seed(seed, task, retry)).randrange(countdown + 1)


class Deterministic(Part):
    """Always the same time.

    >>> Deterministic(value_s=0.5).quantile(0.9)
    0.5
    """

    kind: Literal["deterministic"] = "deterministic"
    value_s: NonNegative

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        return self.value_s

    @property
    def cv(self) -> float:
        """Coefficient of variation (standard deviation over mean, no unit)."""
        return 0.0

    def quantile(self, u: float) -> float:
        """Return the value (s) below which a share ``u`` of all draws lies."""
        return self.value_s


class Exponential(Part):
    """Memoryless times: the service of M/M/c and the gaps of a Poisson load.

    >>> round(Exponential(mean_s=2.0).quantile(0.5), 3)
    1.386
    """

    kind: Literal["exponential"] = "exponential"
    mean_s: Positive

    @property
    def cv(self) -> float:
        """Coefficient of variation (standard deviation over mean, no unit)."""
        return 1.0

    def quantile(self, u: float) -> float:
        """Return the value (s) below which a share ``u`` of all draws lies."""
        return -self.mean_s * math.log1p(-u)


class Uniform(Part):
    """Every time between two bounds is equally likely.

    >>> Uniform(low_s=1.0, high_s=3.0).mean_s
    2.0
    """

    kind: Literal["uniform"] = "uniform"
    low_s: NonNegative
    high_s: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high_s <= self.low_s:
            raise ScenarioError(f"high_s is {self.high_s} but must be above low_s = {self.low_s}")
        return self

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        return (self.low_s + self.high_s) / 2

    @property
    def cv(self) -> float:
        """Coefficient of variation (standard deviation over mean, no unit)."""
        return (self.high_s - self.low_s) / math.sqrt(12) / self.mean_s

    def quantile(self, u: float) -> float:
        """Return the value (s) below which a share ``u`` of all draws lies."""
        return self.low_s + u * (self.high_s - self.low_s)


class LogNormal(Part):
    """Skewed times with a long tail, as most I/O has.

    >>> round(LogNormal(mean_s=1.0, cv=1.0).quantile(0.5), 4)
    0.7071
    """

    kind: Literal["lognormal"] = "lognormal"
    mean_s: Positive
    cv: Annotated[float, Field(gt=0, le=1000, strict=True)]

    @property
    def _sigma(self) -> float:
        return math.sqrt(math.log1p(self.cv**2))

    def quantile(self, u: float) -> float:
        """Return the value (s) below which a share ``u`` of all draws lies."""
        sigma = self._sigma
        return self.mean_s * math.exp(sigma * _NORMAL.inv_cdf(u) - sigma * sigma / 2)


class Empirical(Part):
    """Measured times: draws interpolate between the sorted observations.

    >>> Empirical(values_s=(1.0, 2.0, 3.0)).quantile(0.5)
    2.0
    """

    kind: Literal["empirical"] = "empirical"
    values_s: Annotated[tuple[NonNegative, ...], Field(min_length=2, max_length=1_000_000)]

    @model_validator(mode="after")
    def _sorted(self) -> Empirical:
        object.__setattr__(self, "values_s", tuple(sorted(self.values_s)))
        return self

    @property
    def mean_s(self) -> float:
        """The mean of the interpolated distribution, in seconds."""
        values = self.values_s
        return sum((a + b) / 2 for a, b in pairwise(values)) / (len(values) - 1)

    @property
    def cv(self) -> float:
        """Coefficient of variation (standard deviation over mean, no unit)."""
        values = self.values_s
        pairs = list(pairwise(values))
        second = sum((a * a + a * b + b * b) / 3 for a, b in pairs) / len(pairs)
        mean = self.mean_s
        return math.sqrt(max(0.0, second - mean * mean)) / mean if mean else 0.0

    def quantile(self, u: float) -> float:
        """Return the value (s) below which a share ``u`` of all draws lies."""
        at = u * (len(self.values_s) - 1)
        i = min(int(at), len(self.values_s) - 2)
        low, high = self.values_s[i], self.values_s[i + 1]
        return low + (at - i) * (high - low)


Distribution = Annotated[
    Deterministic | Exponential | Uniform | LogNormal | Empirical, Field(discriminator="kind")
]


def from_quantiles(*, p50_s: float, p95_s: float) -> LogNormal:
    """Return the lognormal with this median and 95th percentile (s).

    >>> times = from_quantiles(p50_s=1.0, p95_s=3.0)
    >>> round(times.quantile(0.5), 6), round(times.quantile(0.95), 6)
    (1.0, 3.0)
    """
    if not 0 < p50_s < p95_s < math.inf:
        raise ScenarioError(
            f"p95_s is {p95_s} but must be above p50_s = {p50_s}, which must be > 0"
        )
    sigma = math.log(p95_s / p50_s) / _NORMAL.inv_cdf(0.95)
    try:
        mean_s, cv = p50_s * math.exp(sigma**2 / 2), math.sqrt(math.expm1(sigma**2))
    except OverflowError:
        raise ScenarioError(f"p95_s is {p95_s}, too far above p50_s = {p50_s}") from None
    return LogNormal(mean_s=mean_s, cv=cv)


def empirical(path: str | Path, *, column: str | None = None) -> Empirical:
    """Read observed times (s) from a CSV file with a header: one column, the first by default.

    Raises ScenarioError with the line that is not a time.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as exc:
        raise ScenarioError(f"{path} cannot be read as a CSV file: {exc}") from None
    name = column or next(iter(names), "")
    if name not in names:
        raise ScenarioError(f"{path} has no column {name!r}; allowed: {one_of(name, names)}")
    values = [_seconds(row[name], f"{path}, line {line}: {name}") for line, row in rows]
    if len(values) < 2:
        raise ScenarioError(f"{path} has {len(values)} observed times; at least 2 are needed")
    return Empirical(values_s=tuple(values))


def _seconds(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ScenarioError(f"{where} is {text!r}; allowed: seconds, 0 or more")
    return value


def draw_s(distribution: Distribution, seed: int, stream: str, i: int, *, retry: int = 0) -> float:
    """Return draw ``i`` of a stream, in seconds.

    >>> draw_s(Deterministic(value_s=0.2), seed=1, stream="resize/service", i=3)
    0.2
    """
    if isinstance(distribution, Deterministic):
        return distribution.value_s
    return distribution.quantile(uniform(seed, stream, i, retry=retry))
