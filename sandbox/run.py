"""Run: the ordered events of one execution, from either engine, and what is derived from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from sandbox.collector import collector_paused
from sandbox.errors import RunError, ScenarioError, one_of, shown
from sandbox.fold import Fold
from sandbox.ledger import FILE as LEDGER
from sandbox.ledger import Ledger, MakeLedger
from sandbox.left import Left, left_of
from sandbox.parts import NonNegative, read_json, read_text
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
_MOST_HEAD_BYTES = 100_000_000
_MOST_EVENTS_BYTES = 4_000_000_000

KINDS = {
    "sent": "a client, or a worker that retries, is about to publish the task",
    "published": "the broker has taken the message",
    "publish_unknown": "the publish call failed; the message may or may not be in the broker",
    "delivered": "a worker has taken the message from its queue and noted it in `unacked`",
    "received": "the worker's consumer has read the message",
    "revoked": "the worker dropped the message because it had expired",
    "eta_held": "held in the worker's memory until its time",
    "eta_released": "its time has come",
    "rate_held": "held in the worker's memory by the rate limit",
    "rate_released": "the rate limit let it through",
    "started": "a child process has begun the task's body",
    "succeeded": "the task's body has returned",
    "failed": "the task is finished without success, for good",
    "retried": "the attempt failed and a retry has been published",
    "child_lost": "the main process noticed that the child running the task died",
    "acked": "the message was acknowledged: it is gone from `unacked`",
    "requeued": "rejected by its worker: moved from `unacked` to the back of its queue",
    "restored": "moved from `unacked` to the front of its queue, by a sweep or a shutdown",
    "rejected": "rejected without requeue: gone",
    "sweep": "a client looked for messages older than its visibility timeout",
    "worker_ready": "a worker can take tasks",
    "disconnected": "a worker lost its connection and forgot what none of its processes runs",
    "broker_stopped": "the broker was killed; what it does not keep is gone",
    "broker_flushed": "everything in the broker was deleted; its clients noticed nothing",
    "scaled": "the autoscaler has given a worker another number of processes",
    "worker_exited": "the main process of a worker has ended",
    "control": "a verb of the controls was carried out",
    "skipped": "messages in `unacked` were aged",
    "requested": "a visitor has asked the front door",
    "accepted": "the front door has published the visitor's task and answered 202",
    "polled": "a visitor asks the front door for its task's result",
    "answered": "a visitor has its answer, is refused, or has given up (detail: outcome)",
    "chord_failed": "a header task has failed: the body is FAILURE and is never published",
    "called": "a task has called a dependency, which serves it now or has it wait",
    "call_started": "a dependency has begun to serve a call",
    "call_ended": "a call is served, refused, left by its caller, or served to nobody (abandoned)",
    "dependency_down": "a dependency serves nothing from now on",
    "dependency_up": "a dependency serves again",
    "sample": "lengths of the broker's lists at this moment",
    "dump": "what the broker still held at the end",
    "ended": "the run is over",
}


class Event(NamedTuple):
    """One thing that happened. ``t_s``: seconds after all workers were ready.

    ``task`` is ``"<type>/<number>"``; ``slot`` counts a worker's processes from 0; ``tag`` is
    the delivery tag, which survives a redelivery; ``retry`` counts Celery's retries from 0.

    >>> Event(0.25, "started", "resize/7", worker="worker1", slot=0).task
    'resize/7'
    """

    t_s: float
    kind: str
    task: str | None = None
    worker: str | None = None
    slot: int | None = None
    queue: str | None = None
    tag: str | None = None
    retry: int | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    """The events of one execution of ``scenario`` and where they come from.

    ``record`` holds the events; the model's makes them only when they are first read.
    ``info`` holds engine, broker, versions and why the run ended: ``drained`` (every task
    was finished), ``deadline`` or ``stopped``. ``written``: the ledger that the tasks' bodies
    wrote, or what makes it of the events when it is first read; None when none was kept.
    """

    scenario: Scenario
    record: Iterable[Event]
    info: dict[str, Any] = field(default_factory=dict)
    written: Ledger | MakeLedger | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Name the run by what does not change from one machine to the next."""
        return f"<Run of {self.scenario.name!r} on {self.info.get('engine', '?')}>"

    @property
    def ended(self) -> str:
        """Why the run ended: drained, deadline or stopped."""
        return str(self.info.get("ended", "stopped"))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Every event, in order."""
        with collector_paused():
            events = tuple(self.record)
        self.__dict__["record"] = events  # What they were made of is not needed any more.
        return events

    @cached_property
    def fold(self) -> Fold:
        """The state after the last event: where every message is, what became of each task."""
        with collector_paused():
            return Fold().feed(self.events)

    @cached_property
    def ledger(self) -> Ledger | None:
        """The effects that the tasks' bodies have applied; None when no ledger was kept."""
        return self.written(self.events) if callable(self.written) else self.written

    @cached_property
    def left(self) -> tuple[Left, ...] | None:
        """What the broker still held, by its last dump; None when there is no dump."""
        return left_of(self.events, self.fold)

    @cached_property
    def attempts(self) -> pd.DataFrame:
        """One row a delivery of a task to a worker, unfinished ones included; times in s."""
        import pandas as pd

        rows = [attempt.row() for attempt in self.fold.attempts]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)

    def of_kind(self, *kinds: str) -> list[Event]:
        """Return the events of these kinds, in order."""
        return [event for event in self.events if event.kind in kinds]

    def with_events(self, events: Iterable[Event]) -> Run:
        """Return the same run with other events."""
        return replace(self, record=tuple(events))

    def save(self, folder: str | Path) -> Path:
        """Write the run into ``folder`` and return it.

        ``run.json`` and ``events.jsonl`` are the run, ``ledger.sqlite`` is its ledger, if one
        was kept. ``broker.json`` shows what the broker still held, as the dump among the events
        has it, and is not read again.
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        head = {
            "format_version": FORMAT_VERSION,
            "info": self.info,
            "scenario": self.scenario.model_dump(mode="json"),
        }
        # Each under its name when it is whole: who is killed meanwhile leaves no torn file.
        with (path / "events.part").open("w", encoding="utf-8") as file:
            for event in self.events:
                known = {k: v for k, v in event._asdict().items() if v is not None}
                file.write(json.dumps(known, separators=(",", ":")) + "\n")
        (path / "events.part").replace(path / "events.jsonl")
        if self.ledger is not None:
            self.ledger.save(path / LEDGER)
        if self.left is not None:
            held = json.dumps([asdict(left) for left in self.left], indent=1)
            (path / "broker.json").write_text(held + "\n", encoding="utf-8")
        (path / "run.part").write_text(json.dumps(head, indent=1), encoding="utf-8")
        (path / "run.part").replace(path / "run.json")
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read a run that ``save`` wrote; raises RunError with the file and line at fault."""
        path, reading = Path(folder), "run.json"
        try:
            head = read_json(read_text(path / reading, most_bytes=_MOST_HEAD_BYTES))
            reading = "events.jsonl"
            lines = read_text(path / reading, most_bytes=_MOST_EVENTS_BYTES).splitlines()
        except ValueError as exc:
            raise RunError(f"{path} is not a stored run: {reading}: {exc}") from None
        if not isinstance(head, dict) or head.get("format_version") != FORMAT_VERSION:
            raise RunError(f"{path / 'run.json'} is not of format_version {FORMAT_VERSION}")
        try:
            scenario = Scenario.from_json(json.dumps(head.get("scenario")))
        except (ScenarioError, RecursionError) as exc:
            raise RunError(f"{path / 'run.json'}: {exc}") from None
        info = head.get("info")
        if not isinstance(info, dict):
            raise RunError(f"{path / 'run.json'}: info is {type(info).__name__}, not an object")
        where = path / "events.jsonl"
        events = tuple(_read_event(line, f"{where}:{i}") for i, line in enumerate(lines, start=1))
        book = path / LEDGER
        written = Ledger.load(book) if book.exists() else None
        return cls(scenario=scenario, record=events, info=info, written=written)


