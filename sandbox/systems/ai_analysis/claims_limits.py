"""The AI analysis' claims on limits, priorities and retries."""

from __future__ import annotations

from functools import cache

from sandbox.claims import Claim
from sandbox.scenario import Scenario
from sandbox.systems.ai_analysis import numbers
from sandbox.systems.ai_analysis.names import CHAT, LIMIT
from sandbox.systems.ai_analysis.scenarios import (
    WORKER,
    analyses,
    chats,
    consuming,
    described,
)

_PATIENCE_S = 10.0
"""What a user waited for an answer before there was a queue, at the longest."""
_TENTH = 1.1
_ONE = WORKER.replace("=2", "=1")


@cache
def scaled_out(n: int, command: str = WORKER) -> Scenario:
    """Return ``n`` workers and so many users that each has a few."""
    return described(f"workers-{n}", [consuming(command)] * n, loads=(analyses(8 * n),))


@cache
def of_size(n: int) -> Scenario:
    """Return one worker with ``n`` processes and ten users."""
    command = consuming(WORKER.replace("=2", f"={n}"))
    return described(f"processes-{n}", [command], loads=(analyses(10),))


@cache
def without_limits(n: int) -> Scenario:
    """Return one worker with ``n`` processes whose tasks have no rate limits."""
    command = consuming(WORKER.replace("=2", f"={n}"))
    return described(f"no-limits-{n}", [command], app="unlimited", loads=(analyses(20),))


@cache
def chats_behind() -> Scenario:
    """Return one worker with more analyses than it takes ahead, and two chats behind them."""
    return described("chat-behind", [consuming(WORKER)], loads=(analyses(14), chats(2, at_s=0.1)))


@cache
def chat_alone() -> Scenario:
    """Return ten users who ask the chat at once, and nothing else."""
    return described("chat-alone", [consuming(WORKER)], loads=(chats(10),))


@cache
def by_name(queues: str) -> Scenario:
    """Return one process that takes queues in this order, without limits, and both kinds."""
    loads = (analyses(12), chats(12))
    return described("by-name", [consuming(_ONE, queues)], app="unlimited", loads=loads)


@cache
def failing() -> Scenario:
    """Return eight analyses that fail at each attempt, as while the provider refuses all.

    Each has a process of its own, so that a wait for a retry is the backoff's.
    """
    command = consuming(WORKER.replace("=2", "=8"))
    return described("failing", [command], app="unlimited", p_failure=1.0, loads=(analyses(8),))


def _is_limited(rate: float) -> bool:
    return rate <= LIMIT * _TENTH


def claims() -> tuple[Claim, ...]:
    """Return the claims on limits, priorities and retries, in the document's order."""
    return (*_rates(), *_queues(), *_retries())


def _rates() -> tuple[Claim, ...]:
    one, two, many = scaled_out(1), scaled_out(2), scaled_out(4, _ONE)
    return (
        Claim(
            text="Even if 100 users submit requests, Celery will only execute 5/minute",
            source="Configuration, Rate Limits",
            holds=_is_limited,
            number=numbers.analyses_per_minute,
            shown_by={"one worker": one, "two workers": two, "four workers": many},
            unit="analyses/min",
            name="five-a-minute",
            verdict="depends",
            why="The token bucket is each worker's own: n workers make n times the rate.",
            rows=("1.3 S2-1",),
        ),
        Claim(
            text="Celery processes 1-5 at a time: no throttling",
            source="Architecture, New",
            holds=lambda n: n <= LIMIT,
            number=numbers.most_in_a_minute,
            shown_by={"two at a time": without_limits(2), "five at a time": without_limits(5)},
            unit="analyses/min",
            name="few-at-a-time",
            verdict="wrong",
            why="How many run at once bounds no rate: it is the rate limit that does, if anything.",
            rows=("1.3 S2-2",),
        ),
        Claim(
            text="Processes 1 at a time",
            source="Architecture, New, picture",
            holds=lambda n: n <= 1,
            number=numbers.at_once,
            shown_by={"--concurrency=1": without_limits(1), "--concurrency=2": without_limits(2)},
            unit="tasks at once",
            name="one-at-a-time",
            verdict="depends",
            why="As many run at once as there are processes; each of its commands starts 2 or 4.",
        ),
        Claim(
            text="Automatic rate limiting: control max requests per minute",
            source="Why Celery, Benefits 1",
            holds=lambda rate: rate <= 10 * _TENTH,
            number=numbers.calls_per_minute,
            shown_by={"": described("both", [consuming(WORKER, "analysis,chat")],
                                    loads=(analyses(4), chats(8)))},
            unit="calls/min",
            name="one-provider-two-limits",
            verdict="wrong",
            why="A limit is a task type's: 5 analyses and 10 chats are 15 calls of one provider.",
        ),
        Claim(
            text="Handle 100+ concurrent users",
            source="Why Celery, Benefits 4",
            holds=lambda minutes: minutes <= 10,
            number=numbers.minutes_for_100,
            shown_by={"one worker": one, "four workers": many},
            unit="min until the hundredth is served",
            name="hundred-users",
            verdict="depends",
            why="None is lost, but at 5 a minute the hundredth waits 20 minutes; more workers are "
            "quicker because they break the limit.",
            rows=("1.3 S2-5",),
        ),
        Claim(
            text="Request queuing: requests wait in line, no thundering herd",
            source="Why Celery, Benefits 2",
            holds=lambda n: n <= 2,
            number=numbers.at_once,
            shown_by={"": of_size(2)},
            unit="calls at once",
            name="no-herd",
            verdict="right",
            why="Ten users at once are at most as many calls at once as there are processes.",
        ),
        Claim(
            text="--concurrency: 2-4 recommended",
            source="Usage, Worker Options",
            holds=lambda rate: rate > LIMIT * _TENTH,
            number=numbers.analyses_per_minute,
            shown_by={f"--concurrency={n}": of_size(n) for n in (1, 2, 4)},
            unit="analyses/min",
            name="two-to-four",
            verdict="wrong",
            why="Under the limit one process is busy five eighths of the time: more begin no more.",
        ),
        Claim(
            text="Option 2, 50+ users: better scalability",
            source="Recommendation",
            holds=lambda rate: rate > LIMIT * _TENTH,
            number=numbers.analyses_per_minute,
            shown_by={"one worker in a container of its own": of_size(4), "two of them": two},
            unit="analyses/min",
            name="option-2-scales",
            verdict="depends",
            why="A worker of its own is as slow as before, by its limit; two are twice as fast, "
            "and the provider gets twice the limit.",
        ),
    )  # fmt: skip


