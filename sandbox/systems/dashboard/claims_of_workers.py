"""Claims on workers and tasks: crashes, retries, limits, queues of their own, processes."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.draws import Deterministic
from sandbox.faults import At, OnEvent
from sandbox.faults.flush import Flush
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.stop_broker import StopBroker
from sandbox.loads import Burst, Poisson
from sandbox.scenario import Scenario
from sandbox.systems.dashboard import numbers
from sandbox.systems.dashboard.scenarios import (
    BATCH,
    EMAIL,
    ONE,
    PROCESS,
    SERVERS,
    THREE,
    TWO,
    small,
)

_WORKER = ONE[0].partition(" -c ")[0]
_SLOW = {PROCESS: {"service": Deterministic(value_s=0.4)}}
_FOURTH = OnEvent(event="started", nth=4, after_s=0.15, worker="worker1")


def workers() -> tuple[Claim, ...]:
    """Return the claims, each with small scenarios made for it."""
    return (*_crashes(), *_retries(), *_queues(), *_processes())


def _stopped(persistence: str) -> Scenario:
    return small(
        f"stop-{persistence}", Burst(task=PROCESS, n=28), commands=TWO[:1], tasks=_SLOW,
        faults=(StopBroker(when=_FOURTH, down_s=0.3),), broker={"persistence": persistence},
        deadline_s=6.0,
    )  # fmt: skip


def _crashes() -> tuple[Claim, ...]:
    burst = Burst(task=PROCESS, n=24)
    back = (KillWorker(worker="worker1", when=_FOURTH, back_after_s=0.3),
            Skip(seconds=3600.0, when=At(at_s=2.5)))  # fmt: skip
    crash = small("crash", burst, commands=TWO[:1], tasks=_SLOW, faults=back)
    flushed = small(
        "flush", burst, commands=TWO[:1], tasks=_SLOW, faults=(Flush(when=_FOURTH),), deadline_s=4.0
    )
    return (
        Claim(
            text="survives worker crashes: a task that runs",
            source="Components, 2. Redis",
            number=numbers.kept_of_running,
            unit="of those running done",
            holds=lambda share: share > 0,
            shown_by={"": crash},
            name="crash-running",
            verdict="wrong",
            why="Acknowledged before it ran, it is in no list any more: a killed worker takes it "
            "with it.",
            rows=("1.3 S1-6",),
        ),
        Claim(
            text="survives worker crashes: tasks that wait persist",
            source="Components, 2. Redis",
            number=numbers.kept_of_waiting,
            unit="of those waiting done",
            holds=lambda share: share == 1,
            shown_by={"": crash},
            name="crash-waiting",
            verdict="right",
            why="They are still in the queue or in `unacked`; but what the dead worker had "
            "prefetched comes back only after the visibility timeout of an hour.",
            rows=("1.3 S1-6",),
        ),
        Claim(
            text="Redis broker (persists tasks)",
            source="Scaling Strategy, Multi-Server",
            number=numbers.kept_of_queued,
            unit="of those queued done",
            holds=lambda share: share == 1,
            shown_by={"as started": _stopped("none"), "appendonly yes": _stopped("aof")},
            name="persists",
            needs="appendonly",
            verdict="depends",
            why="Redis keeps what its persistence keeps: without an append-only file a restart "
            "empties every queue.",
            rows=("1.3 S1-6",),
        ),
        Claim(
            text="flushdb: clear queue (dangerous!)",
            source="Monitoring, Monitor Redis",
            metric="lost",
            holds=lambda lost: lost > 0,
            shown_by={"": flushed},
            name="flushdb",
            verdict="right",
            why="It is as dangerous as it says: what waits is lost without a trace, and so are the "
            "results and the routes of the exchanges; `celery purge -Q` leaves those alone.",
        ),
    )


def _hung(name: str, limit_s: float | None) -> Scenario:
    """Return a hung event, with the document's limit of 10 minutes scaled to a second."""
    limits = {"soft_time_limit_s": None, "time_limit_s": limit_s}
    hung = {PROCESS: {"service": Deterministic(value_s=2.5)} | limits}
    whole = small(name, Burst(task=PROCESS, n=2), commands=TWO[:1], tasks=hung)
    # The app's own limit is 600 s: this one is Celery's, set on a task of the sandbox's making.
    return whole.but(app=None)


