"""Law of the global rate: in any time, all clients together get no more than burst + rate · time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest
from redis import Redis

from sandbox.patterns.global_rate import GlobalRate
from sandbox.patterns.manager import TaskManager
from tests.patterns.test_manager import state

RATE, BURST, N_EACH = 400.0, 5, 25
ROUNDING_S = 2e-6


def given(url: str, name: str) -> list[float]:
    """Ask for tokens until there have been enough; return when, by Redis's clock, they were given."""
    times = []
    with Redis.from_url(url) as client:
        limit = GlobalRate(client)
        while len(times) < N_EACH:
            answer = limit.ask(name, RATE, BURST)
            if answer.wait_s == 0:
                times.append(answer.at_s)
    return times


def exceeded(times: list[float]) -> bool:
    """Whether any stretch of time saw more than the law allows."""
    at = sorted(times)
    return any(
        j - i + 1 > BURST + RATE * (at[j] - at[i] + ROUNDING_S)
        for i, j in combinations(range(len(at)), 2)
    )


def test_two_clients_together_never_exceed_the_rate(url: str) -> None:
    """Whoever asks, however fast."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(given, (url, url), ("one", "one")))
    assert not exceeded(both[0] + both[1])


def test_the_law_would_see_a_bucket_for_each(url: str) -> None:
    """Two buckets, as Celery's own limit has one a worker, exceed the rate of one."""
    both = given(url, "mine"), given(url, "yours")
    moved = [at - both[1][0] + both[0][0] for at in both[1]]
    assert exceeded([*both[0], *moved])


def test_the_wait_is_what_is_missing(client: Redis) -> None:
    """A bulk task takes as many tokens as it sends messages."""
    limit = GlobalRate(client)
    assert limit.acquire("bulk", 0.5, burst=100, n=100) == 0
    assert 0 < limit.acquire("bulk", 0.5, burst=100, n=10) <= 20
    for rate, burst, n in ((1, 1, 2), (1, 1, 0), (0, 1, 1), (float("nan"), 1, 1)):
        with pytest.raises(ValueError, match="the rate is above 0, and n is from 1 to the burst"):
            limit.acquire("bulk", rate, burst, n)


def test_a_task_that_waits_uses_up_no_retry(
    worker: str, manager: TaskManager, client: Redis
) -> None:
    """All are done, though none may be retried even once, and one process or two wait for none."""
    client.delete("limited-starts")
    sent = [manager.submit("limited") for _ in range(3)]
    done = [state(manager, one, "SUCCESS", "FAILURE") for one in sent]
    assert [(one.state, one.retries) for one in done] == [("SUCCESS", 0)] * 3
    assert int(client.get("limited-starts") or 0) > 3, "some asked in vain at first"
