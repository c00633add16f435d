"""Which failures are worth another attempt, and how long attempts go on.

An app says of each failure what it is: ``Permanent`` (a bad address: no attempt will succeed) or
``Retryable`` (a busy provider). ``RetryingTask`` retries the second kind by Celery's own autoretry,
whose settings are class attributes, so that whoever reads the app sees the policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, sqrt
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task
from celery.exceptions import Ignore, Reject, Retry


class Permanent(Exception):  # noqa: N818 - beside Retryable; a task's result shows these names
    """A failure that another attempt cannot mend; it is never retried."""


class Retryable(Exception):  # noqa: N818 - as above
    """A failure that may pass. ``after_s``: not before so many seconds, when that is known."""

    def __init__(self, sentence: str = "", after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.after_s = after_s


_NOT_A_FAILURE = (SoftTimeLimitExceeded, Permanent, Retryable, Retry, Ignore, Reject)


class RetryingTask(Task):
    """A task that retries ``Retryable``: exponential backoff with full jitter, nine attempts.

    The waits are drawn from 0 to 2, 4, 8, … s, at most ``retry_backoff_max``: 255 s on average.
    An ``after_s`` comes before it. Set the attributes from ``policy_for`` to outlive a longer
    outage. The soft time limit is an Exception to Python and none to this class.

    >>> RetryingTask.autoretry_for, RetryingTask.max_retries
    ((<class 'sandbox.patterns.errors.Retryable'>,), 8)
    """

    abstract = True
    autoretry_for: tuple[type[BaseException], ...] = (Retryable,)
    dont_autoretry_for: tuple[type[BaseException], ...] = (Permanent, SoftTimeLimitExceeded)
    retry_backoff = 2
    retry_backoff_max = 600
    retry_jitter = True
    max_retries = 8

    def retry(self, *args: Any, **options: Any) -> Any:
        """Retry as Celery does, but not before the time that the failure itself names."""
        after_s = getattr(options.get("exc"), "after_s", 0.0)
        if after_s:
            options["countdown"] = ceil(after_s) + (options.get("countdown") or 0)
        return super().retry(*args, **options)


@contextmanager
def retryable(*kinds: type[Exception]) -> Iterator[None]:
    """Turn a library's own errors into Retryable; what is no failure passes untouched.

    With ``Exception`` too: the soft time limit, Permanent and Celery's own exceptions go through.

    >>> try:
    ...     with retryable(OSError):
    ...         raise ConnectionRefusedError("no route")
    ... except Retryable as error:
    ...     print(error)
    ConnectionRefusedError: no route
    """
    try:
        yield
    except _NOT_A_FAILURE:
        raise
    except kinds as exc:
        raise Retryable(f"{type(exc).__name__}: {exc}") from exc


def policy_for(
    outage_s: float, *, backoff_s: int = 2, backoff_max_s: int = 600
) -> dict[str, int | bool]:
    """Return the options of a task whose retries outlive an outage in at least 99 of 100 cases.

    The waits are what Celery draws: whole seconds from 0 to ``backoff_s · 2ⁿ``, at most
    ``backoff_max_s``. Full jitter halves them on average and may make one 0, so the number of
    retries leaves 2.33 standard deviations of their sum. ValueError for an outage without an end.

    >>> policy_for(60)["max_retries"]
    9
    """
    if not 0 <= outage_s < float("inf") or backoff_s < 1 or backoff_max_s < 1:
        raise ValueError("an outage has an end, and backoff_s and backoff_max_s are at least 1")
    mean = variance = 0.0
    n = 0
    while mean - 2.33 * sqrt(variance) < outage_s:
        longest = min(backoff_max_s, backoff_s * 2 ** min(n, 40))
        mean += longest / 2
        variance += ((longest + 1) ** 2 - 1) / 12
        n += 1
    return {
        "max_retries": n,
        "retry_backoff": backoff_s,
        "retry_backoff_max": backoff_max_s,
        "retry_jitter": True,
    }
