"""Guarantees: at least once, at most once, judged on the executions that a run recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.journeys import Attempt

if TYPE_CHECKING:
    from sandbox.audit import TaskAudit

OWN_END = frozenset({"succeeded", "failed", "retried"})
"""Outcomes of an execution whose body came to its own end."""

_SHOWN = 10


@dataclass(frozen=True)
class Guarantee:
    """Whether a promise was kept; ``tasks`` broke it or leave it open, ``cause`` says how.

    >>> print(Guarantee("at most once", "violated", ("hi/0",), "two executions ended"))
    at most once: violated by hi/0 (two executions ended)
    """

    name: str
    verdict: Literal["holds", "violated", "unknown"]
    tasks: tuple[str, ...] = ()
    cause: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        if self.verdict == "holds":
            return f"{self.name}: holds"
        more = f" and {len(self.tasks) - _SHOWN} more" if len(self.tasks) > _SHOWN else ""
        joined = "violated by" if self.verdict == "violated" else "unknown for"
        return f"{self.name}: {joined} {', '.join(self.tasks[:_SHOWN])}{more} ({self.cause})"


def at_least_once(
    tasks: Mapping[str, TaskAudit], attempts: Mapping[str, list[Attempt]]
) -> Guarantee:
    """Judge: every task ran to its own end at least once, or was revoked.

    >>> at_least_once({}, {}).verdict
    'holds'
    """
    name = "at least once"
    broken = [t.task for t in tasks.values() if _given_up(t, attempts.get(t.task, ()))]
    if broken:
        cause = "over without an execution that came to its own end"
        return Guarantee(name, "violated", tuple(broken), cause)
    unfinished = [t.task for t in tasks.values() if t.verdict == "stuck"]
    if unfinished:
        return Guarantee(name, "unknown", tuple(unfinished), "not finished when the run ended")
    unsent = [t.task for t in tasks.values() if t.verdict == "unknown"]
    if unsent:
        return Guarantee(name, "unknown", tuple(unsent), "not known whether it was published")
    return Guarantee(name, "holds")


def _given_up(task: TaskAudit, attempts: Iterable[Attempt]) -> bool:
    """Whether it is over without an end of its own: lost, or failed because it was killed."""
    if task.verdict != "failed":
        return task.verdict == "lost"
    return not any(attempt.outcome in OWN_END for attempt in attempts)


def at_most_once(
    tasks: Mapping[str, TaskAudit], attempts: Mapping[str, list[Attempt]]
) -> Guarantee:
    """Judge: no task, and none of its retries, ran to its own end twice.

    >>> at_most_once({}, {}).verdict
    'holds'
    """
    name = "at most once"
    runs = {task: _most_runs(attempts.get(task, ())) for task in tasks}
    broken = [
        t.task for t in tasks.values() if t.verdict == "done more than once" or runs[t.task][1] > 1
    ]
    if broken:
        return Guarantee(name, "violated", tuple(broken), "more than one execution ended")
    twice = [task for task, (begun, _) in runs.items() if begun > 1]
    if twice:
        cause = "begun more than once; whether each execution took effect is not known"
        return Guarantee(name, "unknown", tuple(twice), cause)
    again = [t.task for t in tasks.values() if t.verdict == "done once" and t.where != "gone"]
    if again:
        cause = "done, but a message or an execution of it is left"
        return Guarantee(name, "unknown", tuple(again), cause)
    return Guarantee(name, "holds")


def _most_runs(attempts: Iterable[Attempt]) -> tuple[int, int]:
    """Return the most executions of one retry number: begun, come to their own end."""
    started = [attempt for attempt in attempts if attempt.started_s is not None]
    begun = Counter(attempt.retry or 0 for attempt in started)
    ended = Counter(attempt.retry or 0 for attempt in started if attempt.outcome in OWN_END)
    return max(begun.values(), default=0), max(ended.values(), default=0)
