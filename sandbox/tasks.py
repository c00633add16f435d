"""Tasks: one kind of task, its work, and when and how often Celery tries it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sandbox.dependencies import Call
from sandbox.draws import Deterministic, Distribution
from sandbox.errors import ScenarioError, one_of
from sandbox.parts import MOST, Count, Name, NonNegative, Part, Positive, Probability
from sandbox.rates import parse_rate

Priority = Annotated[int, Field(ge=0, le=255, strict=True)]
Retries = Annotated[int, Field(ge=0, le=10_000, strict=True)]
SUBTASKS = 10_000_000_000
"""Numbers from here on belong to tasks that other tasks have published and wait for."""
_MAX_RETRIES = 3
"""Celery's default (celery/app/task.py)."""


class SelfRetry(Part):
    """``self.retry(countdown=…)`` in the task's body, up to the task's own ``max_retries``.

    The countdown before retry n (0 = first) is ``countdown_s * factor ** n``, without jitter.

    >>> SelfRetry(max_retries=3, countdown_s=60.0, factor=2.0).countdown(2)
    240.0
    """

    kind: Literal["self"] = "self"
    max_retries: Retries = 3
    countdown_s: NonNegative = 180.0
    factor: Positive = 1.0

    @model_validator(mode="after")
    def _bounded(self) -> SelfRetry:
        growth = max(0, self.max_retries - 1) * math.log(self.factor)
        if growth + math.log(max(1.0, self.countdown_s)) > math.log(MOST):
            raise ScenarioError(
                f"factor is {self.factor}, so that retry {self.max_retries} would come after "
                f"more than {MOST:,} s; allowed: up to that"
            )
        return self

    def countdown(self, retry: int) -> float:
        """Return the countdown (s) before retry ``retry`` (0 = the first)."""
        return self.countdown_s * self.factor**retry


class AutoRetry(Part):
    """``autoretry_for=(Exception,)``, with Celery's backoff in whole seconds.

    With ``backoff_s`` the countdown before retry n is ``min(backoff_max_s, backoff_s * 2**n)``,
    and with ``jitter`` any whole number of seconds from 0 to that. Without it, the fixed
    ``countdown_s``. Source: celery/app/autoretry.py, celery/utils/time.py.

    >>> AutoRetry(backoff_s=1, backoff_max_s=600, jitter=True).ceiling(3)
    8
    """

    kind: Literal["auto"] = "auto"
    max_retries: Retries = 3
    backoff_s: Count | None = None
    backoff_max_s: Count = 600
    jitter: bool = True
    countdown_s: NonNegative = 180.0

    def ceiling(self, retry: int) -> int:
        """Return the longest countdown (whole s) before retry ``retry``, with backoff."""
        return int(min(self.backoff_max_s, (self.backoff_s or 1) * 2**retry))


Retry = Annotated[SelfRetry | AutoRetry, Field(discriminator="kind")]


