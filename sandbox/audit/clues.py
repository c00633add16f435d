"""The clues: a run's events task by task, the exits of its workers, the last dump, the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.journeys import Attempt, Journey
from sandbox.ledger import Effect, Ledger
from sandbox.left import Left, last_dump
from sandbox.run import Event, Run


@dataclass(frozen=True)
class Dump:
    """What the broker really held at the end; ``later`` are tasks that moved after it."""

    event: Event
    left: Mapping[str, list[Left]]
    later: frozenset[str | None]

    @classmethod
    def of(cls, run: Run) -> Dump | None:
        """Return a run's last dump; None without one."""
        at = last_dump(run.events)
        if at is None:
            return None
        left: dict[str, list[Left]] = {}
        for one in run.left or ():
            left.setdefault(one.task, []).append(one)
        later = frozenset(event.task for event in run.events[at + 1 :])
        return cls(run.events[at], left, later)

    def rules(self, task: str) -> bool:
        """Whether it has the last word on where a task's messages are."""
        return task not in self.later

    def holds(self, task: str) -> bool:
        """Whether the broker has a message of the task."""
        return task in self.left

    def queued(self, task: str) -> list[Left]:
        """Return the task's messages in queues."""
        return [one for one in self.left.get(task, ()) if one.where == "queue"]

    def unacked(self, task: str) -> list[Left]:
        """Return the task's messages in `unacked`."""
        return [one for one in self.left.get(task, ()) if one.where == "unacked"]


def effects_of(ledger: Ledger | None, task: str) -> tuple[Effect, ...] | None:
    """Return a task's effects; None when no ledger would know of them."""
    return ledger.of(task) if ledger is not None and ledger.covers(task) else None


def journeys(run: Run, dump: Dump | None) -> dict[str, Journey]:
    """Return the fold's tasks and those that only the dump or the ledger knows."""
    known = run.fold.journeys
    found = [*(dump.left if dump else ()), *(run.ledger.tasks if run.ledger else ())]
    return known | {task: Journey(task) for task in found if task not in known}


@dataclass(frozen=True)
class Record:
    """A run's events and attempts by task, and the exits of its workers."""

    events: Mapping[str, list[Event]]
    attempts: Mapping[str, list[Attempt]]
    exits: tuple[Event, ...]

    @classmethod
    def of(cls, run: Run) -> Record:
        """Sort a run's events by task."""
        events: dict[str, list[Event]] = {}
        attempts: dict[str, list[Attempt]] = {}
        for event in run.events:
            # A `control` may name a task; what was ordered proves nothing about what happened.
            if event.task is not None and event.kind != "control":
                events.setdefault(event.task, []).append(event)
        for attempt in run.fold.attempts:
            attempts.setdefault(attempt.task, []).append(attempt)
        return cls(events, attempts, tuple(run.of_kind("worker_exited")))

    def count(self, task: str, kind: str) -> int:
        """Return how many events of a kind a task has."""
        return sum(event.kind == kind for event in self.events.get(task, ()))

    def last(self, task: str, *kinds: str, tag: str | None = None) -> Event | None:
        """Return a task's last event of these kinds, and of this delivery tag if one is given."""
        own = reversed(self.events.get(task, ()))
        return next((e for e in own if e.kind in kinds and tag in (None, e.tag)), None)

    def exit_after(self, attempt: Attempt) -> Event | None:
        """Return the exit of the attempt's worker that ended it, or left it without an owner."""
        for event in self.exits:
            if event.worker == attempt.worker and event.t_s >= attempt.delivered_s:
                over = attempt.ended_s is not None and attempt.ended_s < event.t_s
                return None if over else event
        return None

    def attempt(self, task: str, tag: str | None) -> Attempt | None:
        """Return the newest delivery of a message."""
        found = [a for a in self.attempts.get(task, ()) if a.tag == tag]
        return found[-1] if found else None
