"""The AI analysis' claims on the front door: before and after, statuses, fallback, migration."""

from __future__ import annotations

from functools import cache
from typing import Literal

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems.ai_analysis import numbers, probes, scenarios
from sandbox.systems.ai_analysis.names import LIMIT

_CALL_S = 10.0
"""What a call of the provider takes, and so a synchronous answer, at the longest."""
_TIMEOUT_S = 60.0
"""When browsers and proxies give up, commonly."""
_BLINK_S = 0.5


@cache
def door(mode: Literal["sync", "async"], n_web_workers: int = 10) -> Scenario:
    """Return ten users at a door with so many web workers."""
    return scenarios.door(mode, n_web_workers=n_web_workers)


def claims() -> tuple[Claim, ...]:
    """Return the claims on the front door, in the document's order."""
    return (*_before_and_after(), *_endpoints(), *_fallback())


def _before_and_after() -> tuple[Claim, ...]:
    sync, one, queued = door("sync"), door("sync", 1), door("async")
    return (
        Claim(
            text="If 10 users click at the same time: 10 simultaneous calls, throttling",
            source="Architecture, Current",
            holds=lambda n: n > LIMIT,
            number=numbers.answers_in_a_minute,
            shown_by={"10 web workers": sync, "1 web worker": one},
            unit="calls/min",
            name="ten-at-once",
            verdict="right",
            why="Ten web workers make ten calls in a minute, and even one makes more than five.",
        ),
        Claim(
            text="Browser timeouts: long-running analysis blocks the request",
            source="Why Celery, Problems 2",
            holds=lambda s: s > _TIMEOUT_S,
            number=numbers.last_answer_s,
            shown_by={"10 web workers": sync, "1 web worker": one},
            unit="s",
            name="browser-timeouts",
            verdict="depends",
            why="A call of 10 s times out nowhere; a tenth in line behind one web worker does.",
        ),
        Claim(
            text="All requests try to execute immediately",
            source="Why Celery, Problems 3",
            holds=lambda s: s <= 3 * _CALL_S,
            number=numbers.last_answer_s,
            shown_by={"10 web workers": sync, "1 web worker": one},
            unit="s",
            name="all-immediately",
            verdict="depends",
            why="As many as there are web workers; the others wait in a line at the door.",
        ),
        Claim(
            text="Poor scalability: cannot handle multiple concurrent users (and a queue can)",
            source="Why Celery, Problems 4",
            holds=lambda s: s <= 3 * _CALL_S,
            number=numbers.last_answer_s,
            shown_by={"with the queue": queued},
            unit="s until the tenth user has the feedback",
            name="a-queue-scales",
            verdict="wrong",
            why="The tenth of ten users has the feedback after 10 s without the queue, and after "
            "nearly two minutes with it.",
        ),
        Claim(
            text="Async processing: the browser does not block, returns immediately",
            source="Why Celery, Benefits 3; Frontend Changes",
            holds=lambda s: s <= _BLINK_S,
            number=numbers.accepted_s,
            shown_by={"": queued},
            unit="real s",
            name="returns-immediately",
            verdict="right",
            why="A publish takes milliseconds.",
        ),
        Claim(
            text="Poll every 2 seconds",
            source="API Changes, Frontend polls",
            holds=lambda n: n <= _CALL_S / 2,
            number=numbers.polls_per_answer,
            shown_by={"": queued},
            unit="polls/answer",
            name="polls",
            verdict="wrong",
            why="A call of 10 s is polled for five times; with a minute's wait "
            "thirty requests an answer are the door's load.",
        ),
        Claim(
            text="Phase 1: USE_CELERY=false, no code changes",
            source="Migration Strategy",
            holds=lambda share: share == 1,
            number=numbers.share_told,
            shown_by={"": sync},
            unit="of the users see their feedback",
            name="phase-1",
            verdict="right",
            why="Nothing changes for anybody.",
        ),
        Claim(
            text="Phase 2: USE_CELERY=true, before the frontend is updated",
            source="Migration Strategy",
            holds=lambda share: share == 1,
            number=numbers.share_told,
            shown_by={"": scenarios.door("async", poll_every_s=1000.0, timeout_s=1.0)},
            unit="of the users see their feedback",
            name="phase-2",
            verdict="wrong",
            why="The old frontend takes the 202 for the feedback, and nobody asks for the result: "
            "phase 3 has to come first.",
        ),
        Claim(
            text="Phase 3: task polling; results appear when complete",
            source="Migration Strategy; Testing",
            holds=lambda share: share == 1,
            number=numbers.share_told,
            shown_by={"": queued},
            unit="of the users see their feedback",
            name="phase-3",
            verdict="right",
            why="Who polls sees it.",
        ),
    )