COLUMNS = {
    "task": "str",
    "type": "str",
    "delivery": "int64",
    "execution": "Int64",
    "retry": "Int64",
    "worker": "str",
    "slot": "Int64",
    "queue": "str",
    "tag": "str",
    "sent_s": "float64",
    "delivered_s": "float64",
    "received_s": "float64",
    "started_s": "float64",
    "ended_s": "float64",
    "acked_s": "float64",
    "outcome": "str",
}

_MOST = 2**53
_LONGEST = 300
_DETAIL: dict[tuple[str, str], tuple[TypeAdapter[Any], str]] = {
    ("control", "arguments"): (TypeAdapter(dict[str, Any]), "an object"),
    ("control", "seconds"): (TypeAdapter(NonNegative), "seconds"),
    ("dump", "queues"): (TypeAdapter(dict[str, list[str]]), "lists of tasks by queue"),
    ("dump", "unacked"): (TypeAdapter(list[str]), "a list of tasks"),
    ("dump", "steps"): (TypeAdapter(dict[str, list[int]]), "lists of priority steps by queue"),
    ("dump", "tags"): (TypeAdapter(list[str]), "a list of delivery tags"),
    ("dump", "since_s"): (TypeAdapter(list[float | None]), "a list of times in seconds"),
    ("skipped", "seconds"): (TypeAdapter(NonNegative), "seconds"),
    ("worker_exited", "signal"): (TypeAdapter(int | None), "a number"),
}
"""What is read from the detail of events of a kind; the rest of it may be anything."""

