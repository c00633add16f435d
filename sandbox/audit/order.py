"""Order and time: which tasks were overtaken, and which began later than they should have."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.run import Event, Run

_ENDS = frozenset({"succeeded", "failed", "retried"})


@dataclass
class _Way:
    """A task's first moments, as positions among the events, and as times (s)."""

    queue: str | None = None
    sent: int = 0
    sent_s: float = 0.0
    due_s: float = 0.0
    is_timed: bool = False
    published: int | None = None
    began: int | None = None
    began_s: float | None = None
    ended: int | None = None


@dataclass(frozen=True)
class Ways:
    """The ways of a run's tasks."""

    of: Mapping[str, _Way] = field(default_factory=dict)

    @classmethod
    def through(cls, events: Iterable[Event]) -> Ways:
        """Note each task's first publish, start and end."""
        found: dict[str, _Way] = {}
        for i, event in enumerate(events):
            if event.task is None:
                continue
            way = found.get(event.task)
            if event.kind == "sent" and way is None:
                eta_s = (event.detail or {}).get("eta_s")
                timed, due_s = eta_s is not None, event.t_s if eta_s is None else eta_s
                found[event.task] = _Way(event.queue, i, event.t_s, due_s, timed)
            elif way is not None:
                _note(way, i, event)
        return cls(found)

    def overtaken(self, run: Run) -> dict[str, str]:
        """Return the tasks that were overtaken, each with one that overtook it.

        A task published later, to the same queue with the same priority, had ended when this
        one first began: clocks and the width of a pool cannot make that of two in order. Tasks
        published with an ETA are left out: they are meant to wait.
        """
        priority = {kind.name: kind.priority for kind in run.scenario.tasks}
        lists: dict[tuple[str | None, int], list[str]] = {}
        for task, way in self.of.items():
            if not way.is_timed:
                step = priority.get(task.rpartition("/")[0], 0)
                lists.setdefault((way.queue, step), []).append(task)
        found: dict[str, str] = {}
        for tasks in lists.values():
            found |= self._overtaken_in(tasks)
        return found

    def _overtaken_in(self, tasks: list[str]) -> dict[str, str]:
        """Return who was overtaken among tasks of one list, in the order they were sent in."""
        sent = [self.of[task].sent for task in tasks]
        quickest: list[tuple[float, str]] = [(float("inf"), "")]
        for task in reversed(tasks):
            ended = self.of[task].ended
            quickest.append(min(quickest[-1], (float("inf") if ended is None else ended, task)))
        quickest.reverse()  # quickest[i]: the first to end of those sent i-th or later
        found = {}
        for task in tasks:
            way = self.of[task]
            if way.began is not None and way.published is not None:
                end, other = quickest[bisect_left(sent, way.published)]
                if end < way.began:
                    found[task] = other
        return found

    def late(self, run: Run, late_s: float | None, stuck: Collection[str]) -> dict[str, float]:
        """Return by how much (s) tasks first began too late.

        Later than their type's expiry, or than ``late_s`` after they were due: when they were
        sent, or at their ETA. A ``stuck`` one that has not begun counts up to the run's end.
        """
        expiry = {kind.name: kind.expires_s for kind in run.scenario.tasks}
        end_s = run.events[-1].t_s if run.events else 0.0
        found = {}
        for task, way in self.of.items():
            by_s = []
            expires_s = expiry.get(task.rpartition("/")[0])
            if expires_s is not None and way.began_s is not None:
                by_s.append(way.began_s - way.sent_s - expires_s)
            began_s = end_s if way.began_s is None and task in stuck else way.began_s
            if late_s is not None and began_s is not None:
                by_s.append(began_s - way.due_s - late_s)
            if max(by_s, default=0.0) > 0:
                found[task] = max(by_s)
        return found


def _note(way: _Way, i: int, event: Event) -> None:
    if event.kind == "published" and way.published is None:
        way.published = i
    elif event.kind == "started" and way.began is None:
        way.began, way.began_s = i, event.t_s
    elif event.kind in _ENDS and way.ended is None:
        way.ended = i
