"""Numbers of a run that the platform's claims are judged by."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean

from sandbox.facts import Facts
from sandbox.run import Run

SCALE = 10.0
"""The document's times as multiples of the scenarios' ones."""


def waits_s(run: Run) -> dict[str, list[float]]:
    """Return how long the started tasks of each type waited, first sent to first started (s)."""
    facts, found = Facts(run), defaultdict(list)
    for key, at in facts.first_started.items():
        since = facts.tasks[key].first_sent_s
        if since is not None:
            found[key.rpartition("/")[0]].append(at - since)
    return found


def wait_against(run: Run, one: str, other: str) -> float:
    """Return the mean wait of one type as a multiple of another's; nan where one has none."""
    waits = waits_s(run)
    if not waits[one] or not waits[other]:
        return math.nan
    return fmean(waits[one]) / fmean(waits[other])


def longest_wait_s(run: Run, task: str) -> float:
    """Return the longest wait of a type (s); nan without any."""
    return max(waits_s(run)[task], default=math.nan)


def accepted_after_s(run: Run) -> list[float]:
    """Return how long each visitor waited until the task was accepted (s), ascending."""
    asked = {event.task: event.t_s for event in run.of_kind("requested")}
    return sorted(e.t_s - asked[e.task] for e in run.of_kind("accepted") if e.task in asked)


def median_accepted_s(run: Run) -> float:
    """Return the median of that (s); nan without any."""
    found = accepted_after_s(run)
    return found[len(found) // 2] if found else math.nan


def share_done(run: Run) -> float:
    """Return how many of the tasks sent have succeeded, as a share."""
    facts = Facts(run)
    done = sum(journey.n_succeeded > 0 for journey in facts.tasks.values())
    return done / len(facts.tasks) if facts.tasks else math.nan


def gain(run: Run, service_s: float) -> float:
    """Return the work done a second as a share of what all processes could do."""
    facts = Facts(run)
    span = facts.last_end_s - facts.first_sent_s
    slots = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    done = sum(journey.n_succeeded > 0 for journey in facts.tasks.values())
    return done * service_s / (slots * span) if span > 0 else math.nan


def bridged_s(run: Run) -> float:
    """Return the longest time from a task's first start to its last one (s)."""
    starts = defaultdict(list)
    for attempt in Facts(run).executions:
        starts[attempt.task].append(attempt.started_s or 0.0)
    return max((max(times) - min(times) for times in starts.values()), default=math.nan)


def in_sight(run: Run) -> float:
    """Return the share of the unfinished tasks that workers have taken, when all were sent."""
    sent = run.of_kind("sent")
    if not sent:
        return math.nan
    at = max(event.t_s for event in sent)
    taken = {e.task for e in run.of_kind("delivered") if e.t_s <= at}
    ended = {e.task for e in run.of_kind("succeeded", "failed") if e.t_s <= at}
    open_still = {event.task for event in sent} - ended
    return len(open_still & taken) / len(open_still)


def most_processes(run: Run) -> float:
    """Return the most processes that the autoscaler has given a worker; 0 if it gave none."""
    found = [(event.detail or {}).get("processes", 0) for event in run.of_kind("scaled")]
    return float(max(found, default=0))


def together_or_apart(run: Run, batch: str, single: str) -> float:
    """Return how many times as long the single tasks took as the one batch of the same work."""
    spans = {}
    for name in (batch, single):
        journeys = [j for task, j in Facts(run).tasks.items() if task.rpartition("/")[0] == name]
        ends = [j.finished_s for j in journeys if j.finished_s is not None]
        begins = [j.first_sent_s for j in journeys if j.first_sent_s is not None]
        if not ends or not begins:
            return math.nan
        spans[name] = max(ends) - min(begins)
    return spans[single] / spans[batch]