_TYPES: dict[str, tuple[type, ...]] = {
    "t_s": (int, float),
    "kind": (str,),
    "task": (str,),
    "worker": (str,),
    "slot": (int,),
    "queue": (str,),
    "tag": (str,),
    "retry": (int,),
    "detail": (dict,),
}


def _read_event(line: str, where: str) -> Event:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise RunError(f"{where} is not JSON: {exc}") from None
    if not isinstance(data, dict) or not {"t_s", "kind"} <= data.keys():
        raise RunError(f"{where} is not an event: it needs at least t_s and kind")
    for key, value in data.items():
        _check_value(key, value, where)
    if data["kind"] not in KINDS:
        allowed = one_of(data["kind"], KINDS)
        raise RunError(f"{where}: kind is {shown(data['kind'])}; allowed: {allowed}")
    for (kind, name), (adapter, allowed) in _DETAIL.items():
        if data["kind"] == kind and name in data.get("detail", {}):
            try:
                adapter.validate_python(data["detail"][name], strict=True)
            except ValidationError:
                value = shown(data["detail"][name])
                raise RunError(f"{where}: detail.{name} is {value}; allowed: {allowed}") from None
    return Event(**data)


def _check_value(key: str, value: Any, where: str) -> None:
    """Refuse what no engine writes: it becomes a column of a table, or a time on an axis."""
    if key not in _TYPES:
        raise RunError(f"{where} has the unknown key {shown(key)}; allowed: {one_of(key, _TYPES)}")
    kinds: Any = _TYPES[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        types = " or ".join(kind.__name__ for kind in kinds)
        raise RunError(f"{where}: {key} is {shown(value)}; allowed: {types}")
    if key == "t_s":
        if not -_MOST < value < _MOST:
            raise RunError(f"{where}: t_s is {shown(value)}, which is no time")
    elif isinstance(value, int) and not 0 <= value < _MOST:
        raise RunError(f"{where}: {key} is {shown(value)}; allowed: 0 to {_MOST - 1}")
    elif isinstance(value, str) and not (len(value) <= _LONGEST and value.isprintable()):
        raise RunError(
            f"{where}: {key} is {shown(value)}; allowed: one line of up to {_LONGEST} characters"
        )


def broken_laws(run: Run) -> list[str]:
    """Return a sentence for each structural law that a run breaks; none for a sound run.

    Laws: time does not run backwards; a message is sent before it is delivered, delivered
    before it starts, started before it ends; a slot runs one attempt at a time.
    """
    problems = []
    for a, b in pairwise(run.events):
        if b.t_s < a.t_s:
            problems.append(f"{b.kind} at {b.t_s:.6f} s follows {a.kind} at {a.t_s:.6f} s")
    stamps = ("sent_s", "delivered_s", "received_s", "started_s", "ended_s")
    for attempt in run.fold.attempts:
        known = [(s, v) for s in stamps if (v := getattr(attempt, s)) is not None]
        problems += [
            f"{attempt.task}: {b[0]} = {b[1]:.6f} is before {a[0]} = {a[1]:.6f}"
            for a, b in pairwise(known)
            if b[1] < a[1]
        ]
        if attempt.sent_s is None:
            problems.append(f"{attempt.task} was delivered but never sent")
    problems += [
        f"{task} was delivered more often than it was sent or put back"
        for task, journey in run.fold.journeys.items()
        if journey.n_queued < 0
    ]
    return problems + run.fold.problems


def first(events: Sequence[Event], kind: str) -> Event | None:
    """Return the first event of a kind, or None."""
    return next((event for event in events if event.kind == kind), None)
