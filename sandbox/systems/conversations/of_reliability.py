"""Claims about reliability: retries, limits, crashes, dead letters, tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.claims import Claim
from sandbox.draws import Deterministic
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_child import KillChild
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.faults.start_worker import StartWorker
from sandbox.faults.stop_broker import StopBroker
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems.conversations import numbers, probes
from sandbox.systems.conversations.deploy import MESSAGE, NOTIFY, platform

if TYPE_CHECKING:
    from sandbox.run import Run

_ERRORS = "Error Handling, Retry Mechanisms"
_RELIABLE = "Summary, Reliable Processing"


def failing(app: str, p_failure: float = 1.0, n: int = 3) -> Scenario:
    """Return messages whose processing fails as drawn."""
    one = {"service": Deterministic(value_s=0.05), "p_failure": p_failure}
    return platform(
        app, tasks=(MESSAGE,), more={MESSAGE: one}, loads=[Burst(task=MESSAGE, n=n)],
        horizon_s=2.0, deadline_s=20.0, seed=9,
    )  # fmt: skip


def too_long(app: str) -> Scenario:
    """Return a message that takes three times a time limit that is scaled down."""
    one = {"service": Deterministic(value_s=3.0)}
    return platform(
        app, tasks=(MESSAGE,), more={MESSAGE: one}, loads=[Burst(task=MESSAGE, n=1)],
        horizon_s=2.0, deadline_s=5.0,
    )  # fmt: skip


def _broken(n: int, faults: tuple[Any, ...], **fields: Any) -> Scenario:
    one = {"service": Deterministic(value_s=0.4)}
    return platform(
        tasks=(MESSAGE,), more={MESSAGE: one}, loads=[Burst(task=MESSAGE, n=n)], faults=faults,
        **{"horizon_s": 3.5, "deadline_s": 4.5} | fields,
    )  # fmt: skip


def _worker_killed() -> Scenario:
    begun = OnEvent(event="started", nth=2, after_s=0.1, worker="worker1")
    back = OnEvent(event="worker_exited", after_s=0.2, worker="worker1")
    return _broken(4, (
        KillWorker(worker="worker1", when=begun), StartWorker(worker="worker1", when=back),
        Skip(seconds=3600.0, when=At(at_s=2.5)),
    ))  # fmt: skip


def _child_killed() -> Scenario:
    begun = OnEvent(event="started", nth=2, after_s=0.1, worker="worker1")
    return _broken(2, (KillChild(worker="worker1", when=begun),), deadline_s=8.0)


def _broker_killed() -> Scenario:
    return _broken(30, (StopBroker(down_s=0.3, when=At(at_s=0.5)),), horizon_s=2.0)


def unrouted(app: str = "written") -> Scenario:
    """Return the document's next step: a task for which it states no route."""
    return platform(
        app, tasks=(NOTIFY,), loads=[Burst(task=NOTIFY, n=3)], horizon_s=1.0, deadline_s=2.0
    )


def _attempts(run: Run) -> float:
    from sandbox.metrics import measure

    return measure(run).value("attempts_per_task")


def claims() -> tuple[Claim, ...]:
    """Return them in the document's order."""
    return (*_retries(), *_crashes(), *_tests())


def _retries() -> tuple[Claim, ...]:
    return (
        Claim(
            text="retry policy: 3 retries",
            source="Celery Configuration",
            holds=lambda attempts: attempts == 4,
            metric="attempts_per_task",
            shown_by={
                "as written": failing("written"),
                "with autoretry_for": failing("mended"),
            },
            name="retries",
            verdict="depends",
            why="Constants in a module retry nothing; Celery retries what a task says, by "
            "autoretry_for or self.retry.",
            rows=("1.3 S4-3",),
        ),
        Claim(
            text="automatic retries: 3 attempts",
            source=_ERRORS,
            holds=lambda attempts: attempts == 3,
            number=_attempts,
            shown_by={"": failing("mended")},
            unit="executions",
            name="attempts",
            verdict="wrong",
            why="max_retries = 3 is four attempts: the first one is no retry.",
        ),
        Claim(
            text="exponential backoff, with a retry delay of 60 s",
            source="Task Configuration",
            holds=lambda bridged_s: bridged_s >= 60,
            number=numbers.bridged_s,
            shown_by={"": failing("mended")},
            unit="s from the first attempt to the last",
            name="backoff",
            verdict="wrong",
            why="With retry_backoff the delay is not read: three retries wait at most 1 + 2 + 4 s, "
            "with jitter half of that, so no outage of a minute is outlived.",
            rows=("1.3 S4-3",),
        ),
        Claim(
            text="reliable processing: error handling with intelligent retries",
            source=_RELIABLE,
            holds=lambda share: share > 0.9,
            number=numbers.share_done,
            shown_by={
                "one attempt in four fails": failing("mended", 0.25, 8),
                "every attempt fails": failing("mended"),
                "as written, one in four fails": failing("written", 0.25, 8),
            },
            unit="of the tasks done",
            name="intelligent",
            verdict="depends",
            why="Retries mend what passes by itself; what is wrong for good fails four times.",
        ),
        Claim(
            text="error classification: retry eligible against permanent failures",
            source=_ERRORS,
            holds=lambda kinds: kinds > 0,
            reads=lambda: _kinds("written"),
            unit="kinds of errors told apart",
            name="classification",
            verdict="wrong",
            why="Celery retries what is named in autoretry_for; as written nothing is named.",
        ),
        Claim(
            text="dead letter queue: failed tasks for manual review",
            source=_ERRORS,
            holds=lambda share: share == 1,
            probe=probes.letters_of("written"),
            unit="letters a failed task",
            name="dead-letters",
            verdict="wrong",
            why="Redis has no dead-letter exchange and Celery no setting for one: a failed task is "
            "acknowledged, and only its result says that it was.",
        ),
    )