def _queues() -> tuple[Claim, ...]:
    return (
        Claim(
            text="/chat as a task: better than the synchronous call",
            source="Implementation Checklist, Update Flask Endpoints",
            holds=lambda wait_s: wait_s <= _PATIENCE_S,
            number=numbers.wait_of(CHAT),
            shown_by={"": chat_alone()},
            unit="s",
            name="chat-as-a-task",
            verdict="wrong",
            why="At 10 a minute the tenth of ten users waits 54 s for the answer to begin.",
            rows=("1.5-1 S2 /chat",),
        ),
        Claim(
            text="Can prioritize chat over analysis (both limited, one worker)",
            source="Configuration, Queue Priorities",
            holds=lambda wait_s: wait_s <= _PATIENCE_S,
            number=numbers.wait_of(CHAT),
            shown_by={"": chats_behind()},
            unit="s",
            name="chat-first",
            verdict="wrong",
            why="Held analyses fill the worker's prefetch window: a chat waits for their tokens.",
            rows=("1.3 S2-3",),
        ),
        Claim(
            text="Queue priorities: prioritize chat over analysis, or vice versa",
            source="Configuration, Queue Priorities",
            holds=lambda share: share >= 0.5,
            number=numbers.share_of_chats_first,
            shown_by={"-Q chat,analysis": by_name("chat,analysis")},
            unit="of the first half",
            name="priority-by-queue",
            verdict="wrong",
            why="A worker takes its queues in turn, whatever their names and order: it needs "
            "queue_order_strategy='priority', or a worker for each.",
            rows=("1.2 #12",),
        ),
        Claim(
            text="Load balancing: distribute tasks across multiple workers",
            source="Why Celery, Benefits 7",
            holds=lambda share: share >= 0.25,
            number=numbers.share_of_the_last,
            shown_by={"": scaled_out(2)},
            unit="of the executions",
            name="load-balancing",
            verdict="right",
            why="Workers that are there take messages in turn.",
        ),
        Claim(
            text="Isolation: each worker has own AI engine instance",
            source="Components, Celery Workers",
            holds=lambda n: n == 1,
            number=numbers.engines,
            shown_by={f"--concurrency={n}": without_limits(n) for n in (1, 5)},
            unit="engines/worker",
            name="own-engine",
            verdict="depends",
            why="Each process has its own: a worker of five has five.",
            rows=("1.3 S2-6",),
        ),
    )


def _retries() -> tuple[Claim, ...]:
    down = {"": failing()}
    return (
        Claim(
            text="Retry management: automatic exponential backoff built-in",
            source="Why Celery, Benefits 5",
            holds=lambda longer_s: longer_s > 0.5,
            number=numbers.growth,
            shown_by=down,
            unit="s",
            name="backoff-grows",
            verdict="right",
            why="With autoretry_for and retry_backoff the bounds are 1, 2 and 4 s.",
        ),
        Claim(
            text="Exponential backoff retry: good enough for light load",
            source="Recommendation, For Testing/Development",
            holds=lambda tried_s: tried_s >= 60,
            number=numbers.trying_s,
            shown_by=down,
            unit="s",
            name="backoff-outlasts-a-minute",
            verdict="wrong",
            why="All retries are over within 7 s, and a provider's limit is by the minute.",
            rows=("1.3 S2-4",),
        ),
        Claim(
            text="retry_backoff_max=600: max 10 minutes",
            source="Configuration, Retry",
            holds=lambda gap_s: gap_s >= 60,
            number=numbers.longest_gap_s,
            shown_by=down,
            unit="s",
            name="ten-minutes",
            verdict="wrong",
            why="Three retries end at a bound of 4 s: the one of 600 s is never reached.",
            rows=("1.2 #15",),
        ),
        Claim(
            text="retry_jitter=True: add randomness",
            source="Configuration, Retry",
            holds=lambda share: 0 < share < 1,
            number=numbers.share_at_once,
            shown_by=down,
            unit="of the first retries come at once",
            name="jitter",
            verdict="right",
            why="Each wait is drawn from 0 to its bound, so that half of the first ones are none.",
        ),
        Claim(
            text="max_retries=3: try up to 3 times",
            source="Configuration, Retry",
            holds=lambda n: n == 3,
            metric="attempts_per_task",
            shown_by=down,
            name="three-times",
            verdict="wrong",
            why="Three retries follow the first attempt: it is tried four times.",
        ),
    )
