"""Claims about speed: answers, throughput, scaling, batches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from sandbox.claims import Claim
from sandbox.dependencies import Call, Dependency
from sandbox.draws import Deterministic
from sandbox.loads import Burst, Poisson
from sandbox.scenario import Scenario
from sandbox.systems.conversations import deploy, numbers
from sandbox.systems.conversations.deploy import BATCH, MESSAGE, RESPOND, platform
from sandbox.visits import visits

if TYPE_CHECKING:
    from sandbox.run import Run

_LIMIT_S = 0.1
_BENEFITS = "Performance Benefits"
_WAITS_S = 0.3
_N_TOGETHER = 200


def _at_the_door(
    mode: Literal["sync", "async"], load: Poisson | Burst, service_s: float | None = None
) -> Scenario:
    more = {} if service_s is None else {MESSAGE: {"service": Deterministic(value_s=service_s)}}
    return platform(
        tasks=(MESSAGE,), loads=(), more=more, horizon_s=2.0, deadline_s=12.0,
        front_door=deploy.door(mode, requests=load),
    )  # fmt: skip


def _calm(mode: Literal["sync", "async"]) -> Scenario:
    return _at_the_door(mode, Poisson(task=MESSAGE, rate_per_s=3.0))


def _together(mode: Literal["sync", "async"], n: int, service_s: float | None = None) -> Scenario:
    return _at_the_door(mode, Burst(task=MESSAGE, n=n), service_s)


def _answer_s(run: Run) -> float:
    return numbers.SCALE * visits(run).latency_s(0.95)


def _scaled(n_workers: int, *, provider: bool = False) -> Scenario:
    """Return 16 messages for so many workers; the AI service serves two at once."""
    one: dict[str, object] = {"service": Deterministic(value_s=_WAITS_S)}
    if provider:
        call = Call(dependency="ai", service=Deterministic(value_s=_WAITS_S))
        one = {"service": Deterministic(value_s=0.0), "calls": call}
    return platform(
        commands=[deploy.WORKER] * n_workers, tasks=(MESSAGE,), more={MESSAGE: one},
        loads=[Burst(task=MESSAGE, n=16)], horizon_s=4.0, deadline_s=8.0,
        dependencies=(Dependency(name="ai", capacity=2),) if provider else (),
    )  # fmt: skip


def _batched(n: int, each_s: float) -> Scenario:
    """Return ``n`` single tasks, and later one that does the work of all, one after the other."""
    more = {
        RESPOND: {"service": Deterministic(value_s=each_s)},
        BATCH: {"service": Deterministic(value_s=n * each_s)},
    }
    return platform(
        tasks=(RESPOND, BATCH), more=more, horizon_s=3.0, deadline_s=8.0,
        loads=[Burst(task=RESPOND, n=n), Burst(task=BATCH, n=1, at_s=2.0)],
    )  # fmt: skip


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_answers(), *_scaling())


def _answers() -> tuple[Claim, ...]:
    return (
        Claim(
            text="asynchronous processing: < 100 ms for task queuing",
            source=_BENEFITS,
            holds=lambda wait_s: wait_s < _LIMIT_S,
            number=numbers.median_accepted_s,
            shown_by={"": _calm("async")},
            unit="s",
            name="queued",
            verdict="right",
            why="An accepted request costs a row in a table and one LPUSH: a few milliseconds.",
            rows=("1.3 S4-1",),
        ),
        Claim(
            text="immediate API responses instead of 2 to 5 seconds",
            source="Summary",
            holds=lambda wait_s: wait_s < _LIMIT_S,
            metric=f"p50_answer_s.{MESSAGE}",
            shown_by={"": _calm("async")},
            name="answered",
            verdict="wrong",
            why="What comes at once is a task id; the AI's answer takes as long as before, and "
            "then until the next poll.",
        ),
        Claim(
            text="synchronous processing: 2 to 5 seconds for complex operations",
            source=_BENEFITS,
            holds=lambda wait_s: wait_s <= 5.3,  # the network and the answer beside the work
            number=_answer_s,
            shown_by={"one visitor": _together("sync", 1), "8 at once": _together("sync", 8)},
            unit="s, × 10",
            name="synchronous",
            verdict="depends",
            why="That is one request's own work; behind one web worker the eighth of those who "
            "come at once waits for seven others.",
        ),
        Claim(
            text="API responsiveness is maintained during high-load scenarios",
            source=_BENEFITS,
            holds=lambda wait_s: wait_s < _LIMIT_S,
            number=numbers.median_accepted_s,
            shown_by={
                "3 a second": _calm("async"),
                f"{_N_TOGETHER} at once": _together("async", _N_TOGETHER, 0.005),
            },
            unit="s",
            name="high-load",
            verdict="depends",
            why="One uvicorn process accepts one request after the other, and polls stand in the "
            "same line; a queue behind the door does not shorten the one before it.",
        ),
    )


def _scaling() -> tuple[Claim, ...]:
    return (
        Claim(
            text="horizontal scaling: multiple Celery workers across servers",
            source="Scalability Features",
            holds=lambda share: share > 0.6,
            number=partial(numbers.gain, service_s=_WAITS_S),
            shown_by={
                "1 worker": _scaled(1),
                "2 workers": _scaled(2),
                "2 workers, an AI service for 2": _scaled(2, provider=True),
            },
            unit="of what all processes could do",
            name="horizontal",
            verdict="depends",
            why="Workers that wait multiply until what they call serves no more at once.",
        ),
        Claim(
            text="auto-scaling: dynamic worker scaling based on queue depth",
            source="Next Steps 2",
            holds=lambda processes: processes >= 2,
            number=numbers.most_processes,
            shown_by={
                "--autoscale=4,1": _autoscaled("--autoscale=4,1"),
                "as written": _autoscaled("--concurrency=1"),
            },
            unit="processes",
            name="autoscale",
            verdict="depends",
            why="--autoscale adds processes to one worker for what it has taken, not for what "
            "waits; the document's command does not have it, and nothing adds workers.",
        ),
        Claim(
            text="batch processing: group similar tasks for efficiency",
            source="Next Steps 5",
            holds=lambda ratio: ratio > 1,
            number=partial(numbers.together_or_apart, batch=BATCH, single=RESPOND),
            shown_by={"100 ms each": _batched(10, 0.1), "0.2 ms each": _batched(150, 0.0002)},
            unit="times as long apart",
            name="batching",
            verdict="depends",
            why="A batch saves Celery's milliseconds a task and gives up the second process.",
        ),
        Claim(
            text="result caching: cache frequently accessed task results",
            source="Next Steps 4",
            name="result-caching",
            verdict="not testable here",
            why="The document says neither what is asked for often nor for how long it is true; a "
            "result is in Redis already, and reading it is one GET.",
        ),
    )


def _autoscaled(size: str) -> Scenario:
    command = deploy.WORKER.replace("--concurrency=2", size)
    return platform(
        commands=[command], tasks=(MESSAGE,), horizon_s=2.0, deadline_s=6.0,
        more={MESSAGE: {"service": Deterministic(value_s=0.4)}}, loads=[Burst(task=MESSAGE, n=10)],
    )  # fmt: skip