class TaskType(Part):
    """One kind of task: where it goes, how long its work takes, how it fails and is retried.

    ``retries`` are tried in order: an attempt that fails for the n-th time is retried by the
    first whose ``max_retries`` is above n - 1, as ``self.retry`` inside an autoretried task is.
    ``calls``: a service downstream that each attempt calls after its own work.

    ``waits_for``: a task type of which each attempt publishes one after its own work, and waits
    for its result in its slot, however long: ``with allow_join_result(): t.delay().get()``.
    Without that the guard raises RuntimeError at once (celery/result.py
    ``assert_will_not_block``). When all slots wait, nothing ends any more. A subtask that fails
    or is revoked fails the attempt (SubtaskFailed), which is then retried like any and publishes
    another; an attempt that is delivered again publishes the same one again.

    ``countdown_s`` and ``expires_s`` go with each publish, as in ``apply_async(countdown=…,
    expires=…)``: a worker holds the message for its time, in `unacked`, and takes one more in
    its place. A retry has the countdown of its policy, and the first publish's expiry.

    What becomes of a message whose attempt ended badly (celery/worker/request.py): a failed
    one is acknowledged late, or rejected without requeue when ``acks_on_failure`` is False;
    one over its hard limit is acknowledged late, or requeued for ever when ``acks_on_timeout``
    is False. When its process died, ``retry_on_worker_lost`` publishes a retry after
    ``default_retry_delay_s``, up to ``max_retries`` of them, under early ack too; where that
    is False, ``reject_on_worker_lost`` requeues it, without a count. Both flags about acks,
    and ``reject_on_worker_lost``, do nothing under early ack.

    ``crash``: how each attempt ends after its work instead of returning: ``child``, its process
    is killed, as by the out-of-memory killer; ``memory``, it raises MemoryError. Only with
    prefork workers, and without retries, ``p_failure`` and calls.

    >>> TaskType(name="resize", service=Deterministic(value_s=0.2)).queue
    'celery'
    """

    name: Name
    queue: Name = "celery"
    service: Distribution = Deterministic(value_s=0.0)
    work: Literal["wait", "cpu"] = "wait"
    acks_late: bool = False
    acks_on_failure: bool = True
    acks_on_timeout: bool = True
    reject_on_worker_lost: bool = False
    retry_on_worker_lost: bool = False
    default_retry_delay_s: NonNegative = 180.0
    max_retries: Retries | None = None
    """Of ``retry_on_worker_lost``; None: as a SelfRetry states it, else Celery's default, 3."""
    rate_limit: str | None = None
    soft_time_limit_s: Positive | None = None
    time_limit_s: Positive | None = None
    p_failure: Probability = 0.0
    retries: Annotated[tuple[Retry, ...], Field(max_length=100)] = ()
    priority: Priority = 0
    countdown_s: NonNegative = 0.0
    expires_s: Positive | None = None
    ignore_result: bool = False
    crash: Literal["child", "memory"] | None = None
    calls: Call | None = None
    waits_for: Name | None = None

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate

    @model_validator(mode="after")
    def _one_max_retries(self) -> TaskType:
        own = self.self_retry
        if own is not None and self.max_retries not in (None, own.max_retries):
            raise ScenarioError(
                f"max_retries is {self.max_retries}, but retries state {own.max_retries}; "
                "a task has one max_retries"
            )
        return self

    @model_validator(mode="after")
    def _soft_before_hard(self) -> TaskType:
        # celery/app/task.py apply_async: each publish would raise ValueError.
        soft_s, hard_s = self.soft_time_limit_s, self.time_limit_s
        if soft_s is not None and hard_s is not None and soft_s > hard_s:
            raise ScenarioError(
                f"soft_time_limit_s is {soft_s}; allowed: up to time_limit_s = {hard_s}"
            )
        return self

    @model_validator(mode="after")
    def _crashes_alone(self) -> TaskType:
        if self.crash is not None:
            for field in ("retries", "p_failure", "calls"):
                if getattr(self, field):
                    raise ScenarioError(
                        f"{field} has no meaning with crash = {self.crash!r}; "
                        "allowed: one of the two"
                    )
        return self

    @property
    def self_retry(self) -> SelfRetry | None:
        """The policy that ``self.retry`` follows, whose max_retries is the task's own."""
        return next((policy for policy in self.retries if isinstance(policy, SelfRetry)), None)

    @property
    def lost_max_retries(self) -> int:
        """The retry from which a lost process makes the task fail instead.

        >>> TaskType(name="resize", retry_on_worker_lost=True).lost_max_retries
        3
        """
        if self.max_retries is not None:
            return self.max_retries
        own = self.self_retry
        return _MAX_RETRIES if own is None else own.max_retries


def check_subtasks(tasks: Sequence[TaskType]) -> None:
    """Raise ScenarioError when a task waits for what it cannot get."""
    by_name = {task.name: task for task in tasks}
    for i, task in enumerate(tasks):
        if task.waits_for is not None:
            problem = _cannot_wait(task, task.waits_for, by_name)
            if problem is not None:
                raise ScenarioError(f"tasks[{i}].waits_for is {task.waits_for!r}{problem}")


def _cannot_wait(task: TaskType, name: str, by_name: Mapping[str, TaskType]) -> str | None:
    """Return why a task cannot wait for its subtask: the end of a sentence, or None."""
    if name not in by_name:
        return f"; allowed: {one_of(name, by_name)}"
    child = by_name[name]
    if child.waits_for is not None:
        return ", which waits for another itself; allowed: a type that waits for none"
    if child.ignore_result:
        return ", whose ignore_result is True; who waits needs a result"
    if task.calls is not None:
        return ", and calls is set too; allowed: one of the two"
    return None


def waiting(tasks: Iterable[TaskType]) -> str | None:
    """Return a sentence if some task waits for another's result, else None.

    What becomes of the wait without a connection to the broker is not in the model.

    >>> waiting([TaskType(name="album", waits_for="resize"), TaskType(name="resize")])
    "has no meaning yet with tasks[0].waits_for = 'resize'; allowed: None"
    """
    for i, task in enumerate(tasks):
        if task.waits_for is not None:
            where = f"tasks[{i}].waits_for = {task.waits_for!r}"
            return f"has no meaning yet with {where}; allowed: None"
    return None
