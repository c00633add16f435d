"""The schedule: which task is published when, the same for both engines."""

from __future__ import annotations

from itertools import count, repeat
from operator import itemgetter
from typing import NamedTuple

from sandbox.draws import draw_s
from sandbox.loads import Closed
from sandbox.scenario import Scenario

BY_HAND = 1_000_000_000
"""Numbers from here on belong to tasks that were submitted by hand."""

_CLOSED_SPAN = 10_000_000
_new = tuple.__new__


class Publication(NamedTuple):
    """One task of an open load: published at ``at_s`` as number ``n`` of its type."""

    at_s: float
    type: str
    n: int


def schedule(scenario: Scenario) -> list[Publication]:
    """Return what open loads and beat publish, by time; numbered per type in that order.

    >>> from sandbox.scenario import Scenario, TaskType, WorkerPool
    >>> hello = Scenario(name="hello", tasks=[TaskType(name="hi")], workers=[WorkerPool()],
    ...                  loads=[{"kind": "burst", "task": "hi", "n": 2}], horizon_s=1.0)
    >>> [tuple(p) for p in schedule(hello)]
    [(0.0, 'hi', 0), (0.0, 'hi', 1)]
    """
    timed: list[tuple[float, str]] = []
    for field, sources in (("load", scenario.loads), ("beat", scenario.beat)):
        for i, source in enumerate(sources):
            if not isinstance(source, Closed):
                stream = f"{field}{i}/arrival"
                times = source.arrivals_s(scenario.horizon_s, seed=scenario.seed, stream=stream)
                timed += zip(times, repeat(source.task))
    timed.sort(key=itemgetter(0))
    numbers = {name: count() for name in scenario.task_names}
    # `_new` makes a Publication without the cost of naming its fields.
    return [_new(Publication, (at_s, name, next(numbers[name]))) for at_s, name in timed]


class ClosedTurns(NamedTuple):
    """The numbers and think times of one closed load.

    Client c's j-th task is number ``base + j * n_clients + c``; it thinks before each.
    """

    load: Closed
    position: int
    base: int
    seed: int

    def number(self, client: int, turn: int) -> int:
        """Return the number of a client's task."""
        return self.base + turn * self.load.n_clients + client

    def think_s(self, client: int, turn: int) -> float:
        """Return how long the client thinks before that task, in seconds."""
        draw = turn * self.load.n_clients + client
        return draw_s(self.load.think, self.seed, f"load{self.position}/think", draw)


def closed_turns(scenario: Scenario) -> list[ClosedTurns]:
    """Return the closed loads with disjoint ranges of numbers, above all open ones."""
    open_counts = dict.fromkeys(scenario.task_names, 0)
    for publication in schedule(scenario):
        open_counts[publication.type] += 1
    result: list[ClosedTurns] = []
    for i, load in enumerate(scenario.loads):
        if isinstance(load, Closed):
            earlier = sum(turns.load.task == load.task for turns in result)
            base = open_counts[load.task] + earlier * _CLOSED_SPAN
            result.append(ClosedTurns(load, i, base, scenario.seed))
    return result