def _retries() -> tuple[Claim, ...]:
    failing = {PROCESS: {"service": Deterministic(value_s=0.05), "p_failure": 0.5}}
    fails = small("fails", Burst(task=PROCESS, n=12), tasks=failing)
    return (
        Claim(
            text="retries failed tasks automatically",
            source="Components, 1. Celery",
            metric="retried",
            holds=lambda retried: retried > 0,
            shown_by={"": fails},
            name="retries",
            verdict="wrong",
            why="No task has autoretry_for or calls self.retry: one exception, and the event is "
            "FAILURE for good.",
            rows=("1.3 S1-7", "1.2 #2"),
        ),
        Claim(
            text="a task that hangs ends at the hard limit (10 minutes, a second here)",
            source="Async Tasks Implemented, 1. process_event_async",
            number=numbers.longest_execution_s,
            unit="s",
            holds=lambda longest_s: longest_s < 2,
            shown_by={
                "as shown, without a namespace": _hung("hung", None),
                "with the namespace": _hung("limited", 1.0),
            },
            name="hard-limit",
            verdict="depends",
            why="The limit works where it is read, on processes; without the namespace it is not "
            "read, and a hung event holds its process for ever.",
            rows=("1.2 #1",),
        ),
    )


def _queues() -> tuple[Claim, ...]:
    heavy = {BATCH: {"service": Deterministic(value_s=1.2)}}
    mixed = (
        Burst(task=BATCH, n=4),
        Poisson(task=PROCESS, rate_per_s=20.0, start_s=0.1, stop_s=0.6),
    )
    low = (Burst(task=PROCESS, n=96), Burst(task=BATCH, n=1, at_s=0.1))
    shared = small(
        "servers", Burst(task=PROCESS, n=60), Poisson(task=EMAIL, rate_per_s=1.0), commands=SERVERS
    )
    return (
        Claim(
            text="heavy aggregation doesn't slow down the events",
            source="Async Tasks Implemented, 3. batch_process_events",
            number=numbers.event_wait_s,
            unit="s",
            holds=lambda wait_s: wait_s < 0.3,
            shown_by={
                "a worker of its own": small("own", *mixed, tasks=heavy),
                "one worker": small("one", *mixed, tasks=heavy, commands=ONE),
            },
            name="aggregation",
            verdict="depends",
            why="A worker of its own keeps it apart; the single server's one worker has all its "
            "processes taken by four aggregations, and events wait behind them.",
        ),
        Claim(
            text="-c 1 -Q batch_processing is a low-priority batch processor",
            source="Configuration, Task Routing",
            number=numbers.batch_waits_longer_s,
            unit="s longer",
            holds=lambda longer_s: longer_s > 0,
            shown_by={"": small("low", *low, tasks=heavy, commands=THREE)},
            name="low-priority",
            verdict="wrong",
            why="A queue with a worker of its own has no priority, low or high: an aggregation "
            "begins at once while events wait for theirs.",
        ),
        Claim(
            text="Celery distributes work across multiple workers, on separate servers",
            source="Components, 1. Celery, 3. Celery Worker",
            number=numbers.lesser_share,
            unit="of all on the worker with fewer",
            holds=lambda share: share > 0.25,
            shown_by={"": shared},
            name="distributes",
            verdict="right",
            why="Both take from the same lists; which of two idle ones is first is left to Redis.",
        ),
    )


def _processes() -> tuple[Claim, ...]:
    burst = Burst(task=PROCESS, n=32)
    bare = small("no-queues", Burst(task=PROCESS, n=8), commands=(f"{_WORKER} -c 2",), deadline_s=4)
    grows = (f"{_WORKER} -Q default --autoscale=8,2",)
    return (
        Claim(
            text="reduce worker count: celery worker -c 2, from 4 to 2",
            source="Troubleshooting, Memory Issues",
            number=numbers.processes_used,
            unit="processes",
            holds=lambda n: n == 2,
            shown_by={
                "": small("two", burst, commands=(f"{_WORKER} -c 2 -Q default",)),
            },
            name="fewer-processes",
            verdict="right",
            why="Two processes need the memory of two, and do the work of two; it is a worker's "
            "concurrency that is reduced, not the number of workers.",
            rows=("1.3 S1-8",),
        ),
        Claim(
            text="celery -A app.tasks worker -c 2, worker -l debug: they take over the work",
            source="Troubleshooting, Tasks Not Processing, Memory Issues",
            number=numbers.share_done,
            unit="of the events done",
            holds=lambda share: share == 1,
            shown_by={"": bare},
            name="no-queues",
            verdict="wrong",
            why="Without -Q such a worker listens to 'celery' alone: restarted so, nobody takes "
            "from default, emails and batch_processing any more.",
        ),
        Claim(
            text="configure worker auto-scaling based on queue depth",
            source="Next Steps, 3. Auto-scaling",
            number=numbers.processes_used,
            unit="processes",
            holds=lambda n: n == 8,
            shown_by={"--autoscale=8,2": small("grows", burst, tasks=_SLOW, commands=grows)},
            name="autoscale",
            verdict="right",
            why="--autoscale adds processes for tasks that the worker has reserved, which is the "
            "depth of the queue as far as it has prefetched; machines it does not add.",
        ),
    )
