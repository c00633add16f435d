"""Laws of retries: only what may pass is tried again, for long enough, and never past a limit."""

from __future__ import annotations

import random
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from celery.exceptions import Retry

from sandbox.patterns.errors import Permanent, Retryable, RetryingTask, policy_for, retryable
from sandbox.patterns.manager import TaskManager
from tests.patterns.app import build
from tests.patterns.test_manager import NOWHERE, state


def runs(raised: BaseException, **options: Any) -> int:
    """Execute a task that always raises; return how many times it began."""
    app, n = Celery(set_as_current=False), 0

    @app.task(base=RetryingTask, name="t", shared=False, **options)
    def fail() -> None:
        nonlocal n
        n += 1
        with retryable(Exception):
            raise raised

    assert fail.apply().state == "FAILURE"
    return n


@pytest.mark.parametrize(
    ("raised", "n"),
    [
        (Retryable("busy"), 9),
        (OSError("down"), 9),
        (Permanent("no"), 1),
        (SoftTimeLimitExceeded(), 1),
    ],
)
def test_only_what_may_pass_is_tried_again(raised: BaseException, n: int) -> None:
    """Though the body calls every Exception worth a retry, as many bodies do."""
    assert runs(raised) == n


def test_a_failure_that_names_a_time_is_not_retried_before_it() -> None:
    """The provider's Retry-After comes before the backoff."""
    app = Celery(set_as_current=False)

    @app.task(base=RetryingTask, name="t", bind=True, shared=False)
    def body(self: RetryingTask) -> None:
        found = self.retry(exc=Retryable("busy", after_s=29.2), countdown=5, throw=False)
        assert isinstance(found, Retry)
        assert found.when == 35

    assert body.apply().state == "SUCCESS"


@pytest.mark.parametrize("outage_s", [1, 60, 600, 3600])
def test_a_policy_outlives_the_outage_it_was_made_for(outage_s: int) -> None:
    """Waits drawn as Celery draws them last as long in 99 of 100 runs."""
    policy, draw = policy_for(outage_s), random.Random(1)

    def waited() -> int:
        caps = (min(600, policy["retry_backoff"] * 2**n) for n in range(policy["max_retries"]))
        return sum(draw.randrange(cap + 1) for cap in caps)

    assert sum(waited() >= outage_s for _ in range(2000)) >= 0.99 * 2000


def test_the_default_of_many_documents_outlives_no_minute() -> None:
    """Backoff True with three retries: 7 s at the very most."""
    assert policy_for(7, backoff_s=1)["max_retries"] > 3
    with pytest.raises(ValueError, match="an outage has an end"):
        policy_for(float("inf"))


def test_the_policy_is_read_from_the_app() -> None:
    """As Celery's own attributes, so a scenario that is derived from the app has it."""
    task = build(NOWHERE).tasks["bad"]
    assert (task.max_retries, task.retry_backoff, task.retry_jitter) == (8, 2, True)


def test_a_soft_limit_ends_the_task(worker: str, manager: TaskManager) -> None:
    """On a real worker, through a body that would retry any Exception."""
    failed = state(manager, manager.submit("late"), "FAILURE", "RETRY")
    assert failed.state == "FAILURE"
    assert failed.error is not None
    assert failed.error.startswith("SoftTimeLimitExceeded")
    assert failed.retries == 0
