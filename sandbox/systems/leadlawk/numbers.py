"""Numbers of a run that are no metric, each asked for by one claim of LeadLawk's document."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from sandbox.run import Run
from sandbox.systems.leadlawk.small import BROWSER, HEALTH


def done_per_minute(run: Run) -> float:
    """Return the tasks done a minute, from the first sent to the last end."""
    from sandbox.metrics import measure

    return 60 * measure(run).value("throughput_per_s")


def success_share(run: Run) -> float:
    """Return the share of the ended tasks that succeeded."""
    journeys = run.fold.journeys.values()
    done = sum(one.n_succeeded > 0 for one in journeys)
    failed = sum(one.n_failed > 0 and not one.n_succeeded for one in journeys)
    return done / (done + failed) if done + failed else 0.0


def longest_latency_s(run: Run) -> float:
    """Return how long the slowest task took (s); one without an end, as long as the run."""
    end = run.events[-1].t_s
    return max(
        (one.finished_s if one.finished_s is not None else end) - one.first_sent_s
        for one in run.fold.journeys.values()
        if one.first_sent_s is not None
    )


def most_at_once(run: Run) -> float:
    """Return the most tasks that were executed at the same time."""
    now = most = 0
    for event in run.of_kind("started", "succeeded", "failed", "retried"):
        now += 1 if event.kind == "started" else -1
        most = max(most, now)
    return float(most)


def most_hoarded(run: Run) -> float:
    """Return the most messages that a worker held beyond its processes."""
    held: Counter[str] = Counter()
    most = 0
    for event in run.of_kind("delivered", "acked", "requeued", "restored"):
        name = event.worker or ""
        held[name] += 1 if event.kind == "delivered" else -1
        pool = run.scenario.pool_of(name)
        most = max(most, held[name] - (pool.concurrency if pool is not None else 0))
    return float(most)


def acked_early(run: Run) -> float:
    """Return how many messages were acknowledged before their task had ended."""
    ended = ("succeeded", "failed", "retried")
    seen: set[str | None] = set()
    early = 0
    for event in run.of_kind(*ended, "acked"):
        if event.kind in ended:
            seen.add(event.task)
        elif event.task not in seen:
            early += 1
    return float(early)


def uncounted(run: Run) -> float:
    """Return how many executions beyond the first of a task were no retry that Celery counts."""
    return float(
        sum(max(0, one.n_executions - 1 - one.n_retried) for one in run.fold.journeys.values())
    )


def executions_of_one(run: Run) -> float:
    """Return the most executions of one task."""
    return float(max(one.n_executions for one in run.fold.journeys.values()))


def overtaken(run: Run) -> float:
    """Return how many other tasks began between the first browser task sent and the last begun."""
    begun = [event.task or "" for event in run.of_kind("started")]
    browser = [i for i, task in enumerate(begun) if task.startswith(BROWSER)]
    # The first that begins is there only to keep the process busy until all the others wait.
    return float(sum(not task.startswith(BROWSER) for task in begun[1 : browser[-1]]))


def first_browser(run: Run) -> float:
    """Return the share of the other tasks that had begun before the first browser task did."""
    begun = [event.task or "" for event in run.of_kind("started")][1:]
    others = [i for i, task in enumerate(begun) if not task.startswith(BROWSER)]
    first = next(i for i, task in enumerate(begun) if task.startswith(BROWSER))
    return sum(i < first for i in others) / len(others)


def _gaps_s(run: Run) -> list[list[float]]:
    """Return, of each task, the times from the end of an attempt to the begin of the next (s)."""
    starts: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    for event in run.of_kind("started", "retried", "failed", "succeeded"):
        (starts if event.kind == "started" else ends).setdefault(event.task or "", []).append(
            event.t_s
        )
    return [
        [start - end for start, end in zip(begun[1:], ends.get(task, ()), strict=False)]
        for task, begun in starts.items()
    ]


def first_delay_s(run: Run) -> float:
    """Return the longest time before a first retry (s); nan when none has begun."""
    return max((gaps[0] for gaps in _gaps_s(run) if gaps), default=math.nan)


def least_growth(run: Run) -> float:
    """Return the smallest ratio of a retry's delay to the one before it; nan without two."""
    ratios = (b / a for gaps in _gaps_s(run) for a, b in pairwise(gaps) if a > 0)
    return min(ratios, default=math.nan)


def oldest_check(run: Run) -> float:
    """Return the age of the oldest health check that began, in its periods."""
    period_s = next(entry.every_s for entry in run.scenario.beat if entry.task == HEALTH)
    began = {event.task: event.t_s for event in reversed(run.of_kind("started"))}
    sent = {event.task: event.t_s for event in reversed(run.of_kind("sent"))}
    ages = [at - sent[task] for task, at in began.items() if (task or "").startswith(HEALTH)]
    return float(max(ages) / period_s)


def workers_back(run: Run) -> float:
    """Return how many workers came back that had exited, in a run in which nobody starts them."""
    exits = [event.t_s for event in run.of_kind("worker_exited")]
    since = min(exits, default=0.0)
    return float(sum(event.t_s > since for event in run.of_kind("worker_ready")))


def away_s(run: Run) -> float:
    """Return how long a killed worker's messages were away (s), with skipped hours; 0: none was."""
    from sandbox.metrics import measure

    away = measure(run).value("worker_recovery_s")
    return 0.0 if math.isnan(away) else away


def stayed_expired_s(run: Run) -> float:
    """Return the longest time that a message was still there after it had expired (s)."""
    sent = {event.task: event.t_s for event in run.of_kind("sent")}
    kept = [0.0]
    for event in run.of_kind("revoked"):
        kind = run.scenario.task((event.task or "").rpartition("/")[0])
        kept.append(event.t_s - sent[event.task] - (kind.expires_s or 0.0))
    return max(kept)


def overhead_share(run: Run) -> float:
    """Return the share of its processes' time that a run spent on something else than work."""
    spans = [
        (one.started_s, one.ended_s)
        for one in run.fold.attempts
        if one.started_s is not None and one.ended_s is not None
    ]
    first_s = min(event.t_s for event in run.of_kind("sent"))
    n_slots = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    drawn_s = sum(
        run.scenario.task(one.task.rpartition("/")[0]).service.mean_s for one in run.fold.attempts
    )
    return 1 - drawn_s / (n_slots * (max(end for _, end in spans) - first_s))


def gained(run: Run) -> float:
    """Return the speed-up over one process, as a share of the number of processes."""
    return 1 - overhead_share(run)
