"""Conformance, retries and limits: how often a task is tried, and what ends it.

Like test_conformance: the bodies do not know their engine.
Compare celery/app/autoretry.py, celery/app/task.py ``retry``, celery/utils/time.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.draws import uniform
from tests.conftest import Begin
from tests.test_conformance import (
    CLOCK_S,
    burst,
    executions,
    finish,
    gaps_between_attempts,
    scenario,
    task,
    verdicts,
)  # fmt: skip

ONE: list[dict[str, Any]] = [{"concurrency": 2, "prefetch_multiplier": 1}]
SELF = {"kind": "self", "max_retries": 1, "countdown_s": 0.1}


def auto(**fields: Any) -> dict[str, Any]:
    return {"kind": "auto", "max_retries": 2, "backoff_s": None, "countdown_s": 0.1} | fields


@pytest.mark.parametrize("acks", [{}, {"acks_late": True}])
def test_retries_amplify_the_load_by_what_is_drawn(begin: Begin, acks: dict[str, Any]) -> None:
    """T11: each task runs until a draw lets it pass; the same draws in every engine."""
    p, most, seed = 0.6, 3, 11
    tasks = [task(service_s=0.02, p_failure=p, retries=[auto(max_retries=most)], **acks)]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(10)], seed=seed))
    expected = {}
    for n in range(10):
        fails = [uniform(seed, "job/failure", n, retry=retry) < p for retry in range(most)]
        expected[f"job/{n}"] = 1 + (fails.index(False) if False in fails else most)
    assert executions(run) == expected
    assert sum(expected.values()) > 15


@pytest.mark.parametrize(
    ("policies", "n"),
    [
        ([SELF], 2),
        ([auto()], 3),
        ([SELF, auto()], 3),
        ([SELF | {"max_retries": 2}, auto(max_retries=4)], 5),
        ([SELF | {"max_retries": 3}, auto(max_retries=1)], 4),
    ],
)
def test_two_policies_share_one_count(begin: Begin, policies: list[dict[str, Any]], n: int) -> None:
    """T8: self.retry inside autoretry goes on to the larger of the two limits."""
    tasks = [task(service_s=0.02, p_failure=1.0, retries=policies)]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(2)]))
    assert executions(run) == {"job/0": n, "job/1": n}
    assert verdicts(run) == {"failed": 2}


def test_backoff_replaces_the_countdown(begin: Begin) -> None:
    """T6: with backoff the fixed countdown, here three minutes, is not asked; 1 s, then 2 s."""
    policy = auto(backoff_s=1, jitter=False, countdown_s=180.0)
    tasks = [task(service_s=0.02, p_failure=1.0, retries=[policy])]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(1)]))
    gaps = gaps_between_attempts(run, "job/0", 0.02)
    assert 1.0 - CLOCK_S <= gaps[0] < 2.0 <= gaps[1] + CLOCK_S


def test_self_retry_knows_no_backoff(begin: Begin) -> None:
    """T7: backoff is autoretry's; the retry of the body itself has the countdown it states."""
    policies = [SELF, auto(max_retries=1, backoff_s=60)]
    tasks = [task(service_s=0.02, p_failure=1.0, retries=policies)]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(2)]))
    assert executions(run) == {"job/0": 2, "job/1": 2}


@pytest.mark.parametrize("policy", [SELF, auto()])
def test_a_soft_limit_is_retried_like_any_failure(begin: Begin, policy: dict[str, Any]) -> None:
    """T2: SoftTimeLimitExceeded is an Exception, so the retry that was meant for others takes it."""
    tasks = [task(service_s=9.0, soft_time_limit_s=0.3, time_limit_s=5.0, retries=[policy])]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(1)]))
    assert executions(run) == {"job/0": 1 + policy["max_retries"]}
    assert run.of_kind("child_lost") == []
    assert verdicts(run) == {"failed": 1}


@pytest.mark.parametrize("acks", [{}, {"acks_late": True}])
def test_a_hard_limit_is_not_retried(begin: Begin, acks: dict[str, Any]) -> None:
    """V10: the body does not see it, so no policy does; late ack does not run it again."""
    tasks = [task(service_s=9.0, time_limit_s=0.3, retries=[SELF, auto()], **acks)]
    run = finish(begin, scenario(tasks=tasks, workers=ONE, loads=[burst(2)]))
    assert executions(run) == {"job/0": 1, "job/1": 1}
    assert verdicts(run) == {"failed": 2}


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_only_prefork_has_time_limits(begin: Begin, pool: str) -> None:
    """T1: in the other pools neither limit does anything."""
    tasks = [task(service_s=0.5, soft_time_limit_s=0.1, time_limit_s=0.2)]
    workers = [{"pool": pool, "concurrency": 1}]
    run = finish(begin, scenario(tasks=tasks, workers=workers, loads=[burst(2)]))
    assert verdicts(run) == {"done once": 2}


@pytest.mark.parametrize("acks", [{}, {"acks_late": True}])
def test_expired_while_it_waits_for_a_process(begin: Begin, acks: dict[str, Any]) -> None:
    """T14: received in time, too late for a process: prefork looks again and drops it."""
    tasks = [task("first", 0.9, **acks), task(service_s=0.02, expires_s=0.4, **acks)]
    workers = [{"concurrency": 1, "prefetch_multiplier": 4}]
    loads = [burst(1, "first"), burst(2, at_s=0.1)]
    run = finish(begin, scenario(tasks=tasks, workers=workers, loads=loads))
    assert len([e for e in run.of_kind("received") if e.task.startswith("job")]) == 2
    assert verdicts(run) == {"done once": 1, "revoked": 2}
