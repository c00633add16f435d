"""The schedule: which task is published when, the same for both engines."""

from __future__ import annotations

from collections import Counter
from itertools import count, repeat
from operator import itemgetter
from typing import NamedTuple

from sandbox.draws import draw_s
from sandbox.loads import Chord, Closed, Group
from sandbox.scenario import Scenario
from sandbox.tasks import SUBTASKS

BY_HAND = 1_000_000_000
"""Numbers from here on belong to tasks that were submitted by hand."""

_CLOSED_SPAN = 10_000_000
_MOST_ATTEMPTS = 10_001
_LOAD = -1
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
    numbers = {name: count() for name in scenario.task_names}
    # `_new` makes a Publication without the cost of naming its fields.
    return [
        _new(Publication, (at_s, name, next(numbers[name]))) for at_s, name, _ in _timed(scenario)
    ]


def _timed(scenario: Scenario) -> list[tuple[float, str, int]]:
    """Return time, type and source of each publication; a load is -1, an entry its place."""
    timed: list[tuple[float, str, int]] = []
    for field, sources in (("load", scenario.loads), ("beat", scenario.beat)):
        for i, source in enumerate(sources):
            if not isinstance(source, Closed):
                stream = f"{field}{i}/arrival"
                times = source.arrivals_s(scenario.horizon_s, seed=scenario.seed, stream=stream)
                place = i if field == "beat" else _LOAD
                timed += zip(times, repeat(source.task), repeat(place))
    timed.sort(key=itemgetter(0))
    return timed


def beat_numbers(scenario: Scenario) -> list[list[int]]:
    """Return for each entry of beat the numbers of the tasks that it publishes, in turn.

    >>> from sandbox.scenario import Scenario
    >>> every = {"task": "hi", "every_s": 1.0}
    >>> hello = Scenario(name="hello", tasks=[{"name": "hi"}], workers=[{}], horizon_s=2.5,
    ...     loads=[{"kind": "burst", "task": "hi", "n": 3}],
    ...     beat=[{"name": "one", **every}, {"name": "two", **every}])
    >>> beat_numbers(hello)
    [[3, 5], [4, 6]]
    """
    numbers = {name: count() for name in scenario.task_names}
    found: list[list[int]] = [[] for _ in scenario.beat]
    for _, name, place in _timed(scenario):
        n = next(numbers[name])
        if place != _LOAD:
            found[place].append(n)
    return found


def without_beat(scenario: Scenario) -> list[Publication]:
    """Return what open loads publish, numbered as in ``schedule``: beat's own numbers are left out.

    >>> from sandbox.scenario import Scenario
    >>> hello = Scenario(name="hello", tasks=[{"name": "hi"}], workers=[{}], horizon_s=2.5,
    ...     loads=[{"kind": "trace", "task": "hi", "at_s": [0.0, 2.0]}],
    ...     beat=[{"name": "one", "task": "hi", "every_s": 1.5}])
    >>> [p.n for p in without_beat(hello)]
    [0, 2]
    """
    numbers = zip(scenario.beat, beat_numbers(scenario), strict=True)
    theirs = {(entry.task, n) for entry, mine in numbers for n in mine}
    return [p for p in schedule(scenario) if (p.type, p.n) not in theirs]


def subtask_number(scenario: Scenario, task: str, n: int, retry: int) -> int:
    """Return the number of the task that an attempt of task ``n`` publishes and waits for.

    Each attempt has one of its own; a repeated execution of an attempt has the same again. Its
    last ten digits are those of ``n``.

    >>> from sandbox.scenario import Scenario
    >>> photos = Scenario(name="photos", workers=[{}], horizon_s=1.0,
    ...     tasks=[{"name": "album", "waits_for": "resize"}, {"name": "resize"}])
    >>> subtask_number(photos, "album", 7, 0), subtask_number(photos, "album", 7, 1)
    (10000000007, 20000000007)
    """
    position = scenario.task_names.index(task)
    return (1 + position * _MOST_ATTEMPTS + retry) * SUBTASKS + n


class Canvas(NamedTuple):
    """One group or chord: number of its first task, how many follow one another, and its body.

    ``body`` is (type, number); None for a group.
    """

    type: str
    first: int
    n: int
    body: tuple[str, int] | None

    @property
    def keys(self) -> list[str]:
        """The keys of its tasks, in the order in which they are published."""
        return [f"{self.type}/{n}" for n in range(self.first, self.first + self.n)]


def canvases(scenario: Scenario) -> list[Canvas]:
    """Return the groups and chords among the loads; a body has the next number of its type.

    >>> from sandbox.scenario import Scenario, TaskType, WorkerPool
    >>> photos = Scenario(name="photos", tasks=[TaskType(name="resize"), TaskType(name="zip")],
    ...     workers=[WorkerPool()], horizon_s=1.0,
    ...     loads=[{"kind": "chord", "task": "resize", "n": 2, "body": "zip"}])
    >>> canvases(photos)[0].keys, canvases(photos)[0].body
    (['resize/0', 'resize/1'], ('zip', 0))
    """
    loads = [*enumerate(scenario.loads)]
    if not any(isinstance(load, Group | Chord) for _, load in loads):
        return []
    numbers = Counter(publication.type for publication in schedule(scenario))
    found = []
    for i, load in loads:
        if isinstance(load, Group | Chord) and load.at_s < scenario.horizon_s:
            body = None
            if isinstance(load, Chord):
                body = (load.body, numbers[load.body])
                numbers[load.body] += 1
            found.append(Canvas(load.task, _n_before(scenario, i, load), load.n, body))
    return found


def _n_before(scenario: Scenario, position: int, load: Group | Chord) -> int:
    """Return how many tasks of a load's type come before its own: by time, then by position."""
    n = 0
    for i, other in enumerate(scenario.loads):
        if other.task == load.task and not isinstance(other, Closed):
            stream = f"load{i}/arrival"
            times = other.arrivals_s(scenario.horizon_s, seed=scenario.seed, stream=stream)
            n += sum(at < load.at_s or (at == load.at_s and i < position) for at in times)
    for i, entry in enumerate(scenario.beat):
        if entry.task == load.task:
            stream = f"beat{i}/arrival"
            times = entry.arrivals_s(scenario.horizon_s, seed=scenario.seed, stream=stream)
            n += sum(at < load.at_s for at in times)
    return n


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
    for canvas in canvases(scenario):
        if canvas.body is not None:
            open_counts[canvas.body[0]] += 1
    result: list[ClosedTurns] = []
    for i, load in enumerate(scenario.loads):
        if isinstance(load, Closed):
            earlier = sum(turns.load.task == load.task for turns in result)
            base = open_counts[load.task] + earlier * _CLOSED_SPAN
            result.append(ClosedTurns(load, i, base, scenario.seed))
    return result
