"""Audit: what became of every task, and the events that prove it.

It reads the recorder's events of tasks and workers and the broker's last dump. It never reads
the faults, the ``control`` events or a prediction: so it can contradict all three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from sandbox.errors import one_of
from sandbox.guarantees import Guarantee, at_least_once, at_most_once
from sandbox.journeys import Attempt, Journey
from sandbox.run import Event, Run

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal[
    "done once", "done more than once", "failed", "revoked", "lost", "stuck", "unknown"
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_SHOWN = 10
# The kinds of a task's own events that prove each verdict; its first `sent` always does.
_PROOF: Mapping[Verdict, frozenset[str]] = {
    "done once": frozenset({"succeeded"}),
    "done more than once": frozenset({"started", "succeeded", "restored", "requeued"}),
    "failed": frozenset({"child_lost", "failed"}),
    "revoked": frozenset({"revoked"}),
    "lost": frozenset({"published", "delivered", "started", "child_lost", "acked", "rejected"}),
    "stuck": frozenset(
        {"delivered", "eta_held", "rate_held", "started", "requeued", "restored", "child_lost"}
    ),
    "unknown": frozenset({"publish_unknown"}),
}


@dataclass(frozen=True)
class TaskAudit:
    """The verdict on one task. ``effect_unknown``: an execution of it was killed midway.

    ``where`` says where a message or an execution of it is at the end, or ``gone``.
    """

    task: str
    verdict: Verdict
    where: str
    evidence: tuple[Event, ...]
    effect_unknown: bool = False


@dataclass(frozen=True)
class Audit:
    """The verdict on every task of a run, in the order of their first events."""

    title: str
    tasks: Mapping[str, TaskAudit]
    at_least_once: Guarantee
    at_most_once: Guarantee
    dumped: bool

    def counts(self) -> dict[Verdict, int]:
        """Return how many tasks got each verdict, zeros included."""
        found = Counter(task.verdict for task in self.tasks.values())
        return {verdict: found[verdict] for verdict in VERDICTS}

    def of(self, verdict: str) -> tuple[TaskAudit, ...]:
        """Return the tasks that got a verdict; ValueError for a word that is none."""
        if verdict not in VERDICTS:
            raise ValueError(f"verdict is {verdict!r}; allowed: {one_of(verdict, VERDICTS)}")
        return tuple(task for task in self.tasks.values() if task.verdict == verdict)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a task: verdict, where, effect_unknown, evidence as text."""
        import pandas as pd

        columns = ["verdict", "where", "effect_unknown", "evidence"]
        rows = [
            [t.verdict, t.where, t.effect_unknown, "; ".join(_told(e) for e in t.evidence)]
            for t in self.tasks.values()
        ]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(self.tasks, name="task"))

    def summary(self) -> str:
        """Return the audit as text: counts, the two guarantees, what is not done once."""
        source = "the events and the broker's last dump" if self.dumped else "the events"
        lines = [f"{self.title}: {len(self.tasks)} tasks, judged from {source}"]
        lines += [f"  {verdict:<20} {n:>7}" for verdict, n in self.counts().items() if n]
        lines += [f"  {self.at_least_once}", f"  {self.at_most_once}"]
        odd = [t for t in self.tasks.values() if t.verdict != "done once" or t.effect_unknown]
        for task in odd[:_SHOWN]:
            flag = ", effect of a killed execution unknown" if task.effect_unknown else ""
            lines.append(f"  {task.task}: {task.verdict}{flag}; {task.where}")
            lines.append("    " + "; ".join(_told(event) for event in task.evidence[:_SHOWN]))
        if len(odd) > _SHOWN:
            lines.append(f"  and {len(odd) - _SHOWN} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary()


@dataclass(frozen=True)
class _Dump:
    """What the broker really held at the end; ``later`` are tasks that moved after it."""

    event: Event
    queues: Mapping[str, tuple[str, ...]]
    unacked: frozenset[str]
    later: frozenset[str | None]

    @classmethod
    def of(cls, run: Run) -> _Dump | None:
        at = next((i for i, e in reversed(list(enumerate(run.events))) if e.kind == "dump"), None)
        if at is None:
            return None
        detail = run.events[at].detail or {}
        queues: dict[str, tuple[str, ...]] = {}
        for queue, tasks in detail.get("queues", {}).items():
            for task in tasks:
                queues[task] = (*queues.get(task, ()), queue)
        later = frozenset(event.task for event in run.events[at + 1 :])
        return cls(run.events[at], queues, frozenset(detail.get("unacked", ())), later)

    def rules(self, task: str) -> bool:
        """Whether it has the last word on where a task's messages are."""
        return task not in self.later

    def holds(self, task: str) -> bool:
        return task in self.queues or task in self.unacked


def _present(journey: Journey, dump: _Dump | None) -> bool:
    """Whether something can still happen to a task; `_places` names what."""
    if dump is None or not dump.rules(journey.task):
        return not journey.gone
    return bool(journey.running or journey.held) or dump.holds(journey.task)


def _verdict(journey: Journey, dump: _Dump | None) -> Verdict:
    if journey.n_succeeded:
        return "done once" if journey.n_succeeded == 1 else "done more than once"
    if journey.n_failed:
        return "failed"
    if journey.n_revoked:
        return "revoked"
    if _present(journey, dump):
        return "stuck"
    return "unknown" if journey.publish_unknown and not journey.n_deliveries else "lost"


def _journeys(run: Run, dump: _Dump | None) -> dict[str, Journey]:
    """Return the fold's tasks and those that only the dump knows."""
    known = run.fold.journeys
    found = [*dump.queues, *sorted(dump.unacked)] if dump else []
    return known | {task: Journey(task) for task in found if task not in known}


def verdicts(run: Run) -> dict[str, Verdict]:
    """Return the verdict on each task without the evidence: `audit`, but quick.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> verdicts(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),)))
    {'hi/0': 'stuck'}
    """
    dump = _Dump.of(run)
    return {task: _verdict(journey, dump) for task, journey in _journeys(run, dump).items()}


def audit(run: Run) -> Audit:
    """Return the verdict on every task of ``run``, where it is, and the events that prove it.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> print(audit(Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),))).tasks["hi/0"].where)
    queue celery
    """
    dump = _Dump.of(run)
    record = _Record.of(run)
    journeys = _journeys(run, dump)
    tasks = {task: _audit_task(journey, record, dump) for task, journey in journeys.items()}
    return Audit(
        title=f"audit of {run.scenario.name!r} on {run.info.get('engine', '?')}",
        tasks=tasks,
        at_least_once=at_least_once(tasks, record.attempts),
        at_most_once=at_most_once(tasks, record.attempts),
        dumped=dump is not None,
    )


@dataclass(frozen=True)
class _Record:
    """A run's events and attempts by task, and the exits of its workers."""

    events: Mapping[str, list[Event]]
    attempts: Mapping[str, list[Attempt]]
    exits: tuple[Event, ...]

    @classmethod
    def of(cls, run: Run) -> _Record:
        events: dict[str, list[Event]] = {}
        attempts: dict[str, list[Attempt]] = {}
        for event in run.events:
            # A `control` may name a task; what was ordered proves nothing about what happened.
            if event.task is not None and event.kind != "control":
                events.setdefault(event.task, []).append(event)
        for attempt in run.fold.attempts:
            attempts.setdefault(attempt.task, []).append(attempt)
        return cls(events, attempts, tuple(run.of_kind("worker_exited")))

    def exit_after(self, attempt: Attempt) -> Event | None:
        """Return the exit of the attempt's worker that ended it, or left it without an owner."""
        for event in self.exits:
            if event.worker == attempt.worker and event.t_s >= attempt.delivered_s:
                over = attempt.ended_s is not None and attempt.ended_s < event.t_s
                return None if over else event
        return None

    def attempt(self, task: str, tag: str) -> Attempt | None:
        """Return the newest delivery of a message."""
        found = [a for a in self.attempts.get(task, ()) if a.tag == tag]
        return found[-1] if found else None


def _audit_task(journey: Journey, record: _Record, dump: _Dump | None) -> TaskAudit:
    verdict = _verdict(journey, dump)
    overruled = (
        dump is not None
        and dump.rules(journey.task)
        and (verdict in ("stuck", "lost", "unknown") or dump.holds(journey.task))
    )
    where = "; ".join(_places(journey, record, dump)) or (
        "not known" if verdict == "unknown" else "gone"
    )
    evidence = _evidence(journey.task, verdict, record)
    if overruled and dump is not None:
        evidence = (*evidence, dump.event)
    return TaskAudit(journey.task, verdict, where, evidence, journey.n_killed > 0)


def _places(journey: Journey, record: _Record, dump: _Dump | None) -> list[str]:
    """Name every place where a message or an execution of the task is."""
    task = journey.task
    places = [f"running on {worker} slot {slot}" for worker, slot in sorted(journey.running)]
    for tag, why in journey.held.items():
        attempt = record.attempt(task, tag)
        places.append(f"held for its {why} on {attempt.worker if attempt else '?'}")
    in_dump = dump if dump is not None and dump.rules(task) else None
    if in_dump is not None:
        places += [f"queue {queue}" for queue in in_dump.queues.get(task, ())]
        if task not in in_dump.unacked:
            return places
        if not journey.unacked:
            return [*places, "unacked of an unknown worker"]
    elif journey.n_queued > 0:
        places.append(f"queue {_queue_of(task, record)}")
    owned = [tag for tag in journey.unacked if tag not in journey.held]
    return places + [_unacked(task, tag, journey.unacked[tag], record) for tag in owned]


def _queue_of(task: str, record: _Record) -> str:
    """Return the queue that an event of the task named last."""
    named = [event.queue for event in record.events.get(task, ()) if event.queue]
    return named[-1] if named else "?"


def _unacked(task: str, tag: str, worker: str, record: _Record) -> str:
    attempt = record.attempt(task, tag)
    if attempt is None:
        return f"unacked of {worker}"
    # A worker that came back has forgotten what it held: the message is its dead self's.
    dead = any(e.worker == worker and e.t_s >= attempt.delivered_s for e in record.exits)
    state = "dead" if dead else "alive"
    return f"unacked of {worker} ({state}) since {attempt.delivered_s:.3f} s"


def _evidence(task: str, verdict: Verdict, record: _Record) -> tuple[Event, ...]:
    """Return the few events that prove a verdict, in order."""
    own = record.events.get(task, [])
    proof = [event for event in own if event.kind in _PROOF[verdict]]
    if verdict == "stuck":
        proof = list({event.kind: event for event in proof}.values())
    sent = next((event for event in own if event.kind == "sent"), None)
    if sent is not None:
        proof.insert(0, sent)
    killed = {a.started_s for a in record.attempts.get(task, ()) if a.outcome == "killed"}
    proof += [
        event
        for event in own
        if event not in proof
        and (event.kind == "child_lost" or (event.kind == "started" and event.t_s in killed))
    ]
    exits = [record.exit_after(attempt) for attempt in record.attempts.get(task, ())]
    proof += [event for i, event in enumerate(exits) if event and event not in exits[:i]]
    return tuple(sorted(proof, key=lambda event: event.t_s))


def _told(event: Event) -> str:
    """Write an event as a reader would: ``started at 1.250 s on worker1``."""
    at = f"{event.kind} at {event.t_s:.3f} s"
    return f"{at} on {event.worker}" if event.worker else at
