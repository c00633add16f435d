"""Facts about tasks: their fates, their order, what a worker holds, times that are fixed."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from proof.facts.registry import fact
from sandbox.audit import verdicts
from sandbox.run import Event, Run

_AT_ONCE_S = 0.2
_PAUSE_S = 0.04

# --- which tasks, how often, in which order ------------------------------------------------


@fact()
def fates(run: Run) -> dict[str, list[Any]]:
    """Each task's verdict, and how often it was begun, succeeded, retried, failed, revoked."""
    journeys = run.fold.journeys
    return {
        name: [verdict, j.n_executions, j.n_succeeded, j.n_retried, j.n_failed, j.n_revoked]
        for name, verdict in sorted(verdicts(run).items())
        if (j := journeys[name])
    }


@fact()
def fates_by_type(run: Run) -> dict[str, int]:
    """How many tasks of a type had each fate, where a race picks which tasks they are."""
    count = Counter(
        f"{name.rpartition('/')[0]}: {', '.join(map(str, fate))}"
        for name, fate in fates(run).items()
    )
    return dict(sorted(count.items()))


@fact()
def order(run: Run) -> list[str]:
    """The order in which tasks are begun."""
    return [event.task or "" for event in run.of_kind("started")]


@fact()
def put_back(run: Run) -> dict[str, list[int]]:
    """How often each task's message was restored to the front and requeued to the back."""
    back: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for event in run.of_kind("restored", "requeued"):
        back[event.task or ""][event.kind == "requeued"] += 1
    return dict(sorted(back.items()))


@fact()
def n_put_back(run: Run) -> list[int]:
    """How many messages were restored and requeued, where a race picks which they are."""
    return [len(run.of_kind("restored")), len(run.of_kind("requeued"))]


@fact()
def lost_children(run: Run) -> int:
    """How many executions ended with their child process."""
    return len(run.of_kind("child_lost"))


# --- credit --------------------------------------------------------------------------------


@fact()
def held(run: Run) -> dict[str, int]:
    """The most messages that each worker had in hand, unacknowledged, at once."""
    most: dict[str, int] = {}
    own: dict[str, set[str | None]] = defaultdict(set)
    for event in run.of_kind("delivered", "acked", "requeued", "restored", "rejected"):
        worker = event.worker or ""
        if event.kind == "delivered":
            own[worker].add(event.tag)
            most[worker] = max(most.get(worker, 0), len(own[worker]))
        elif event.kind == "restored":
            for tags in own.values():
                tags.discard(event.tag)
        else:
            own[worker].discard(event.tag)
    return dict(sorted(most.items()))


@fact()
def ahead(run: Run) -> dict[str, int]:
    """How many messages each worker had taken when its first task ended."""
    ends: dict[str, float] = {}
    for event in run.of_kind("succeeded", "failed", "retried"):
        ends.setdefault(event.worker or "", event.t_s)
    taken = Counter(
        event.worker or ""
        for event in run.of_kind("delivered")
        if event.t_s < ends.get(event.worker or "", float("inf"))
    )
    return dict(sorted(taken.items()))


@fact()
def at_once(run: Run) -> int:
    """How many tasks were begun in the first 0.2 s."""
    starts = [event.t_s for event in run.of_kind("started")]
    return sum(t_s < starts[0] + _AT_ONCE_S for t_s in starts)


@fact()
def most_in_system(run: Run) -> int:
    """The most tasks that were sent and not finished at once."""
    under_way = most = 0
    for event in run.of_kind("sent", "succeeded"):
        under_way += 1 if event.kind == "sent" else -1
        most = max(most, under_way)
    return most


# --- times that a setting fixes -----------------------------------------------------------


def _by_task(events: list[Event]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        times[event.task or ""].append(event.t_s)
    return dict(sorted(times.items()))


@fact(tolerance_s=0.25)
def attempts_apart_s(run: Run) -> dict[str, list[float]]:
    """How long after the start of an attempt of a task the next one starts."""
    starts = _by_task(run.of_kind("started"))
    return {name: [b - a for a, b in pairwise(t)] for name, t in starts.items() if len(t) > 1}


@fact(tolerance_s=0.35)
def last_start_s(run: Run) -> float:
    """When the last task is begun."""
    return run.of_kind("started")[-1].t_s


@fact(tolerance_s=0.2)
def starts_s(run: Run) -> dict[str, list[float]]:
    """When each task is begun."""
    return _by_task(run.of_kind("started"))


@fact(tolerance_s=0.15)
def sent_s(run: Run) -> dict[str, list[float]]:
    """When each task is sent, its retries too."""
    return _by_task(run.of_kind("sent"))


@fact(tolerance_s=0.1)
def bodies_s(run: Run) -> dict[str, list[float]]:
    """How long the work of each execution that came to its end took."""
    spans: dict[str, list[float]] = defaultdict(list)
    for attempt in run.fold.attempts:
        if attempt.outcome == "succeeded" and attempt.started_s is not None:
            spans[attempt.task].append((attempt.ended_s or 0.0) - attempt.started_s)
    return {name: sorted(values) for name, values in sorted(spans.items())}


@fact(tolerance_s=0.35)
def restored_after_s(run: Run) -> dict[str, list[float]]:
    """How long after its delivery each restored message is restored."""
    taken: dict[str | None, float] = {}
    waits: dict[str, list[float]] = defaultdict(list)
    for event in run.of_kind("delivered", "restored"):
        if event.kind == "delivered":
            taken[event.tag] = event.t_s
        else:
            waits[event.task or ""].append(event.t_s - taken[event.tag])
    return dict(sorted(waits.items()))


@fact()
def pauses(run: Run) -> list[int]:
    """After which ends of tasks a new child has to be started first."""
    ended, n, found = 0.0, 0, []
    for event in run.of_kind("started", "succeeded"):
        if event.kind == "succeeded":
            ended, n = event.t_s, n + 1
        elif n and event.t_s - ended > _PAUSE_S:
            found.append(n)
    return found


@fact()
def notices(run: Run) -> list[str]:
    """Whether each lost child was noticed at once or at a tick of 5 s; a race on real workers."""
    kills = [e.t_s for e in run.of_kind("control") if (e.detail or {}).get("verb") == "kill_child"]
    lost = [e.t_s for e in run.of_kind("child_lost")]
    return ["at once" if b - a < 0.5 else "tick" for a, b in zip(kills, lost, strict=False)]
