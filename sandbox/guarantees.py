"""Guarantees: at least, at most and effectively once, judged task by task on the evidence.

What a body has done, the ledger tells; where none is kept of a task, the executions that the
recorder saw. Each task keeps a guarantee, breaks it, or leaves it open for a cause with a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.journeys import Attempt

if TYPE_CHECKING:
    from sandbox.audit.account import Account

OWN_END = frozenset({"succeeded", "failed", "retried"})
"""Outcomes of an execution whose body came to its own end."""

_SHOWN = 10
_UNFINISHED = "not finished when the run ended"
_UNSENT = "not known whether it was published"
_GIVEN_UP = "over without an execution that came to its own end"
_NO_EFFECT = "it succeeded, but its effect is not in the ledger"
_NO_LEDGER = "no ledger is kept of it"
_BLURRED = "begun more than once; whether each execution took effect is not known"
_AGAIN = "done, but a message or an execution of it is left"
_NOT_EFFECTIVE = "its effect was applied, but does not count"


@dataclass(frozen=True)
class Guarantee:
    """Whether a promise was kept; ``tasks`` broke it or leave it open, ``cause`` says how.

    ``broken`` and ``open`` have all tasks that did either, by cause: the tasks that leave a
    violated promise open are in ``open`` only.

    >>> print(Guarantee("at most once", "violated", ("hi/0",), "two executions ended"))
    at most once: violated by hi/0 (two executions ended)
    """

    name: str
    verdict: Literal["holds", "violated", "unknown"]
    tasks: tuple[str, ...] = ()
    cause: str = ""
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def open_tasks(self) -> tuple[str, ...]:
        """The tasks of which it is not known whether they keep it."""
        return tuple(task for tasks in self.open.values() for task in tasks)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as what JSON can hold."""
        return {"verdict": self.verdict, "violated_by": self.broken, "unknown_for": self.open}

    def __str__(self) -> str:
        """Say it in one line."""
        if self.verdict == "holds":
            return f"{self.name}: holds"
        more = f" and {len(self.tasks) - _SHOWN} more" if len(self.tasks) > _SHOWN else ""
        joined = "violated by" if self.verdict == "violated" else "unknown for"
        return f"{self.name}: {joined} {', '.join(self.tasks[:_SHOWN])}{more} ({self.cause})"


_Judged = tuple[Literal["broken", "open"], str] | None
"""How one task breaks a guarantee, or leaves it open; None when it keeps it."""
_Judge = Callable[["Account", "Iterable[Attempt]"], _Judged]


def at_least_once(tasks: Mapping[str, Account], attempts: Mapping[str, list[Attempt]]) -> Guarantee:
    """Judge: every task took effect at least once, failed by itself, or was revoked.

    >>> at_least_once({}, {}).verdict
    'holds'
    """
    return _guarantee("at least once", _least, tasks, attempts)


def at_most_once(tasks: Mapping[str, Account], attempts: Mapping[str, list[Attempt]]) -> Guarantee:
    """Judge: no task took effect twice, and none of its retries ran to its own end twice.

    >>> at_most_once({}, {}).verdict
    'holds'
    """
    return _guarantee("at most once", _most, tasks, attempts)


def effectively_once(
    tasks: Mapping[str, Account], attempts: Mapping[str, list[Attempt]]
) -> Guarantee:
    """Judge: of every task one effect counts, however often it was applied.

    What failed by itself, or was revoked, owes none. Only a ledger can tell.

    >>> effectively_once({}, {}).verdict
    'holds'
    """
    return _guarantee("effectively once", _effectively, tasks, attempts)


def _guarantee(
    name: str,
    judge: _Judge,
    tasks: Mapping[str, Account],
    attempts: Mapping[str, list[Attempt]],
) -> Guarantee:
    lists: dict[str, dict[str, list[str]]] = {"broken": {}, "open": {}}
    for task, account in tasks.items():
        judged = judge(account, attempts.get(task, ()))
        if judged is not None:
            how, cause = judged
            lists[how].setdefault(cause, []).append(task)
    found = {how: {c: tuple(t) for c, t in causes.items()} for how, causes in lists.items()}
    worst = found["broken"] or found["open"]
    if not worst:
        return Guarantee(name, "holds")
    verdict: Literal["violated", "unknown"] = "violated" if found["broken"] else "unknown"
    named = tuple(task for tasks in worst.values() for task in tasks)
    return Guarantee(name, verdict, named, "; ".join(worst), found["broken"], found["open"])


def _least(account: Account, attempts: Iterable[Attempt]) -> _Judged:
    if account.n_effects or account.verdict == "revoked":
        return None
    if account.verdict == "stuck":
        return "open", _UNFINISHED
    if account.verdict == "unknown":
        return "open", _UNSENT
    if account.verdict == "lost":
        return "broken", _NO_EFFECT if account.n_succeeded else _GIVEN_UP
    # What failed by itself was executed; without a ledger what was done was, too.
    came_to_an_end = any(attempt.outcome in OWN_END for attempt in attempts)
    is_done = account.verdict != "failed"
    return None if is_done or came_to_an_end else ("broken", _GIVEN_UP)


def _most(account: Account, attempts: Iterable[Attempt]) -> _Judged:
    begun, ended = _most_runs(attempts)
    if account.duplicated or (account.n_effects or 0) > 1 or ended > 1:
        return "broken", "more than one execution ended"
    if begun > 1 and account.effects is None:
        return "open", _BLURRED
    if account.verdict == "done once" and account.in_motion:
        return "open", _AGAIN
    return None


def _effectively(account: Account, attempts: Iterable[Attempt]) -> _Judged:
    if account.n_effective is None:
        return "open", _NO_LEDGER
    if account.n_effective > 1:
        return "broken", "more than one of its effects counts"
    if account.n_effects and not account.n_effective:
        return "broken", _NOT_EFFECTIVE
    return _least(account, attempts)


def _most_runs(attempts: Iterable[Attempt]) -> tuple[int, int]:
    """Return the most executions of one retry number: begun, come to their own end."""
    started = [attempt for attempt in attempts if attempt.started_s is not None]
    begun = Counter(attempt.retry or 0 for attempt in started)
    ended = Counter(attempt.retry or 0 for attempt in started if attempt.outcome in OWN_END)
    return max(begun.values(), default=0), max(ended.values(), default=0)
