"""Standing: where every message of a run stands at one moment, from the events until then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sandbox.errors import ScenarioError
from sandbox.fold import Fold
from sandbox.journeys import Journey
from sandbox.pictures.trouble import drawable
from sandbox.run import Run

_SIGKILL = 9


@dataclass(frozen=True)
class Orphan:
    """A message in `unacked` that no worker knows of, with what is left of its timeout (s)."""

    task: str
    worker: str
    due_s: float


@dataclass(frozen=True)
class Post:
    """A worker: up, down or killed; the task each process runs, and what it has in memory."""

    name: str
    state: str
    slots: tuple[str | None, ...]
    prefetched: tuple[str, ...]
    held: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """A run at a moment; ``again`` are the tasks delivered more than once, with how often."""

    at_s: float
    queues: dict[str, tuple[str, ...]]
    workers: tuple[Post, ...]
    orphans: tuple[Orphan, ...]
    outcomes: dict[str, tuple[str, ...]]
    again: dict[str, int]


def standing(run: Run, at_s: float) -> Standing:
    """Return where everything stands after all events until ``at_s`` (s).

    ScenarioError when that is no number.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> standing(Run(one, (Event(0.5, "sent", "hi/0", queue="celery"),)), 0.5).queues
    {'celery': ('hi/0',)}
    """
    if not math.isfinite(at_s):
        raise ScenarioError(f"at_s is {at_s}; allowed: a time of the run, in seconds")
    run = drawable(run)
    past = [event for event in run.events if event.t_s <= at_s]
    fold = Fold().feed(past)
    signals = {e.worker: (e.detail or {}).get("signal") for e in past if e.kind == "worker_exited"}
    journeys = list(fold.journeys.values())
    return Standing(
        at_s,
        _queues(run, journeys),
        tuple(_post(run, fold, name, signals.get(name)) for name in run.scenario.worker_names),
        _orphans(run, fold, at_s),
        _outcomes(journeys),
        {j.task: j.n_deliveries + (j.n_queued > 0) for j in journeys
         if j.n_deliveries + (j.n_queued > 0) > 1},
    )  # fmt: skip


def _queues(run: Run, journeys: list[Journey]) -> dict[str, tuple[str, ...]]:
    queue_of = {kind.name: kind.queue for kind in run.scenario.tasks}
    found: dict[str, list[str]] = {name: [] for name in run.scenario.queues}
    for journey in journeys:
        name = queue_of.get(journey.task.rpartition("/")[0], "?")
        found.setdefault(name, []).extend([journey.task] * max(0, journey.n_queued))
    return {name: tuple(tasks) for name, tasks in found.items()}


def _post(run: Run, fold: Fold, name: str, signal: int | None) -> Post:
    pool = run.scenario.pool_of(name)
    running, prefetched, held = dict[int, str](), list[str](), list[str]()
    for journey in fold.journeys.values():
        mine = {slot: journey.task for worker, slot in journey.running if worker == name}
        running.update(mine)
        for tag, worker in journey.unacked.items():
            if worker == name and fold.owns(worker, tag):
                if tag in journey.held:
                    held.append(journey.task)
                elif not mine:
                    prefetched.append(journey.task)
    n = max([pool.n_first if pool else 1, *(slot + 1 for slot in running)])
    # At t = 0 every worker is ready, so one without an event of its own is up.
    up = fold.workers.get(name, True)
    state = "up" if up else "killed" if signal == _SIGKILL else "down"
    slots = tuple(running.get(slot) for slot in range(n))
    return Post(name, state, slots, tuple(prefetched), tuple(held))


def _orphans(run: Run, fold: Fold, at_s: float) -> tuple[Orphan, ...]:
    since = {(a.task, a.worker, a.tag): a.delivered_s for a in fold.attempts}
    timeout, now = run.scenario.broker.visibility_timeout_s, fold.scenario_time(at_s)
    return tuple(
        Orphan(
            journey.task,
            worker,
            timeout - now + fold.scenario_time(since.get((journey.task, worker, tag), at_s)),
        )
        for journey in fold.journeys.values()
        for tag, worker in journey.unacked.items()
        if not fold.owns(worker, tag)
    )


def _outcomes(journeys: list[Journey]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {
        "done": [], "ran twice": [], "failed": [], "expired": [], "lost": []
    }  # fmt: skip
    for journey in journeys:
        if journey.n_succeeded:
            found["done"].append(journey.task)
            if journey.n_succeeded > 1:
                found["ran twice"].append(journey.task)
        elif journey.n_failed:
            found["failed"].append(journey.task)
        elif journey.n_revoked:
            found["expired"].append(journey.task)
        elif journey.gone:
            found["lost"].append(journey.task)
    return {name: tuple(tasks) for name, tasks in found.items()}