def _kinds(name: str) -> float:
    from sandbox.systems.conversations import app

    task = getattr(app, name).tasks[MESSAGE]
    told = (*getattr(task, "autoretry_for", ()), *getattr(task, "dont_autoretry_for", ()))
    return float(len(told))


def _crashes() -> tuple[Claim, ...]:
    at_once: Callable[[float], bool] = lambda lost: lost == 0  # noqa: E731 - one law, three claims
    return (
        Claim(
            text="reliable processing (the worker is killed)",
            source=_RELIABLE,
            holds=at_once,
            metric="lost",
            shown_by={"": _worker_killed()},
            name="worker-killed",
            verdict="wrong",
            why="Early acknowledgement: what ran is gone, and what was taken ahead comes back "
            "after the visibility timeout of an hour.",
        ),
        Claim(
            text="reliable processing (a process is killed)",
            source=_RELIABLE,
            holds=lambda share: share == 1,
            number=numbers.share_done,
            shown_by={"": _child_killed()},
            unit="of the tasks done",
            name="child-killed",
            verdict="wrong",
            why="The worker notices, marks the task FAILURE (WorkerLostError), and does not run "
            "it again.",
        ),
        Claim(
            text="production ready, on `redis-server` (the broker is killed)",
            source="Deployment Instructions 1",
            holds=at_once,
            metric="lost",
            shown_by={"": _broker_killed()},
            name="broker-killed",
            verdict="wrong",
            why="Without appendonly what waits is in memory only, and so is what was taken ahead.",
        ),
        Claim(
            text="safe task termination",
            source="Task Management Service",
            holds=lambda rows: rows in {0, 10},
            probe=probes.rows_after_cancel,
            unit="of 10 conversations analysed when it was cancelled",
            name="safe-cancel",
            verdict="wrong",
            why="revoke(terminate=True) kills the process wherever it is; what it has written "
            "stays, what it has not is never written.",
            rows=("1.3 S4-5",),
        ),
        Claim(
            text="POST /conversations/tasks/{id}/cancel",
            source="API Endpoints Enhanced",
            holds=lambda revoked: revoked == 0,
            probe=probes.revoked_though_unknown,
            unit="(1: REVOKED)",
            name="cancel-unknown",
            verdict="wrong",
            why="revoke writes REVOKED for any id, also one that was never submitted; the front "
            "door here answers 404.",
            rows=("1.3 S4-5",),
        ),
    )


def _tests() -> tuple[Claim, ...]:
    return (
        Claim(
            text="real-time notifications using async task results",
            source="Integration Opportunities, Step 8",
            holds=lambda share: share == 1,
            number=numbers.share_done,
            shown_by={"": unrouted()},
            unit="of the tasks done",
            name="unrouted",
            verdict="wrong",
            why="A task without a route goes to the queue celery, which no worker of the document "
            "takes: it stays PENDING for ever.",
            rows=("1.2 #9",),
        ),
        Claim(
            text="Redis integration mock test passed, error handling and retries test passed",
            source="Test Results Expected",
            holds=lambda share: share == 1,
            number=numbers.share_done,
            shown_by={"the worker": unrouted(), "its retries": failing("written", 0.25, 8)},
            unit="of the tasks done",
            name="tests-passed",
            verdict="wrong",
            why="No result was observed: the lines are what is expected. A task that is called "
            "without a broker passes, and the same one waits for ever on a real worker.",
            rows=("1.3 S4-6",),
        ),
    )
