"""What the claims read from a run: in the document's minutes and seconds, unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sandbox.run import Run
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, HURRY, MINUTE_S

Number = Callable[[Run], float]


def starts_s(run: Run, *kinds: str) -> list[float]:
    """Return when executions of tasks of these types began, in seconds of the run."""
    found = run.of_kind("started")
    return [event.t_s for event in found if (event.task or "").startswith(kinds)]


def per_minute(times_s: Sequence[float]) -> float:
    """Return the mean rate by the minute of what happened at these times; nan for one."""
    gaps = len(times_s) - 1
    return MINUTE_S * gaps / (times_s[-1] - times_s[0]) if gaps > 0 else math.nan


def busiest_minute(times_s: Sequence[float]) -> float:
    """Return the most of what happened within any minute.

    >>> busiest_minute([0.0, 1.0, 1.9, 2.5])
    3.0
    """
    return float(
        max((sum(at <= one < at + MINUTE_S for one in times_s) for at in times_s), default=0)
    )


def analyses_per_minute(run: Run) -> float:
    """How many analyses are begun a minute."""
    return per_minute(starts_s(run, ANALYZE))


def calls_per_minute(run: Run) -> float:
    """How many calls of the provider are begun a minute, for analyses and chats together."""
    return per_minute(starts_s(run, ANALYZE, CHAT))


def most_in_a_minute(run: Run) -> float:
    """How many analyses are begun in the busiest minute."""
    return busiest_minute(starts_s(run, ANALYZE))


def minutes_for_100(run: Run) -> float:
    """When the hundredth of 100 users is served at the run's pace (min)."""
    return 99 / analyses_per_minute(run)


def wait_of(kind: str) -> Number:
    """Return what reads how long the last task of a type waits for its first start (s)."""

    def longest(run: Run) -> float:
        sent = {event.task: event.t_s for event in reversed(run.of_kind("sent"))}
        begun = {event.task: event.t_s for event in reversed(run.of_kind("started"))}
        mine = [begun[key] - sent[key] for key in begun if (key or "").startswith(kind)]
        return HURRY * max(mine, default=math.nan)

    return longest


def share_of_chats_first(run: Run) -> float:
    """Which share of the first half of the executions were chats."""
    begun = [event.task or "" for event in run.of_kind("started")]
    half = begun[: len(begun) // 2]
    return sum(task.startswith(CHAT) for task in half) / len(half) if half else math.nan


def at_once(run: Run) -> float:
    """How many executions were under way together at most."""
    changes = [(event.t_s, 1) for event in run.of_kind("started")]
    changes += [(event.t_s, -1) for event in run.of_kind("succeeded", "failed", "retried")]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return float(most)


def engines(run: Run) -> float:
    """In how many processes of one worker executions began, the most of any worker."""
    places = {(event.worker, event.slot) for event in run.of_kind("started")}
    workers = [worker for worker, _ in places]
    return float(max((workers.count(worker) for worker in workers), default=0))


# --- retries: in real seconds, since Celery's backoff is in whole ones ------------------------


def gaps_s(run: Run) -> list[list[float]]:
    """Return, for each task, the real seconds from each failed attempt to the next start."""
    failed: dict[str | None, float] = {}
    gaps: dict[str | None, list[float]] = {}
    for event in run.events:
        if event.kind == "retried":
            failed[event.task] = event.t_s
        elif event.kind == "started" and event.task in failed:
            gaps.setdefault(event.task, []).append(event.t_s - failed.pop(event.task))
    return list(gaps.values())


def longest_gap_s(run: Run) -> float:
    """Return the longest wait for a retry (real s)."""
    return max((gap for gaps in gaps_s(run) for gap in gaps), default=math.nan)


def trying_s(run: Run) -> float:
    """Return the longest time from a task's first start to its last failure (real s)."""
    begun = {event.task: event.t_s for event in reversed(run.of_kind("started"))}
    ends = [event.t_s - begun[event.task] for event in run.of_kind("failed")]
    return max(ends, default=math.nan)


def share_at_once(run: Run) -> float:
    """Which share of first retries come within half a second, as if there were no wait."""
    first = [gaps[0] for gaps in gaps_s(run)]
    return sum(gap < 0.5 for gap in first) / len(first) if first else math.nan


def growth(run: Run) -> float:
    """By how much the longest third wait exceeds the longest first one (real s)."""
    gaps = [gaps for gaps in gaps_s(run) if len(gaps) > 2]
    return max(g[2] for g in gaps) - max(g[0] for g in gaps) if gaps else math.nan


# --- the front door ---------------------------------------------------------------------------


def answers_in_a_minute(run: Run) -> float:
    """How many visitors are told "done" in the busiest minute, and so how many calls there were."""
    return busiest_minute(sorted(_answered(run, "done").values()))


def share_told(run: Run) -> float:
    """Which share of the visitors see their feedback."""
    asked = run.of_kind("requested")
    return len(_answered(run, "done")) / len(asked) if asked else math.nan


def last_answer_s(run: Run) -> float:
    """How long the last visitor waits for the feedback (s)."""
    asked = {event.task: event.t_s for event in run.of_kind("requested")}
    told = _answered(run, "done")
    return HURRY * max((told[key] - asked[key] for key in told), default=math.nan)


def accepted_s(run: Run) -> float:
    """How long the slowest visitor waits for a task id (real s: a publish is not scaled)."""
    asked = {event.task: event.t_s for event in run.of_kind("requested")}
    taken = [event.t_s - asked[event.task] for event in run.of_kind("accepted")]
    return max(taken, default=math.nan)


def polls_per_answer(run: Run) -> float:
    """How many requests for its state a visitor makes, on average."""
    asked = len(run.of_kind("requested"))
    return len(run.of_kind("polled")) / asked if asked else math.nan


def _answered(run: Run, outcome: str) -> dict[str | None, float]:
    return {
        event.task: event.t_s
        for event in run.of_kind("answered")
        if (event.detail or {}).get("outcome") == outcome
    }


# --- workers ----------------------------------------------------------------------------------


def workers_restarted(run: Run) -> float:
    """How many workers have ended before the run did."""
    return float(len(run.of_kind("worker_exited")))


def times_scaled(run: Run) -> float:
    """How often the number of processes has changed."""
    return float(len(run.of_kind("scaled")))


def share_of_the_last(run: Run) -> float:
    """Which share of the executions the worker with the fewest of them has begun."""
    by_worker = [event.worker for event in run.of_kind("started")]
    names = run.scenario.worker_names
    return min(by_worker.count(name) for name in names) / len(by_worker) if by_worker else math.nan
