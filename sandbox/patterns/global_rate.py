"""One rate limit for all workers: a token bucket in Redis.

Celery's own ``rate_limit`` is a bucket in each worker: two workers make it twice the rate, and the
tasks it holds fill the worker's prefetch window, so that others wait behind them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import ceil
from typing import Any

from celery import Task
from celery.exceptions import Retry
from redis import Redis

# Redis's own clock: those of the workers differ.
_TAKE = """
local now = redis.call('TIME')
local at = tonumber(now[1]) + tonumber(now[2]) / 1000000
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, last = tonumber(kept[1] or burst), tonumber(kept[2] or at)
tokens = math.min(burst, tokens + math.max(0, at - last) * rate)
at = math.max(at, last)
local wait = 0
if tokens >= wanted then tokens = tokens - wanted else wait = (wanted - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens),
    'at', string.format('%.6f', at))
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * burst / rate) + 1000)
return {string.format('%.9f', wait), string.format('%.6f', at)}
"""


@dataclass(frozen=True)
class Answer:
    """What a bucket said. ``wait_s``: 0 for tokens given, else when there may be enough.

    ``at_s``: Redis's time.
    """

    wait_s: float
    at_s: float


class GlobalRate:
    """Token buckets by name, shared by all who use the same Redis.

    In any ``T`` seconds a bucket gives at most ``burst + rate · T`` tokens, whoever asks.

    >>> import fakeredis
    >>> limit = GlobalRate(fakeredis.FakeRedis())
    >>> limit.acquire("sms", rate=100 / 60), 0 < limit.acquire("sms", rate=100 / 60) <= 0.6
    (0.0, True)
    """

    def __init__(self, client: Redis, prefix: str = "") -> None:
        self._client = client
        self._prefix = f"{prefix}global-rate:"

    def acquire(self, name: str, rate: float, burst: int = 1, n: int = 1) -> float:
        """Take ``n`` tokens of ``rate`` a second and return 0, or return the wait in seconds.

        ``n`` counts what the limit is about: a task that sends 100 messages takes 100. ValueError
        for more than ``burst``, which no wait would bring, and for a rate that is not above 0.
        """
        return self.ask(name, rate, burst, n).wait_s

    def ask(self, name: str, rate: float, burst: int = 1, n: int = 1) -> Answer:
        """Do the same and say when, by Redis's clock."""
        if not 0 < rate < float("inf") or not 1 <= n <= burst:
            raise ValueError(
                f"{n} of {name!r} at {rate:g}/s with a burst of {burst}: "
                "the rate is above 0, and n is from 1 to the burst"
            )
        key = self._prefix + name
        found: Any = self._client.eval(_TAKE, 1, key, repr(float(rate)), str(burst), str(n))
        wait, at = found
        return Answer(float(wait), float(at))


def postponed(task: Task, wait_s: float, *, spread: float = 0.5) -> Retry:
    """Publish a task's own message again for later, and return what its body then raises.

    ``raise postponed(self, wait_s)``: its process is free meanwhile, and its retries stay as they
    are, unlike with ``self.retry``. The wait, in whole seconds as far as Celery's own go, is drawn
    up to ``spread`` longer, lest all come back at once. It must be below the visibility timeout: a
    worker holds the message meanwhile. A crash between publishing and the acknowledgement of a
    task with ``acks_late`` leaves two messages, as with ``self.retry``.
    """
    countdown = wait_s * (1 + spread * random.random())  # noqa: S311 - no secret
    again = task.signature_from_request(countdown=countdown, retries=task.request.retries)
    again.apply_async()
    return Retry("the global rate limit", when=ceil(countdown), sig=again)
