"""Numbers that the dashboard's claims are judged by and that are no metrics: read from a run."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from sandbox.run import Run
from sandbox.systems.dashboard.scenarios import BATCH, PROCESS


def _first(run: Run, kind: str) -> dict[str, float]:
    """Return when an event of this kind first came to each task (s)."""
    found: dict[str, float] = {}
    for event in run.events:
        if event.kind == kind and event.task is not None:
            found.setdefault(event.task, event.t_s)
    return found


def _gaps_ms(run: Run, begin: str, end: str) -> list[float]:
    """Return the times (ms) from one kind of event to another, of tasks that have both."""
    begun, ended = _first(run, begin), _first(run, end)
    return sorted(1000 * (ended[task] - at) for task, at in begun.items() if task in ended)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _at(values: Sequence[float], share: float) -> float:
    return values[int(share * (len(values) - 1))] if values else math.nan


def publish_ms(run: Run) -> float:
    """Return the median time of a publish."""
    return _at(_gaps_ms(run, "sent", "published"), 0.5)


def response_ms(run: Run) -> float:
    """Return the time to a visitor's 202 that a fifth of them does not exceed.

    Not the median: what else runs on the machine would be in it.
    """
    return _at(_gaps_ms(run, "requested", "accepted"), 0.2)


def done_ms(run: Run) -> float:
    """Return the median time from a visitor's request until the work is done."""
    return _at(_gaps_ms(run, "requested", "succeeded"), 0.5)


def accepted_before_done(run: Run) -> float:
    """Return the share of requests that were answered 202 before their work was done."""
    accepted, done = _first(run, "accepted"), _first(run, "succeeded")
    return _share(
        sum(at < done.get(task, math.inf) for task, at in accepted.items()), len(accepted)
    )


def share_done(run: Run) -> float:
    """Return the share of published tasks that succeeded."""
    return _share(len(_first(run, "succeeded")), len(_first(run, "sent")))


def executions_per_event(run: Run) -> float:
    """Return how many executions, each of which writes, an event took."""
    n = sum(event.kind == "started" for event in run.events)
    return _share(n, len(_first(run, "sent")))


def lesser_share(run: Run) -> float:
    """Return the share of the executions of events that the worker with the fewest had."""
    of = Counter({pool: 0 for pool in run.scenario.worker_names if not pool.startswith("batch")})
    for event in run.events:
        if event.kind == "started" and event.worker is not None and event.worker in of:
            of[event.worker] += 1
    return _share(min(of.values()), sum(of.values()))


def kept_of_running(run: Run) -> float:
    """Return the share of tasks under way at a worker's end that succeeded after all."""
    return _kept(run, under_way=True)


def kept_of_waiting(run: Run) -> float:
    """Return the share of tasks that had not begun at a worker's end and that succeeded."""
    return _kept(run, under_way=False)


def kept_of_queued(run: Run) -> float:
    """Return the share of tasks still in the broker's lists at its stop that succeeded."""
    stop_s = min((e.t_s for e in run.events if e.kind == "broker_stopped"), default=math.nan)
    delivered, done = _first(run, "delivered"), _first(run, "succeeded")
    published = _first(run, "published")
    queued = {task for task in published if delivered.get(task, math.inf) > stop_s}
    return _share(len(queued & set(done)), len(queued))


def _kept(run: Run, *, under_way: bool) -> float:
    end_s = min((e.t_s for e in run.events if e.kind == "worker_exited"), default=math.nan)
    started, done = _first(run, "started"), _first(run, "succeeded")
    begun = {task for task, at in started.items() if at < end_s}
    whole = begun if under_way else set(_first(run, "sent")) - begun
    open_then = {task for task in whole if done.get(task, math.inf) > end_s}
    return _share(len(open_then & set(done)), len(open_then))


def event_wait_s(run: Run) -> float:
    """Return the mean wait of events, beside whatever else runs."""
    return _wait_s(run, PROCESS)


def batch_waits_longer_s(run: Run) -> float:
    """Return by how much an aggregation waits longer than an event, on average."""
    return _wait_s(run, BATCH) - _wait_s(run, PROCESS)


def _wait_s(run: Run, kind: str) -> float:
    sent, started = _first(run, "sent"), _first(run, "started")
    waits = [at - sent[task] for task, at in started.items() if task.startswith(f"{kind}/")]
    return statistics.fmean(waits) if waits else math.nan


def longest_execution_s(run: Run) -> float:
    """Return the longest time of an execution, to whatever end."""
    begun: dict[str, float] = {}
    longest = math.nan
    for event in run.events:
        if event.task is None:
            continue
        if event.kind == "started":
            begun[event.task] = event.t_s
        elif event.kind in {"succeeded", "failed"} and event.task in begun:
            longest = max(event.t_s - begun[event.task], 0.0 if math.isnan(longest) else longest)
    return longest


def processes_used(run: Run) -> float:
    """Return how many processes have begun a task."""
    return len({(e.worker, e.slot) for e in run.events if e.kind == "started"})


def efficiency(run: Run) -> float:
    """Return the share of what all processes could do at 0.2 s a task that they did."""
    processes = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    return rate_per_s(run) * 0.2 / processes


def rate_per_s(run: Run) -> float:
    """Return tasks done a second, from the first sent to the last done."""
    sent, done = _first(run, "sent"), _first(run, "succeeded")
    span_s = max(done.values(), default=math.nan) - min(sent.values(), default=math.nan)
    return len(done) / span_s if span_s > 0 else math.nan
