"""Claims on what becomes of tasks: crashes, acknowledgements, limits and retries."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_child import KillChild
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.poison import Poison
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.faults.terminate_worker import TerminateWorker
from sandbox.loads import BeatEntry, Burst
from sandbox.scenario import AutoRetry, Scenario, SelfRetry
from sandbox.systems.leadlawk import numbers
from sandbox.systems.leadlawk.small import (
    BROWSER,
    DATABASE,
    HEALTH,
    PAGESPEED,
    burst,
    generated,
    lasts,
    small,
)

_BENCHMARKS = "Performance Benchmarks"
_RECOVERY = "8. Failure Handling, Recovery Mechanisms"
_CORE = "2. Celery Configuration, Core Settings"


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_recovery(), *_acks(), *_limits(), *_retries())


def _recovery() -> tuple[Claim, ...]:
    from sandbox.systems.leadlawk import SYSTEM

    crash = {"": SYSTEM.scenario}
    return (
        Claim(
            text="recovery < 30 s after a worker failure (a child process killed)",
            source=f"{_BENCHMARKS}, Recovery time",
            metric="child_recovery_s",
            holds=lambda recovery_s: recovery_s < 30,
            shown_by=crash,
            name="recovery-child",
            verdict="right",
            why="reject_on_worker_lost gives its message back as soon as the child is missed.",
            rows=("1.3 S3-5",),
        ),
        Claim(
            text="recovery < 30 s after a worker failure (the worker killed)",
            source=f"{_BENCHMARKS}, Recovery time",
            metric="worker_recovery_s",
            holds=lambda recovery_s: recovery_s < 30,
            shown_by=crash,
            name="recovery-worker",
            verdict="wrong",
            why="Nobody is left to reject: the message waits for the visibility timeout of 3600 s.",
            rows=("1.3 S3-5",),
        ),
        Claim(
            text="docker-compose restart celery-worker (and all goes on)",
            source="Operational Procedures, Troubleshooting",
            number=numbers.away_s,
            holds=lambda away_s: away_s < 30,
            shown_by={
                "jobs within the grace of 10 s": _restart("restart-quick", 0.5, is_killed=False),
                "jobs that outlast it": _restart("restart", 4.0, is_killed=True),
            },
            unit="s until what it held runs again",
            name="restart",
            verdict="depends",
            why="Docker kills what still runs after 10 s (here 1 s), and a scrape may take an "
            "hour: then it is a killed worker, whose messages wait for 3600 s.",
        ),
        Claim(
            text="health checks every 30 seconds with auto-recovery",
            source=_RECOVERY,
            number=numbers.workers_back,
            holds=lambda back: back >= 1,
            shown_by={"": _unhealthy()},
            unit="workers that came back",
            name="auto-recovery",
            verdict="wrong",
            why="A task cannot start a worker; the checks go on on the one that is left.",
            rows=("1.3 S3-7",),
        ),
    )


def _restart(name: str, seconds: float, *, is_killed: bool) -> Scenario:
    stop = OnEvent(event="started", after_s=0.2)
    kill = (KillWorker(worker="worker1", when=stop.but(after_s=1.2)),) if is_killed else ()
    return burst(
        name, seconds, 2,
        faults=(
            TerminateWorker(worker="worker1", when=stop),
            *kill,
            StartWorker(worker="worker1", when=OnEvent(event="worker_exited", after_s=0.1)),
            Skip(seconds=3600.0, when=OnEvent(event="worker_ready", after_s=0.2)),
        ),
        deadline_s=20.0,
    )  # fmt: skip


def _unhealthy() -> Scenario:
    check = BeatEntry(name="health-check", task=HEALTH, every_s=0.25)
    scenario = small(
        "unhealthy", {HEALTH: lasts(0.02)}, [], n_workers=2,
        faults=(KillWorker(worker="worker2", when=At(at_s=0.6)),),
    )  # fmt: skip
    return scenario.but(beat=(check,))


def _acks() -> tuple[Claim, ...]:
    lost = OnEvent(event="started", after_s=0.1)
    requeued = burst(
        "requeued", 0.3, 3, faults=(KillChild(worker="worker1", when=lost),), deadline_s=15.0
    )
    again = burst(
        "again", 1.5, 1, concurrency=2,
        faults=(Skip(seconds=3600.0, when=OnEvent(event="started", after_s=0.5)),),
    )  # fmt: skip
    return (
        Claim(
            text="task_acks_late=True: acknowledge after completion",
            source=_CORE,
            number=numbers.acked_early,
            holds=lambda early: early == 0,
            shown_by={"": burst("acked", 0.1, 8, concurrency=2)},
            unit="messages acknowledged before",
            name="acks-late",
            verdict="right",
            why="The message stays in unacked until the task has ended.",
        ),
        Claim(
            text="task_reject_on_worker_lost=True: re-queue on worker crash",
            source=_CORE,
            metric="redelivered",
            holds=lambda redelivered: redelivered >= 1,
            shown_by={"": requeued},
            name="requeue",
            verdict="right",
            why="A child's death puts its message back at once; a whole worker's does not.",
            rows=("1.3 S3-6",),
        ),
        Claim(
            text="task re-queuing on worker crash is bounded, as retries are",
            source=_RECOVERY,
            number=numbers.uncounted,
            holds=lambda uncounted: uncounted == 0,
            shown_by={"": _poisoned()},
            unit="executions that no counter saw",
            name="poison",
            verdict="wrong",
            why="Rejecting counts nothing: a task that kills its process comes back for ever; "
            "task_retry_on_worker_lost (5.7) counts.",
            rows=("1.3 S3-6",),
        ),
        Claim(
            text="worker_prefetch_multiplier=1: prevent task hoarding",
            source=_CORE,
            number=numbers.most_hoarded,
            holds=lambda beyond: beyond <= 0,
            shown_by={"": burst("hoarded", 0.2, 12, n_workers=2, concurrency=2)},
            unit="messages beyond a worker's processes",
            name="prefetch",
            verdict="right",
            why="With acks_late a running task keeps its credit; with early ack each process "
            "would have one more.",
            rows=("1.3 S3-8",),
        ),
        Claim(
            text="task_time_limit=3600 and the default visibility timeout: each job runs once",
            source=_CORE,
            metric="ran_twice",
            holds=lambda twice: twice == 0,
            shown_by={"": again},
            name="limit-is-visibility",
            verdict="wrong",
            why="Both are 3600 s: a job that runs as long as it may is given to a second process.",
            rows=("1.2 #30",),
        ),
        Claim(
            text="keep tasks idempotent",
            source="Best Practices, 1. Task Design",
            metric="duplicated",
            holds=lambda duplicated: duplicated >= 1,
            shown_by={"": again},
            name="idempotent",
            verdict="right",
            why="Late acknowledgement is at least once: what is not idempotent is done twice.",
        ),
    )


def _poisoned() -> Scenario:
    poison = lasts(0.05, crash="child", retries=())
    fault = Poison(task=DATABASE, when=At(at_s=0.1))
    return small("poison", {DATABASE: poison}, [], faults=(fault,), horizon_s=1.0, deadline_s=6.5)


def _limits() -> tuple[Claim, ...]:
    hard = generated(
        burst("hard-limit", 3.0, 2, concurrency=2),
        soft_time_limit_s=None, time_limit_s=1.0, retries=(),
    )  # fmt: skip
    soft = generated(
        small("soft-limit", {BROWSER: lasts(3.0)}, [Burst(task=BROWSER, n=1)], deadline_s=10.0),
        soft_time_limit_s=0.5, time_limit_s=None,
        retries=(SelfRetry(max_retries=3, countdown_s=0.1),),
    )  # fmt: skip
    return (
        Claim(
            text="task_time_limit=3600: 1 hour hard limit",
            source=_CORE,
            metric="done",
            holds=lambda done: done == 0,
            shown_by={"jobs of 3 s under a limit of 1 s": hard},
            name="hard-limit",
            verdict="right",
            why="The child is killed and the task is FAILURE; with prefork, and only there.",
        ),
        Claim(
            text="implement proper error handling: except Exception, then self.retry",
            source="4. Task Implementation; Best Practices, 1. Task Design",
            number=numbers.executions_of_one,
            holds=lambda executions: executions <= 1,
            shown_by={"a soft limit that is met": soft},
            unit="executions of a job that takes too long",
            name="soft-limit-retried",
            verdict="wrong",
            why="SoftTimeLimitExceeded is an Exception: what takes too long is begun anew, "
            "and takes too long again.",
        ),
    )


def _retries() -> tuple[Claim, ...]:
    fails = lasts(0.05, p_failure=1.0)
    rated = small("rated", {PAGESPEED: fails}, [Burst(task=PAGESPEED, n=3)], deadline_s=4.0)
    return (
        Claim(
            text="retry_kwargs countdown 60: a minute before the first retry",
            source="4. Task Implementation, Base Task Class",
            number=numbers.first_delay_s,
            holds=lambda delay_s: delay_s >= 54,
            shown_by={"": rated},
            unit="s",
            name="countdown",
            verdict="wrong",
            why="retry_backoff replaces the countdown: the first delay is 0 or 1 s.",
            rows=("1.2 #13",),
        ),
        Claim(
            text="automatic retry: 5 attempts with exponential backoff",
            source=_RECOVERY,
            number=numbers.least_growth,
            holds=lambda ratio: ratio >= 1.8,
            shown_by={"countdowns ÷ 240": _failing("backoff", 1.0, 2)},
            unit="least ratio of a delay to the one before",
            name="exponential",
            verdict="wrong",
            why="Three retries by hand (60, 120, 240 s), then the base class adds two more "
            "after 0 to 8 and 0 to 16 s: sooner, not later.",
            rows=("1.2 #14", "1.3 S3-7"),
        ),
        Claim(
            text="success rate 99.5 % with retry mechanism",
            source=f"{_BENCHMARKS}, Success rate",
            number=numbers.success_share,
            holds=lambda share: share >= 0.995,
            shown_by={
                "3 of 10 attempts fail": _failing("success", 0.3, 40),
                "a site that never answers": _failing("hopeless", 1.0, 4),
            },
            name="success",
            verdict="depends",
            why="Six attempts reach it when one succeeds in 59 % and failures are independent; "
            "a bug or a blocked site fails six times.",
            rows=("1.3 S3-4",),
        ),
    )


def _failing(name: str, p_failure: float, n: int) -> Scenario:
    """Return browser tasks that fail, with the document's two policies in seconds."""
    scenario = small(
        name, {BROWSER: lasts(0.05, p_failure=p_failure)}, [Burst(task=BROWSER, n=n)],
        concurrency=4, deadline_s=12.0,
    )  # fmt: skip
    both = (
        SelfRetry(max_retries=3, countdown_s=0.25, factor=2.0),
        AutoRetry(max_retries=5, backoff_s=1, backoff_max_s=1, jitter=True),
    )
    return generated(scenario, retries=both)
