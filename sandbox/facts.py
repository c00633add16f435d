"""Facts: what the metrics share, derived from a run once and cut by its warm-up."""

from __future__ import annotations

import math
from collections import Counter
from functools import cached_property

from sandbox.audit import verdicts
from sandbox.calls import DependencyUse, calls
from sandbox.guarantees import OWN_END
from sandbox.journeys import Attempt
from sandbox.run import Event, Run
from sandbox.scenario import WorkerPool
from sandbox.visits import Visits, visits

_QUEUE = {"sent": 1, "restored": 1, "requeued": 1, "delivered": -1, "publish_unknown": -1}
"""What an event changes in the number of messages that wait in the broker's queues."""


class Facts:
    """What the metric functions read: a run without the tasks first sent in its warm-up."""

    def __init__(self, run: Run) -> None:
        self.run, self.fold = run, run.fold
        self.from_s = run.scenario.warmup_s if run.scenario.kind == "steady" else -math.inf
        self.tasks = {
            task: journey
            for task, journey in self.fold.journeys.items()
            if journey.first_sent_s is None or journey.first_sent_s >= self.from_s
        }
        self.attempts = [attempt for attempt in self.fold.attempts if attempt.task in self.tasks]

    @cached_property
    def verdicts(self) -> Counter[str]:
        """How many tasks got each verdict of the audit."""
        return Counter(v for task, v in verdicts(self.run).items() if task in self.tasks)

    @cached_property
    def executions(self) -> list[Attempt]:
        """The attempts that have begun, in the order of their deliveries."""
        return [attempt for attempt in self.attempts if attempt.started_s is not None]

    @cached_property
    def first_started(self) -> dict[str, float]:
        """When each task was first started (s)."""
        found: dict[str, float] = {}
        for attempt in self.executions:
            at = attempt.started_s or 0.0
            found[attempt.task] = min(at, found.get(attempt.task, at))
        return found

    @cached_property
    def first_sent_s(self) -> float:
        """When the first task was sent (s); nan without one."""
        times = [j.first_sent_s for j in self.tasks.values() if j.first_sent_s is not None]
        return min(times, default=math.nan)

    @cached_property
    def last_end_s(self) -> float:
        """When the last task or execution came to its own end (s); nan without one."""
        times = [j.finished_s for j in self.tasks.values() if j.finished_s is not None]
        times += [a.ended_s for a in self.executions if a.ended_s and a.outcome in OWN_END]
        return max(times, default=math.nan)

    @cached_property
    def waits_s(self) -> list[float]:
        """First sent to first started, of each started task (s)."""
        sent = {task: journey.first_sent_s for task, journey in self.tasks.items()}
        return [
            at - since
            for task, at in self.first_started.items()
            if (since := sent[task]) is not None
        ]

    @cached_property
    def latencies_s(self) -> list[float]:
        """First sent to finished, of each finished task (s)."""
        return [
            journey.finished_s - journey.first_sent_s
            for journey in self.tasks.values()
            if journey.finished_s is not None and journey.first_sent_s is not None
        ]

    @cached_property
    def window_s(self) -> tuple[float, float]:
        """First sent to last end, or to the end of the run where something still runs (s)."""
        end = self.run.events[-1].t_s if self.fold.running else self.last_end_s
        return self.first_sent_s, end

    @cached_property
    def service_s(self) -> list[float]:
        """Started to ended, of each execution that came to its own end (s)."""
        return [
            a.ended_s - a.started_s
            for a in self.executions
            if a.outcome in OWN_END and a.ended_s is not None and a.started_s is not None
        ]

    @cached_property
    def queue_depth(self) -> tuple[float, int]:
        """Messages in the broker's queues: on average over the window, nan without one; most.

        The most of any moment from the end of the warm-up on.
        """
        begin, end = self.window_s
        waiting = most = 0
        area, since = 0.0, begin
        for event in self.run.events:
            change = _QUEUE.get(event.kind, 0)
            if event.kind == "broker_stopped" and not (event.detail or {}).get("keeps", False):
                change = -waiting
            if change:
                now = min(end, max(begin, event.t_s))
                area, since = area + waiting * (now - since), now
                waiting = max(0, waiting + change)
            if event.t_s >= self.from_s:
                most = max(most, waiting)
        area += waiting * (end - since)
        return (area / (end - begin) if end > begin else math.nan), most

    @cached_property
    def dependencies(self) -> dict[str, DependencyUse]:
        """What each dependency has done, from the end of the warm-up on."""
        return calls(self.run, self.from_s)

    @cached_property
    def visits(self) -> Visits:
        """What the visitors saw who came after the warm-up."""
        return visits(self.run, self.from_s)

    # --- slots -----------------------------------------------------------------------

    def busy_s(self, begin: float, end: float, pool: str | None = None) -> float:
        """Return the slot-seconds of executions in [begin, end], the warm-up's included.

        Of one pool's workers, or of all.
        """
        names = {name for one in self._pools(pool) for name in one.worker_names}
        return math.fsum(
            max(0.0, min(end, end if a.ended_s is None else a.ended_s) - max(begin, a.started_s))
            for a in self.fold.attempts
            if a.started_s is not None and (pool is None or a.worker in names)
        )

    def offered_s(self, begin: float, end: float, pool: str | None = None) -> float:
        """Return the slot-seconds of living workers in [begin, end], of one pool or of all."""
        return math.fsum(
            self._up_s(worker, begin, end) * one.concurrency
            for one in self._pools(pool)
            for worker in one.worker_names
        )

    def _pools(self, name: str | None) -> list[WorkerPool]:
        return [one for one in self.run.scenario.workers if name in (None, one.name)]

    def _up_s(self, worker: str, begin: float, end: float) -> float:
        """Return how long a worker was up in [begin, end]; at t = 0 every worker is ready."""
        total, since, up = 0.0, -math.inf, True
        for event in self._lives:
            if event.worker != worker or (event.kind == "worker_ready") == up:
                continue
            if up:
                total += max(0.0, min(end, event.t_s) - max(begin, since))
            up, since = not up, event.t_s
        return total + (max(0.0, end - max(begin, since)) if up else 0.0)

    @cached_property
    def _lives(self) -> list[Event]:
        return self.run.of_kind("worker_ready", "worker_exited")

    # --- recovery --------------------------------------------------------------------

    @cached_property
    def child_recoveries_s(self) -> list[float]:
        """Kill of a child to the next start of the task it was running, where there is one."""
        found, used = [], set[int]()
        for kill in self.run.of_kind("control"):
            attempt = self._killed_by(kill, used)
            if attempt is None:
                continue
            used.add(id(attempt))
            again = self._next_start(attempt.task, kill.t_s)
            if again is not None:
                found.append(again - kill.t_s)
        return found

    def _killed_by(self, control: Event, used: set[int]) -> Attempt | None:
        """Return the execution that a ``kill_child`` ended: it ran then, and was found killed."""
        detail = control.detail or {}
        if detail.get("verb") != "kill_child" or "error" in detail:
            return None
        worker = control.worker or detail.get("worker") or detail.get("arguments", {}).get("worker")
        ran = [
            a
            for a in self.executions
            if a.worker == worker and a.outcome == "killed" and id(a) not in used
            if (a.started_s or 0.0) <= control.t_s <= (a.ended_s or 0.0)
            and detail.get("slot") in {None, a.slot}
        ]
        # Where no slot is told, the kill has hit the child that had been busy longest.
        return min(ran, key=lambda a: a.started_s or 0.0, default=None)

    @cached_property
    def worker_recoveries_s(self) -> list[float]:
        """Death of a worker to the next start of each task it held, in scenario time."""
        scenario_time = self.fold.scenario_time
        return [
            scenario_time(again) - scenario_time(event.t_s)
            for event in self._lives
            if event.kind == "worker_exited" and (event.detail or {}).get("signal")
            for task in self._held_by(event)
            if (again := self._next_start(task, event.t_s)) is not None
        ]

    def _held_by(self, exit_: Event) -> set[str]:
        """Return the tasks that a worker had been given, in this life, and had not finished."""
        earlier = [
            e.t_s
            for e in self._lives
            if e.worker == exit_.worker and e.t_s < exit_.t_s and e.kind == "worker_exited"
        ]
        since = max(earlier, default=-math.inf)
        return {
            a.task
            for a in self.attempts
            if a.worker == exit_.worker and since < a.delivered_s <= exit_.t_s
            if a.ended_s is None or a.ended_s >= exit_.t_s
        }

    def _next_start(self, task: str, after_s: float) -> float | None:
        times = [t for t in self._starts.get(task, ()) if t > after_s]
        return min(times, default=None)

    @cached_property
    def _starts(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for attempt in self.executions:
            found.setdefault(attempt.task, []).append(attempt.started_s or 0.0)
        return found
