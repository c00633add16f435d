"""What a run's dependencies did: how many calls they served, refused, wasted, and how long."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

from sandbox.run import Event, Run


@dataclass
class DependencyUse:
    """The calls of one dependency until the end of a run, of its ``capacity`` places.

    ``outcomes`` counts them. ``served``: answered. ``refused``: failed by an outage. ``left``:
    given up in line. ``abandoned``: served to its end when its caller had gone, so wasted.
    ``waits_s``: from the call to its begin, of each that was begun. ``busy_s``: seconds of places
    in use, summed.
    """

    name: str
    capacity: int = 1
    outcomes: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    busy_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls have ended, however."""
        return self.outcomes.total()

    @property
    def mean_wait_s(self) -> float:
        """The mean wait for a place (s); nan when no call was begun."""
        return fmean(self.waits_s) if self.waits_s else math.nan


def calls(run: Run, from_s: float = -math.inf) -> dict[str, DependencyUse]:
    """Return what each dependency of a run has done from ``from_s`` on, by name.

    Of a call that was begun before, the seconds since count, and its end.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0,
    ...                dependencies=[{"name": "db"}])
    >>> at = {"dependency": "db"}
    >>> events = (Event(0.0, "called", "hi/0", detail=at), Event(0.5, "call_started", "hi/0",
    ...     detail=at), Event(2.0, "call_ended", "hi/0", detail=at | {"outcome": "served"}))
    >>> used = calls(Run(one, events))["db"]
    >>> used.outcomes["served"], used.mean_wait_s, used.busy_s
    (1, 0.5, 1.5)
    """
    found = {d.name: DependencyUse(d.name, d.capacity) for d in run.scenario.dependencies}
    for name, use in found.items():
        _Tally(use, from_s).read(
            event
            for event in run.of_kind("called", "call_started", "call_ended")
            if (event.detail or {}).get("dependency") == name
        )
    return found


class _Tally:
    """Follows each call by its task and retry; of two alike (a task run twice) the older first."""

    def __init__(self, use: DependencyUse, from_s: float) -> None:
        self.use, self.n_serving, self._from_s = use, 0, from_s
        self._called: dict[tuple[str | None, int | None], deque[float]] = {}
        self._begun: dict[tuple[str | None, int | None], deque[float]] = {}

    def read(self, events: Iterable[Event]) -> None:
        """Count the calls of one dependency's events, in order."""
        for event in events:
            key = (event.task, event.retry)
            if event.kind == "called":
                self._called.setdefault(key, deque()).append(event.t_s)
            elif event.kind == "call_started":
                called_s = self._called[key].popleft()
                if event.t_s >= self._from_s:
                    self.use.waits_s.append(event.t_s - called_s)
                self._begun.setdefault(key, deque()).append(event.t_s)
                self.n_serving += 1
                self.use.most_at_once = max(self.use.most_at_once, self.n_serving)
            else:
                self._end(key, event)

    def _end(self, key: tuple[str | None, int | None], event: Event) -> None:
        outcome = str((event.detail or {}).get("outcome"))
        self.use.outcomes[outcome] += event.t_s >= self._from_s
        if outcome != "left" and self._begun.get(key):
            begun_s = max(self._from_s, self._begun[key].popleft())
            self.use.busy_s += max(0.0, event.t_s - begun_s)
            self.n_serving -= 1
        elif self._called.get(key):
            self._called[key].popleft()
