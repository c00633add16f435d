"""Chance: the draws of one task type, the same numbers that a live worker draws."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.draws import Deterministic, full_jitter, uniform, uniforms
from sandbox.scenario import AutoRetry, Retry, TaskType

_BLOCK_LIMIT = 4_000_000


class Stream:
    """The draws of one stream: first attempts in one block, the others one by one.

    ``quantile`` makes a draw of a uniform; without it the uniforms themselves are the draws.
    """

    def __init__(
        self, seed: int, name: str, n: int, quantile: Callable[[float], float] = float
    ) -> None:
        self.seed, self.name, self.quantile = seed, name, quantile
        self._first: list[float] = []
        if n:
            self._draw(n)

    def at(self, n: int, retry: int) -> float:
        """Return the draw of task ``n`` at its retry ``retry``."""
        if retry == 0:
            if n < len(self._first):
                return self._first[n]
            if n < _BLOCK_LIMIT:
                self._draw(max(1024, 2 * n + 2))
                return self._first[n]
        return self.quantile(uniform(self.seed, self.name, n, retry=retry))

    def _draw(self, n: int) -> None:
        more = uniforms(self.seed, self.name, n)[len(self._first) :]
        self._first += map(self.quantile, more.tolist())


class Chance:
    """What is drawn for the tasks of one type; ``n_open`` of them are known beforehand.

    ``service_s(n, retry)`` is how long the body of an attempt works, in seconds, and
    ``call_s(n, retry)`` how long the dependency that it calls serves it.
    """

    def __init__(self, task: TaskType, seed: int, n_open: int) -> None:
        self.task, self.seed = task, seed
        self.service_s: Callable[[int, int], float] = _always(task.service.mean_s)
        if not isinstance(task.service, Deterministic):
            name = f"{task.name}/service"
            self.service_s = Stream(seed, name, n_open, task.service.quantile).at
        if task.calls is not None:
            name = f"{task.name}/call"
            self.call_s = Stream(seed, name, n_open, task.calls.service.quantile).at
        self._failure = Stream(seed, f"{task.name}/failure", n_open) if task.p_failure else None

    def fails(self, n: int, retry: int) -> bool:
        """Return whether the body of this attempt raises at its end."""
        return self._failure is not None and self._failure.at(n, retry) < self.task.p_failure

    def countdown_s(self, key: str, retry: int) -> float | None:
        """Return the countdown (s) before the next retry; None when no policy has one left."""
        for policy in self.task.retries:
            if policy.max_retries > retry:
                return self._countdown_s(policy, key, retry)
        return None

    def _countdown_s(self, policy: Retry, key: str, retry: int) -> float:
        if not isinstance(policy, AutoRetry):
            return policy.countdown(retry)
        if policy.backoff_s is None:
            return policy.countdown_s
        ceiling = policy.ceiling(retry)
        return float(full_jitter(self.seed, key, retry, ceiling) if policy.jitter else ceiling)


def _always(value_s: float) -> Callable[[int, int], float]:
    return lambda *_: value_s
