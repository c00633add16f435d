"""Tally: what a panel shows of a running system, counted from its events; no widget in here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.fold import Fold
from sandbox.journeys import Journey
from sandbox.run import Event
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

DEAD = "unacked of dead workers"
HARMS = ("lost", "duplicated", "stuck")
"""Counters whose first tasks are named."""
_NAMED = 3
_SIGKILL = 9


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """A worker: ``state`` is up, down or killed; ``slots`` holds the task each process runs."""

    name: str
    state: str
    slots: tuple[str | None, ...]
    reserved: int
    held: int

    @property
    def busy(self) -> int:
        """How many of its processes run a task."""
        return sum(task is not None for task in self.slots)


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters at one moment. Tasks, except ``redelivered`` and the messages' places.

    ``stuck`` counts unfinished tasks with a message that a dead worker holds and, when the run has
    ended, all unfinished ones of which something is left. ``harmed`` names the first few tasks
    that are lost, duplicated (done more than once) or stuck.
    """

    queues: tuple[tuple[str, int], ...]
    workers: tuple[WorkerCount, ...]
    reserved: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    redelivered: int = 0
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    harmed: tuple[tuple[str, ...], ...] = ((), (), ())
    waiting: int = 0
    ended: bool = False

    @property
    def queued(self) -> int:
        """Messages in all queues."""
        return sum(depth for _, depth in self.queues)

    def rows(self) -> list[tuple[str, int, str]]:
        """Return the counters as rows of a table: name, number, remark."""
        queues = [(f"queued in {name}", depth, "") for name, depth in self.queues]
        plain = ("reserved", "running", "done", "failed", "retried", "redelivered")
        harms = [
            (name, getattr(self, name), ", ".join(tasks))
            for name, tasks in zip(HARMS, self.harmed, strict=True)
        ]
        workers = [
            (f"busy processes of {w.name}", w.busy, f"of {len(w.slots)}, worker {w.state}")
            for w in self.workers
        ]
        waiting = (DEAD, self.waiting, "waiting for the visibility timeout")
        counted = ((name, getattr(self, name), "") for name in plain)
        return [*queues, *counted, *harms, waiting, *workers]

    def to_frame(self) -> pd.DataFrame:
        """Return the counters as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["counter", "n", "remark"]).set_index("counter")

    def to_dict(self) -> dict[str, Any]:
        """Return the counters as JSON-able data, for the browser."""
        return asdict(self) | {"queued": self.queued}


@dataclass
class Tally:
    """Folds the events of a session and counts; one thread feeds and reads it.

    >>> from sandbox.scenario import TaskType, WorkerPool
    >>> hello = Scenario(
    ...     name="hello", tasks=[TaskType(name="hi")], workers=[WorkerPool()], horizon_s=1.0
    ... )
    >>> Tally(hello).feed([Event(0.0, "sent", "hi/0", queue="celery")]).count().queued
    1
    """

    scenario: Scenario
    fold: Fold = field(default_factory=Fold)
    t_s: float = 0.0
    settled: bool = True
    _signals: dict[str, int] = field(default_factory=dict)
    _tags: set[tuple[str, str]] = field(default_factory=set)
    _n_attempts: int = 0
    _redelivered: int = 0
    _gone: frozenset[str] = frozenset()
    _ended: bool = False

    def feed(self, events: Iterable[Event]) -> Tally:
        """Take more events; return self."""
        for event in events:
            self.t_s = max(self.t_s, event.t_s)
            if event.kind == "worker_exited":
                self._signals[event.worker or ""] = int((event.detail or {}).get("signal") or 0)
            self._ended = self._ended or event.kind == "ended"
            self.fold.feed((event,))
        self._count_redeliveries()
        return self

    def _count_redeliveries(self) -> None:
        fresh = self.fold.attempts[self._n_attempts :]
        self._n_attempts += len(fresh)
        for attempt in fresh:
            self._redelivered += (attempt.task, attempt.tag) in self._tags
            self._tags.add((attempt.task, attempt.tag))

    def count(self) -> Counts:
        """Return the counters now; ``settled`` tells whether a second look could change them."""
        journeys = list(self.fold.journeys.values())
        gone = frozenset(j.task for j in journeys if _is_gone(j))
        # Between the loss of a child and the word on its task, the task looks lost for a moment.
        still = gone & self._gone
        lost = [j.task for j in journeys if j.task in still]
        self.settled, self._gone = gone == self._gone, gone
        twice = [j.task for j in journeys if j.n_succeeded > 1]
        stuck = [j.task for j in journeys if self._is_stuck(j)]
        return Counts(
            queues=self._queues(journeys),
            workers=self._workers(journeys),
            reserved=self.fold.reserved,
            running=self.fold.running,
            done=sum(j.n_succeeded > 0 for j in journeys),
            failed=sum(j.n_failed > 0 and not j.n_succeeded for j in journeys),
            retried=sum(j.n_retried for j in journeys),
            redelivered=self._redelivered,
            lost=len(lost),
            duplicated=len(twice),
            stuck=len(stuck),
            harmed=tuple(tuple(tasks[:_NAMED]) for tasks in (lost, twice, stuck)),
            waiting=self.fold.orphaned,
            ended=self._ended,
        )

    def _is_stuck(self, journey: Journey) -> bool:
        """Whether a task that is not finished waits for what may never come."""
        if journey.n_succeeded or journey.n_failed or journey.n_revoked:
            return False
        if self._ended:
            return journey.in_motion
        return not all(self.fold.owns(worker, tag) for tag, worker in journey.unacked.items())

    def _queues(self, journeys: Sequence[Journey]) -> tuple[tuple[str, int], ...]:
        queue_of = {kind.name: kind.queue for kind in self.scenario.tasks}
        depth: Counter[str] = Counter()
        for journey in journeys:
            if journey.n_queued > 0:
                depth[queue_of.get(_type_of(journey.task), "?")] += journey.n_queued
        return tuple((name, depth[name]) for name in self.scenario.queues)

    def _workers(self, journeys: Sequence[Journey]) -> tuple[WorkerCount, ...]:
        running: dict[str, dict[int, str]] = defaultdict(dict)
        reserved: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for journey in journeys:
            for worker, slot in journey.running:
                running[worker][slot] = journey.task
            busy_on = {worker for worker, _ in journey.running}
            for tag, worker in journey.unacked.items():
                reserved[worker] += worker not in busy_on and self.fold.owns(worker, tag)
                held[worker] += tag in journey.held
        return tuple(
            self._worker(name, running[name], reserved[name], held[name])
            for name in self.scenario.worker_names
        )

    def _worker(self, name: str, running: dict[int, str], reserved: int, held: int) -> WorkerCount:
        pool = self.scenario.pool_of(name)
        n_slots = max([pool.concurrency if pool else 1, *(slot + 1 for slot in running)])
        state = self._state(name)
        up = state == "up"
        slots = tuple(running.get(slot) for slot in range(n_slots))
        return WorkerCount(name, state, slots, reserved if up else 0, held if up else 0)

    def _state(self, worker: str) -> str:
        # At t = 0 every worker is ready, so one without an event of its own is up.
        if self.fold.workers.get(worker, True):
            return "up"
        return "killed" if self._signals.get(worker) == _SIGKILL else "down"


def _is_gone(journey: Journey) -> bool:
    """Whether nothing is left of a task that neither succeeded, failed nor expired."""
    ended = journey.n_succeeded or journey.n_failed or journey.n_revoked
    return journey.gone and not ended


def _type_of(task: str) -> str:
    return task.rpartition("/")[0]
