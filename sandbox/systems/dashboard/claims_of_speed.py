"""Claims on speed and capacity: the front door before and after, the queue, scaling."""

from __future__ import annotations

from typing import Any

from sandbox.claims import Claim
from sandbox.dependencies import Call, Dependency
from sandbox.draws import Deterministic
from sandbox.faults import At
from sandbox.faults.latency import Latency
from sandbox.loads import Burst, Poisson, Trace
from sandbox.scenario import Scenario
from sandbox.systems.dashboard import numbers
from sandbox.systems.dashboard.scenarios import (
    EMAIL,
    EMAIL_S,
    N_WEB,
    ONE,
    PER_S,
    PROCESS,
    REQUEST_S,
    after,
    before,
    door,
    small,
)

_EVENTS = f"{ONE[0].partition(' -c ')[0]} -Q default -c"
_SYNC_PER_S = N_WEB / REQUEST_S
"""What 4 blocked web workers can answer: 53 a second."""
_PACED = Trace(task=PROCESS, at_s=tuple(0.3 * i for i in range(10)))
_P95 = f"p95_answer_s.{PROCESS}"
_PER_S = f"answers_per_s.{PROCESS}"


def _is_instant(ms: float) -> bool | None:
    """Tell whether a publish is below 1 ms; not where another machine would say otherwise."""
    return None if 0.3 < ms < 3 else ms < 1


def _scaled(name: str, processes: int, places: int | None = None) -> Scenario:
    """Return 6 events a process at 0.2 s each, stored over so many database connections."""
    event: dict[str, Any] = {"service": Deterministic(value_s=0.2)}
    beside: dict[str, Any] = {}
    if places is not None:
        call = Call(dependency="postgresql", service=Deterministic(value_s=0.2))
        event = {"service": Deterministic(value_s=0.0), "calls": call}
        beside = {"dependencies": (Dependency(name="postgresql", capacity=places),)}
    burst = Burst(task=PROCESS, n=6 * processes)
    commands = (f"{_EVENTS} {processes}",)
    return small(name, burst, commands=commands, tasks={PROCESS: event}, **beside)


def speed() -> tuple[Claim, ...]:
    """Return the claims, each with small scenarios made for it."""
    return (*_before(), *_after(), *_queue(), *_scaling())


def _before() -> tuple[Claim, ...]:
    full = Burst(task=PROCESS, n=100)
    slow = {
        "100/min": before(Poisson(task=PROCESS, rate_per_s=100 / 60), "100", horizon_s=4.0),
        "500/min": before(Poisson(task=PROCESS, rate_per_s=PER_S), "500", horizon_s=3.0),
    }
    return (
        Claim(
            text="database writes block the API, limiting throughput to ~50 req/sec",
            source="Architecture Flow, Before",
            metric=_PER_S,
            holds=lambda per_s: 30 <= per_s <= 70,
            shown_by={"": before(full, "full")},
            name="sync-capacity",
            verdict="right",
            why="4 web workers that are blocked for 50 to 100 ms answer 40 to 80 a second, and "
            "that is 3000 a minute, six times the goal of 500.",
            rows=("1.3 S1-1",),
        ),
        Claim(
            text="the synchronous API fails at 100 req/min, and so at 500",
            source="Performance Impact, API Response Times",
            metric=_P95,
            holds=lambda answer_s: answer_s > 1,
            shown_by=slow,
            name="sync-fails",
            verdict="wrong",
            why="By its own figures it takes 3000 a minute; nobody is refused, and nearly all "
            "answers take little more than the write.",
            rows=("1.3 S1-1",),
        ),
        Claim(
            text="~50 req/sec is what a synchronous front door of this service time can do",
            source="Architecture Flow, Before",
            metric=_PER_S,
            holds=lambda per_s: 30 <= per_s <= 70,
            shown_by={
                "4 web workers": before(full, "full"),
                "40 threads": before(full, "threads", door={"n_web_workers": 40}),
            },
            name="sync-door",
            verdict="depends",
            why="It is 4 web workers that make it 50; FastAPI's pool of 40 threads would do far "
            "more, so a front door that stands for Flask has exactly the stated number.",
            rows=("1.5-4 S1/S5 sync door",),
        ),
    )


