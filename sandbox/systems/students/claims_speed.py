"""Claims on speed: how long a response takes, how long the work, and how much runs at once."""

from __future__ import annotations

import math

from sandbox.claims import Claim
from sandbox.front import FrontDoor
from sandbox.loads import Burst
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems.students.scenarios import BULK, PRODUCTION, WEB_THREADS, small

_SPEED = "Performance Comparison"
_IMPACT = "Performance Impact"


def _at_the_door(mode: str, n: int, bulk_s: float, n_web_workers: int) -> Scenario:
    """Return ``n`` bulk sends at once at a front door."""
    door = FrontDoor.model_validate(
        {
            "requests": Burst(task=BULK, n=n),
            "mode": mode,
            "n_web_workers": n_web_workers,
            "poll_every_s": 0.1,
        }
    )
    return small(f"{mode}-{n}", {BULK: bulk_s}, (), commands=PRODUCTION[:1], front_door=door)


def _to_response(run: Run) -> float:
    """Return the longest time from a request to its first answer, in times of the whole work."""
    return _from_request(run, "accepted", "answered")


def _to_done(run: Run) -> float:
    """Return the longest time from a request until its work was seen done, likewise."""
    return _from_request(run, "answered")


def _from_request(run: Run, *kinds: str) -> float:
    work_s = run.scenario.task(BULK).service.mean_s
    asked = {event.task: event.t_s for event in run.of_kind("requested")}
    first: dict[str | None, float] = {}
    for event in run.of_kind(*kinds):
        first.setdefault(event.task, event.t_s)
    waits = [at - asked[task] for task, at in first.items() if task in asked]
    return max(waits, default=math.nan) / work_s


def _most_at_once(run: Run) -> float:
    """Return the most tasks that were executed at one time."""
    changes = []
    for attempt in run.fold.attempts:
        if attempt.started_s is not None:
            end = attempt.ended_s if attempt.ended_s is not None else math.inf
            changes += [(attempt.started_s, 1), (end, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return float(most)


def claims() -> tuple[Claim, ...]:
    """Return them."""
    sync, queued = _at_the_door("sync", 1, 1.0, WEB_THREADS), _at_the_door("async", 1, 1.0, 1)
    bulk = {BULK: 0.5}
    return (
        Claim(
            "before: 100 phones = 100 seconds",
            _SPEED,
            lambda number: 0.9 < number < 2,
            number=_to_response,
            shown_by={"": sync},
            unit="× 100 messages' time",
            name="before",
            verdict="right",
            why="The request ends when the last message is sent.",
        ),
        Claim(
            "after: queue task and return immediately",
            _SPEED,
            lambda number: number < 0.5,
            number=_to_response,
            shown_by={"": queued},
            unit="× 100 messages' time",
            name="instant-response",
            verdict="right",
            why="The response waits for one publish, not for the work.",
        ),
        Claim(
            "result: 2000x faster",
            f"{_SPEED}; {_IMPACT}",
            lambda number: number <= 1 / 2000,
            number=_to_done,
            shown_by={"before": sync, "after": queued},
            unit="× 100 messages' time until they are sent",
            name="2000x",
            verdict="wrong",
            why="Only the response is faster: one task sends the 100 messages one after the other, "
            "as the endpoint did.",
            rows=("1.3 S5-1",),
        ),
        Claim(
            "workers process tasks in parallel",
            "Architecture",
            lambda number: number >= 2,
            number=_most_at_once,
            shown_by={
                "one bulk of 100": small("one-bulk", bulk, [Burst(task=BULK, n=1)]),
                "four bulk sends": small("four-bulk", bulk, [Burst(task=BULK, n=4)]),
            },
            unit="tasks at once",
            name="parallel",
            verdict="depends",
            why="Tasks run in parallel, the messages within one task do not.",
        ),
        Claim(
            "concurrent operations: unlimited",
            _IMPACT,
            lambda number: number >= 12,
            number=_most_at_once,
            shown_by={"": small("unlimited", {BULK: 0.3}, [Burst(task=BULK, n=12)])},
            unit="tasks at once, of 12 sent",
            name="unlimited",
            verdict="wrong",
            why="No more run at once than the workers that take their queue have processes; the "
            "queue alone is unlimited, and so is what it takes of Redis' memory.",
            rows=("1.3 S5-3",),
        ),
        Claim(
            "before: API response time blocked",
            _IMPACT,
            lambda number: number >= 1.5,
            number=_to_response,
            shown_by={
                "10 bulk sends": _at_the_door("sync", 10, 0.5, WEB_THREADS),
                "60 bulk sends": _at_the_door("sync", 60, 0.5, WEB_THREADS),
            },
            unit="× a bulk's time",
            name="before-blocked",
            verdict="depends",
            why="FastAPI runs plain endpoints in 40 threads: requests block each other from the "
            "41st bulk send on.",
            rows=("1.5-4 S1/S5 sync door",),
        ),
    )
