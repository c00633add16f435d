"""Retries: the policies of a task, from its autoretry options and from its body's source.

Source: celery/app/autoretry.py (``add_autoretry_behaviour``) and celery/app/task.py (``retry``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sandbox.derive.bodies import Body, RetryCall, body_of
from sandbox.notes import Notes
from sandbox.scenario import AutoRetry, Retry, SelfRetry

FOREVER = 1000
"""What stands for ``max_retries=None``: a scenario's retries end."""


def retries_of(task: Any, notes: Notes) -> tuple[Retry, ...]:
    """Return a task's retry policies: its body's ``self.retry`` first, as Celery tries it first."""
    body = body_of(task)
    own, auto = _from_body(task, body, notes), _auto(task, notes)
    return tuple(policy for policy in (own, auto) if policy is not None)


def lost_retries_of(task: Any, retries: Sequence[Retry], notes: Notes) -> dict[str, Any]:
    """Return the fields that say what becomes of a task whose process died; none by default.

    celery/worker/request.py ``_retry_worker_lost`` goes by the task's own delay and number.
    """
    if not getattr(task, "retry_on_worker_lost", False):
        return {}
    where = f"tasks.{task.name}.max_retries"
    most = _most(task.max_retries, where, notes)
    fields = {
        "retry_on_worker_lost": True,
        "default_retry_delay_s": _countdown(None, task, f"tasks.{task.name}", notes),
    }
    own = next((policy for policy in retries if isinstance(policy, SelfRetry)), None)
    if own is None:
        return fields | {"max_retries": most}
    if own.max_retries != most:
        what = f"it is {most}, and its body retries up to {own.max_retries} times"
        notes.add(where, what, f"{own.max_retries} for a lost process, too")
    return fields


def _auto(task: Any, notes: Notes) -> AutoRetry | None:
    where = f"tasks.{task.name}.retries"
    caught = tuple(getattr(task, "autoretry_for", ()) or ())
    if not caught or not hasattr(task, "_orig_run"):
        return None
    if not any(issubclass(Exception, one) for one in caught):
        names = ", ".join(one.__name__ for one in caught)
        notes.add(where, f"autoretry_for is {names} only", "every failure is one of these")
    not_for = tuple(getattr(task, "dont_autoretry_for", ()) or ())
    if not_for:
        names = ", ".join(one.__name__ for one in not_for)
        notes.add(where, f"dont_autoretry_for is {names}", "no failure is one of these")
    given = dict(getattr(task, "retry_kwargs", None) or {})
    other = sorted(set(given) - {"max_retries", "countdown"})
    if other:
        notes.add(where, f"retry_kwargs has {', '.join(other)}", "without them")
    fields: dict[str, Any] = {
        "max_retries": _most(given.get("max_retries", task.max_retries), where, notes)
    }
    backoff = float(getattr(task, "retry_backoff", 0) or 0)
    if backoff:  # it replaces the countdown (autoretry.py), which then has no effect
        fields["backoff_s"] = int(max(1.0, backoff))
        fields["backoff_max_s"] = max(1, int(getattr(task, "retry_backoff_max", 600)))
        fields["jitter"] = bool(getattr(task, "retry_jitter", True))
    else:
        fields["countdown_s"] = _countdown(given.get("countdown"), task, where, notes)
    return AutoRetry(**fields)


def _most(most: Any, where: str, notes: Notes) -> int:
    if isinstance(most, int) and most >= 0:
        return int(most)
    notes.add(where, f"max_retries is {most!r}: it is retried for ever", f"{FOREVER} retries")
    return FOREVER


def _countdown(seconds: Any, task: Any, where: str, notes: Notes) -> float:
    value = getattr(task, "default_retry_delay", 180) if seconds is None else seconds
    if isinstance(value, int | float) and value >= 0 and math.isfinite(value):
        return float(value)
    notes.add(where, f"the countdown is {value!r}", "180 s")
    return 180.0


def _from_body(task: Any, body: Body, notes: Notes) -> SelfRetry | None:
    where = f"tasks.{task.name}"
    if not body.read:
        notes.add(where, "its body has no source to read", "it neither retries nor publishes")
    if body.publishes:
        what = f"its body calls {', '.join(body.publishes)}: tasks that publish tasks"
        notes.add(where, what, "it publishes nothing")
    if body.waits:
        what = "its body waits for another task's result (allow_join_result)"
        notes.add(f"{where}.waits_for", what, "it waits for none")
    if not body.retries:
        return None
    if len(body.retries) > 1:
        notes.add(
            f"{where}.retries", f"its body has {len(body.retries)} calls of retry", "the first"
        )
    call = body.retries[0]
    if not _catches_all(call.catches):
        what = f"its body retries on {call.catches or 'a condition of its own'} only"
        notes.add(f"{where}.retries", what, "it retries on every failure")
    most: Any = call.max_retries if call.max_retries is not None else task.max_retries
    first_s, factor = _growth(call, task, notes)
    return SelfRetry(
        max_retries=_most(most, f"{where}.retries", notes), countdown_s=first_s, factor=factor
    )


def _catches_all(catches: str) -> bool:
    return any(name in ("Exception", "BaseException") for name in catches.strip("()").split(", "))


def _growth(call: RetryCall, task: Any, notes: Notes) -> tuple[float, float]:
    """Return the countdown of the first retry (s), and by what each further one is longer."""
    where, given = f"tasks.{task.name}.retries", call.countdowns_s
    default_s = _countdown(None, task, where, notes)
    if not call.has_countdown:
        return default_s, 1.0
    if given is None or min(given) < 0:
        notes.add(where, "the countdown in its body is computed", f"{default_s:g} s")
        return default_s, 1.0
    first, second = given[0], given[1]
    factor = second / first if first else 1.0
    if factor > 0 and all(
        math.isclose(value, first * factor**n, abs_tol=1e-9) for n, value in enumerate(given)
    ):
        return first, factor
    notes.add(
        where,
        f"the countdowns in its body are {given}, which do not grow by a factor",
        f"always {first:g} s",
    )
    return first, 1.0
