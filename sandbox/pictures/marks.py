"""What both pictures mark: the verbs carried out, the workers' absences, the end of a run."""

from __future__ import annotations

from typing import Any, NamedTuple

from sandbox.run import Event, Run


class Mark(NamedTuple):
    """A verb that was carried out; ``worker`` is None for one that concerns all."""

    t_s: float
    verb: str
    worker: str | None
    text: str


class Absence(NamedTuple):
    """A time without a worker, from its exit to its return or to the end of the run."""

    worker: str
    from_s: float
    to_s: float


def marks(run: Run) -> list[Mark]:
    """Return the verbs that were carried out, in order; ``submit`` shows by itself."""
    found = [_mark(event) for event in run.of_kind("control")]
    return [mark for mark in found if mark is not None]


def _mark(event: Event) -> Mark | None:
    detail: dict[str, Any] = event.detail or {}
    verb = str(detail.get("verb", ""))
    if verb in {"", "submit", "dump"} or "error" in detail:
        return None
    arguments = {**detail, **detail.get("arguments", {})}
    worker = event.worker or arguments.get("worker")
    return Mark(event.t_s, verb, worker, _text(verb, worker, arguments))


def _text(verb: str, worker: str | None, arguments: dict[str, Any]) -> str:
    if verb == "skip":
        return f"skip {arguments.get('seconds', 0):g} s"
    if verb == "rate_limit":
        return f"rate limit {arguments.get('rate') or 'lifted'}"
    return f"{verb.replace('_', ' ')} {worker or ''}".strip()


def absences(run: Run) -> list[Absence]:
    """Return when each worker was away."""
    found: list[Absence] = []
    since: dict[str, float] = {}
    for event in run.of_kind("worker_exited", "worker_ready"):
        worker = event.worker or ""
        if event.kind == "worker_exited":
            since.setdefault(worker, event.t_s)
        elif worker in since:
            found.append(Absence(worker, since.pop(worker), event.t_s))
    last = end_s(run)
    return found + [Absence(worker, at, last) for worker, at in since.items() if at < last]


def end_s(run: Run) -> float:
    """Return the time of the last event (s); 1.0 for a run without events."""
    return max((event.t_s for event in run.events), default=1.0) or 1.0
