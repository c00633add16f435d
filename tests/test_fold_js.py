"""The fold in the browser says what the fold in Python says, on the same events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.fold import _TASK, _WORKER
from sandbox.run import KINDS, Event, Run
from sandbox.scenario import Scenario
from sandbox.widgets.feed import SILENT, Encoder
from sandbox.widgets.tally import Tally
from sandbox.widgets.topology import topology
from tests.nodes import JS, node

_FIELDS = (
    "n_sent", "n_queued", "n_deliveries", "n_executions", "n_succeeded", "n_failed", "n_retried",
    "n_revoked", "n_killed",
)  # fmt: skip
_TIMES = ("delivered_s", "received_s", "started_s", "ended_s", "acked_s")


def scenario(**changes: Any) -> Scenario:
    """Return two workers with two processes each, and three task types."""
    settings: dict[str, Any] = {
        "name": "folded",
        "tasks": [{"name": "app.slow", "acks_late": True}, {"name": "quick", "queue": "fast"}],
        "queues": ["celery", "fast"],
        "workers": [{"n_workers": 2, "concurrency": 2, "queues": ["celery", "fast"]}],
        "horizon_s": 60.0,
    }
    return Scenario(**(settings | changes))


def rounded(value: float | None) -> float | None:
    """Return a time as a row has it."""
    return None if value is None else round(value, 4)


def said(described: Scenario, events: Sequence[Event]) -> dict[str, Any]:
    """Return what the folds in Python say after these events."""
    tally = Tally(described).feed(events)
    tally.count()
    counts, fold = tally.count(), tally.fold
    journeys = {
        task: [
            *(getattr(j, name) for name in _FIELDS),
            len(j.unacked), len(j.held), len(j.running), len(j.kept), j.in_motion,
            sorted(j.unacked.values()), sorted(worker for worker, _ in j.running), [],
        ]
        for task, j in fold.journeys.items()
    }  # fmt: skip
    for a in fold.attempts:
        times = [rounded(getattr(a, name)) for name in _TIMES]
        journeys[a.task][-1].append([a.worker, a.slot, a.execution, *times, a.outcome])
    expected = {
        "queued": fold.queued, "running": fold.running, "unacked": fold.unacked,
        "orphaned": fold.orphaned, "reserved": fold.reserved, "motion": fold.in_motion,
        "done": counts.done, "ended badly": counts.failed + counts.lost,
        "twice": counts.duplicated, "retried": counts.retried, "redelivered": counts.redelivered,
    }  # fmt: skip
    return {
        "journeys": journeys,
        "counts": expected,
        "up": {name: fold.workers.get(name, True) for name in described.worker_names},
        "problems": len(fold.problems),
    }


def compared(told: dict[str, Any], described: Scenario, events: Sequence[Event]) -> None:
    """Assert that the fold in the browser said the same."""
    expected = said(described, events)
    counts = told["counts"]
    counts["ended badly"] = counts["failed"] + counts["dead"] + counts["lost"]
    assert {name: counts[name] for name in expected["counts"]} == expected["counts"]
    assert told["journeys"] == expected["journeys"]
    assert {k: v not in ("down", "killed") for k, v in told["up"].items()} == expected["up"]
    assert told["problems"] == expected["problems"]
    assert told["broken"] == 0


def both(described: Scenario, events: Sequence[Event], folder: Path, *, every: int) -> None:
    """Compare the two folds after each ``every`` events, backwards, so that it is scrubbed."""
    told_of = topology(described)
    seen = [event for event in events if event.kind not in SILENT]
    prefixes = sorted({*range(0, len(seen), every), len(seen)}, reverse=True)
    rows = Encoder(told_of).rows(seen)
    case = {"topology": told_of, "rows": rows, "prefixes": prefixes}
    (folder / "cases.json").write_text(json.dumps([case]))
    (answers,) = json.loads(node(JS / "states.mjs", folder / "cases.json"))
    for n, told in zip(prefixes, answers, strict=True):
        compared(told, described, seen[:n])


def test_a_worker_s_kill_is_folded_alike(night: Run, tmp_path: Path) -> None:
    """Law: after any number of events both folds know the same of each message and worker."""
    both(night.scenario, night.events, tmp_path, every=60)


def sent(task: str, at: float = 0.0, queue: str = "celery") -> Event:
    """Return a publish."""
    return Event(at, "sent", task, queue=queue, retry=0)


def on(kind: str, task: str, at: float, tag: str, worker: str = "worker1", **more: Any) -> Event:
    """Return an event of a message at a worker."""
    return Event(at, kind, task, worker, tag=tag, **more)


HISTORIES: dict[str, list[Event]] = {
    "a retry that is held": [
        sent("app.slow/0"), on("delivered", "app.slow/0", 0.1, "a"),
        on("received", "app.slow/0", 0.2, "a"), on("started", "app.slow/0", 0.3, "a", slot=1),
        sent("app.slow/0", 0.4), on("retried", "app.slow/0", 0.5, "a", slot=1),
        on("acked", "app.slow/0", 0.6, "a"), on("delivered", "app.slow/0", 0.7, "b"),
        on("received", "app.slow/0", 0.8, "b"),
        on("eta_held", "app.slow/0", 0.9, "b", detail={"eta_s": 9.0}),
        Event(1.0, "disconnected", worker="worker1"),
        Event(1.1, "restored", "app.slow/0", tag="b"),
    ],
    "run twice, since the sweep came too early": [
        sent("app.slow/0"), on("delivered", "app.slow/0", 0.1, "a"),
        on("received", "app.slow/0", 0.2, "a"), on("started", "app.slow/0", 0.3, "a", slot=0),
        Event(5.0, "restored", "app.slow/0", tag="a"),
        on("delivered", "app.slow/0", 5.1, "a", "worker2"),
        on("received", "app.slow/0", 5.2, "a", "worker2"),
        on("started", "app.slow/0", 5.3, "a", "worker2", slot=0),
        on("succeeded", "app.slow/0", 6.0, "a", slot=0), on("acked", "app.slow/0", 6.1, "a"),
        on("succeeded", "app.slow/0", 7.0, "a", "worker2", slot=0),
        on("acked", "app.slow/0", 7.1, "a", "worker2"),
    ],
    "put back while its worker has it still in memory": [
        sent("app.slow/0"), on("delivered", "app.slow/0", 0.1, "a"),
        on("received", "app.slow/0", 0.2, "a"), Event(5.0, "restored", "app.slow/0", tag="a"),
        on("delivered", "app.slow/0", 5.1, "a", "worker2"),
        on("received", "app.slow/0", 5.2, "a", "worker2"),
        on("started", "app.slow/0", 5.3, "a", "worker2", slot=0),
        on("succeeded", "app.slow/0", 6.0, "a", "worker2", slot=0),
        on("acked", "app.slow/0", 6.1, "a", "worker2"),
        on("started", "app.slow/0", 7.0, "a", slot=0),
        on("succeeded", "app.slow/0", 7.5, "a", slot=0), on("acked", "app.slow/0", 7.6, "a"),
    ],
    "lost with its worker, which comes back": [
        sent("quick/0", queue="fast"), on("delivered", "quick/0", 0.1, "a"),
        on("received", "quick/0", 0.2, "a"), on("acked", "quick/0", 0.2, "a"),
        on("started", "quick/0", 0.3, "a", slot=0),
        Event(0.4, "worker_exited", worker="worker1", detail={"signal": 9}),
        Event(1.4, "worker_ready", worker="worker1"), sent("quick/1", 1.5, "fast"),
        on("delivered", "quick/1", 1.6, "b"), on("received", "quick/1", 1.7, "b"),
        on("rejected", "quick/1", 1.8, "b"),
    ],
    "a broker that forgets": [
        sent("app.slow/0"), sent("app.slow/1"), on("delivered", "app.slow/1", 0.1, "a"),
        on("received", "app.slow/1", 0.2, "a"), Event(0.3, "broker_stopped"),
        Event(0.4, "control", detail={"verb": "start_broker"}),
        on("started", "app.slow/1", 0.5, "a", slot=0),
        on("succeeded", "app.slow/1", 0.6, "a", slot=0), on("acked", "app.slow/1", 0.7, "a"),
    ],
    "a child lost, its task failed; expired; unknown": [
        sent("app.slow/0"), on("delivered", "app.slow/0", 0.1, "a"),
        on("received", "app.slow/0", 0.2, "a"), on("started", "app.slow/0", 0.3, "a", slot=0),
        on("child_lost", "app.slow/0", 0.4, "a"), on("failed", "app.slow/0", 0.5, "a"),
        on("acked", "app.slow/0", 0.6, "a"), sent("quick/0", queue="fast", at=0.7),
        on("delivered", "quick/0", 0.8, "b"), on("revoked", "quick/0", 0.9, "b"),
        on("acked", "quick/0", 0.9, "b"), sent("quick/1", queue="fast", at=1.0),
        Event(1.1, "publish_unknown", "quick/1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_small_histories_are_folded_alike(name: str, tmp_path: Path) -> None:
    """Law: the two folds agree after every single event of histories written by hand."""
    both(scenario(), HISTORIES[name], tmp_path, every=1)


def test_node_s_own_tests() -> None:
    """The laws of the fold, the history and the player that need no Python."""
    node("--test", *sorted(JS.glob("*.test.mjs")))


def test_every_kind_is_decided() -> None:
    """Each kind of event is either sent to the browser or known to move nothing there."""
    assert set(KINDS) >= SILENT
    assert not SILENT & (set(_TASK) | set(_WORKER))
