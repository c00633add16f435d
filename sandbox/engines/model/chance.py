"""Chance: the draws of one task type, the same numbers that a live worker draws."""

from __future__ import annotations

from sandbox.draws import Deterministic, full_jitter, uniform, uniforms
from sandbox.scenario import AutoRetry, Retry, TaskType

_BLOCK_LIMIT = 4_000_000


class Stream:
    """The uniforms of one stream: first attempts in one vector call, the others one by one."""

    def __init__(self, seed: int, name: str, n: int) -> None:
        self.seed, self.name = seed, name
        self._first: list[float] = uniforms(seed, name, n).tolist() if n else []

    def at(self, n: int, retry: int) -> float:
        """Return the uniform of task ``n`` at its retry ``retry``."""
        if retry == 0:
            if n < len(self._first):
                return self._first[n]
            if n < _BLOCK_LIMIT:
                self._first = uniforms(self.seed, self.name, max(1024, 2 * n + 2)).tolist()
                return self._first[n]
        return uniform(self.seed, self.name, n, retry=retry)


class Chance:
    """What is drawn for the tasks of one type; ``n_open`` of them are known beforehand."""

    def __init__(self, task: TaskType, seed: int, n_open: int) -> None:
        self.task, self.seed = task, seed
        always = isinstance(task.service, Deterministic)
        self._fixed_s = task.service.value_s if isinstance(task.service, Deterministic) else 0.0
        self._service = None if always else Stream(seed, f"{task.name}/service", n_open)
        self._failure = Stream(seed, f"{task.name}/failure", n_open) if task.p_failure else None

    def service_s(self, n: int, retry: int) -> float:
        """Return how long the body of this attempt works, in seconds."""
        if self._service is None:
            return self._fixed_s
        return self.task.service.quantile(self._service.at(n, retry))

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