def _after() -> tuple[Claim, ...]:
    paced = after(_PACED, "paced")
    crowd = after(Burst(task=PROCESS, n=200), "crowd", deadline_s=20.0)
    email = Poisson(task=EMAIL, rate_per_s=3.0)
    otp = small("otp", front_door=door(email, "async", app=None))
    return (
        Claim(
            text="the API returns in < 10 ms",
            source="Architecture Flow, After",
            number=numbers.response_ms,
            unit="ms",
            holds=lambda ms: ms < 10,
            shown_by={"one at a time": paced, "200 at once": crowd},
            name="response",
            verdict="depends",
            why="A publish is a few milliseconds, but 4 web workers publish 4 at a time, and who "
            "comes in a crowd waits for those before.",
            rows=("1.3 S1-3",),
        ),
        Claim(
            text="a single event is 10x faster",
            source="Performance Impact, API Response Times",
            number=lambda run: numbers.done_ms(run) / (1000 * REQUEST_S),
            unit="of the synchronous time",
            holds=lambda share: share <= 0.1,
            shown_by={"": paced},
            name="ten-times-faster",
            verdict="wrong",
            why="The answer comes sooner, the event is stored no sooner: the write takes as long "
            "as before, and the way through the queue comes on top.",
        ),
        Claim(
            text="202 Accepted says that the task is queued, not yet complete",
            source="API Response Changes, After",
            number=numbers.accepted_before_done,
            holds=lambda share: share > 0.99,
            shown_by={"": paced},
            name="accepted",
            verdict="right",
            why="Each answer came before its event was stored; what the write finds, a visitor "
            "learns only if it asks again.",
        ),
        Claim(
            text="email sending doesn't block registration/login",
            source="Async Tasks Implemented, 2. send_email_async",
            number=lambda run: numbers.response_ms(run) / (1000 * EMAIL_S),
            unit="of a mail's time",
            holds=lambda share: share < 0.5,
            shown_by={"": otp},
            name="email-blocks",
            verdict="right",
            why="Whoever registers waits for a publish, not for SMTP; the mail itself is no "
            "sooner there.",
        ),
    )


def _queue() -> tuple[Claim, ...]:
    away = Latency(delay_s=0.005, when=At(at_s=0.0))
    published = {
        "Redis on this machine": small("published", _PACED),
        "Redis 5 ms away": small("away", _PACED, faults=(away,)),
    }
    surge = small("surge", Burst(task=PROCESS, n=80), commands=ONE)
    return (
        Claim(
            text="queue to Redis: instant, < 1 ms",
            source="Architecture Flow, After",
            number=numbers.publish_ms,
            unit="ms",
            holds=_is_instant,
            shown_by=published,
            name="publish",
            verdict="wrong",
            why="apply_async builds a message and waits for the broker: about 1 ms on one machine, "
            "by which no verdict is given, and each millisecond of the way comes on top.",
            rows=("1.3 S1-3",),
        ),
        Claim(
            text="queue buffers surge",
            source="Performance Impact, API Response Times",
            number=numbers.share_done,
            unit="of the surge done",
            holds=lambda share: share == 1,
            shown_by={"": surge},
            name="surge",
            verdict="right",
            why="All is taken and done in the end; but nothing pushes back, and the last waits "
            "for as long as all before it take.",
            rows=("1.3 S1-5",),
        ),
        Claim(
            text="500 req/min: 4 processes handle it easily",
            source="Scaling Strategy, Single Server",
            number=lambda run: 60 * numbers.rate_per_s(run),
            unit="events/min",
            holds=lambda per_min: per_min > 2 * 500,
            shown_by={"": surge},
            name="500-a-minute",
            verdict="right",
            why="8.3 events a second of 0.1 s keep 0.83 of 4 processes busy; full, they do 2400 a "
            "minute.",
            rows=("1.3 S1-2",),
        ),
        Claim(
            text="5x capacity",
            source="Performance Impact, API Response Times",
            number=lambda run: numbers.rate_per_s(run) / _SYNC_PER_S,
            unit="of the synchronous capacity",
            holds=lambda times: times >= 5,
            shown_by={"": surge},
            name="five-times",
            verdict="wrong",
            why="4 processes at 100 ms store 40 a second where 4 web workers at 75 ms stored 53: "
            "a queue moves the work, it does not shorten it.",
        ),
        Claim(
            text="batched writes in background",
            source="Performance Impact, Database Writes",
            number=numbers.executions_per_event,
            unit="executions an event",
            holds=lambda n: n < 1,
            shown_by={"": surge},
            name="batched-writes",
            verdict="wrong",
            why="One task is one write of one event: nothing gathers them.",
            rows=("1.3 S1-4",),
        ),
    )


def _scaling() -> tuple[Claim, ...]:
    four, eight = _scaled("four", 4), _scaled("eight", 8)
    return (
        Claim(
            text="linear scaling: add workers independently",
            source="Performance Impact; Scaling Strategy, Multi-Server",
            number=numbers.efficiency,
            unit="of what the processes could do",
            holds=lambda share: share > 0.65,
            shown_by={
                "4 processes": four,
                "8 processes": eight,
                "8 processes, 4 connections to the database": _scaled("pooled", 8, 4),
            },
            name="linear-scaling",
            verdict="depends",
            why="Twice the processes do twice as much until something that they share is full: "
            "with 4 database connections, half of 8 wait.",
            rows=("1.3 S1-5",),
        ),
        Claim(
            text="if the queue is too large, scale up workers: add more worker processes",
            source="Troubleshooting, Queue Backing Up",
            number=lambda run: numbers.rate_per_s(run) * 0.2 / 4,
            unit="times 4 processes",
            holds=lambda times: times > 1.25,
            shown_by={"8 processes": eight},
            name="scale-up",
            verdict="right",
            why="A backlog drains by as much faster as processes are added, while the work waits "
            "for something that has room.",
        ),
    )