def _endpoints() -> tuple[Claim, ...]:
    return (
        Claim(
            text="GET /task_status/<task_id> returns the task's state",
            source="API Changes, New Endpoints 1",
            holds=lambda status: status == 200,
            reads=probes.status_of_the_view,
            unit="(HTTP status)",
            name="status-view",
            verdict="wrong",
            why="The view has the name of the helper that it calls, and so calls itself for ever.",
            rows=("1.2 #18",),
        ),
        Claim(
            text="PENDING: task waiting in queue",
            source="API Changes, States",
            holds=lambda right: right == 1,
            probe=probes.pending_means_waiting,
            unit="(1: only then)",
            name="pending",
            verdict="wrong",
            why="It is also said of a task that runs and has reported nothing yet, and of any id "
            "that never was.",
        ),
        Claim(
            text="The frontend stops polling on SUCCESS or FAILURE",
            source="Frontend Changes",
            holds=lambda n: n == 0,
            reads=probes.states_that_never_end,
            unit="final states in which it asks for ever",
            name="never-stops",
            verdict="wrong",
            why="A cancelled task is REVOKED for good; an expired or unknown one is PENDING.",
            rows=("1.2 #20",),
        ),
        Claim(
            text="GET /queue_stats: total_pending = active + reserved",
            source="API Changes, New Endpoints 2",
            holds=lambda share: share >= 0.9,
            probe=probes.told_of_the_backlog,
            unit="of the backlog",
            name="queue-stats",
            verdict="wrong",
            why="inspect sees the prefetch window at most, and not what the rate limit holds.",
            rows=("1.2 #24",),
        ),
        Claim(
            text="POST /cancel_task/<task_id>: {'cancelled': True}",
            source="API Changes, New Endpoints 3",
            holds=lambda right: right == 1,
            probe=probes.cancelled_is_true,
            unit="(1: only of what was there)",
            name="cancelled",
            verdict="wrong",
            why="revoke is a broadcast that nobody confirms, and any id becomes REVOKED by it.",
            rows=("1.2 #19",),
        ),
    )


def _fallback() -> tuple[Claim, ...]:
    return (
        Claim(
            text="Code automatically falls back if Redis is unavailable (it refuses connections)",
            source="Migration Strategy, Phase 2",
            holds=lambda s: s <= _CALL_S,
            reads=probes.fallback_when_refused,
            unit="real s until it falls back",
            name="fallback-refused",
            verdict="wrong",
            why="Each request first tries for 19 s to subscribe to results, longer than the whole "
            "call takes, and then gets a RuntimeError where a broker's error is expected.",
            rows=("1.3 S2-7",),
        ),
        Claim(
            text="Code automatically falls back if Redis is unavailable (it does not answer)",
            source="Migration Strategy, Phase 2",
            holds=lambda s: s <= _CALL_S,
            probe=probes.fallback_when_half_open,
            unit="real s until it falls back",
            name="fallback-half-open",
            verdict="wrong",
            why="kombu sets no socket_timeout: the request waits for ever.",
            rows=("1.3 S2-7",),
        ),
        Claim(
            text="Fallback: tasks execute synchronously (same as before)",
            source="Testing, Without Redis",
            holds=lambda n: n > LIMIT,
            number=numbers.answers_in_a_minute,
            shown_by={"": door("sync")},
            unit="calls/min",
            name="fallback-is-before",
            verdict="right",
            why="With all that the queue was for: ten calls at once, and no limit.",
            rows=("1.3 S2-7",),
        ),
    )
