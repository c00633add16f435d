"""A platform for conversations with customers: FastAPI, three queues, one Celery worker.

Its document calls the queues' names priorities and its retries reliable. The scenario keeps its
settings, puts messages, webhooks and reports on its one worker, kills that worker while both its
processes work, and when all else is done lets an hour pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from sandbox.claims import Claim
from sandbox.loads import Burst
from sandbox.scenario import Scenario
from sandbox.systems import System, WrongModel
from sandbox.systems.conversations import deploy, review
from sandbox.systems.conversations.deploy import platform

if TYPE_CHECKING:
    from sandbox.service.ops import Op


def _variants() -> dict[str, Scenario]:
    return {
        "as-written": platform(faults=deploy.crash("worker1")),
        "mended": platform("mended", deploy.MENDED_WORKERS, faults=deploy.crash("customers1")),
        "calm": platform(),
        "one-a-queue": platform(commands=deploy.ONE_A_QUEUE),
        "two-servers": platform(commands=[deploy.WORKER] * 2),
        "priority": platform(broker={"queue_order_strategy": "priority"}),
        "operations": _operations(),
        "before": _at_the_door("sync"),
        "after": _at_the_door("async"),
        "after-mended": _at_the_door("async", "mended", deploy.MENDED_WORKERS),
    }


def _operations() -> Scenario:
    """Return a backlog to look at, with a task without a route in it."""
    loads = (
        Burst(task=deploy.NOTIFY, n=2),
        Burst(task=deploy.ANALYTICS, n=4),
        Burst(task=deploy.MESSAGE, n=150),
    )
    tasks = (deploy.NOTIFY, deploy.ANALYTICS, deploy.MESSAGE)
    return platform(tasks=tasks, loads=loads, horizon_s=30.0, deadline_s=60.0)


def _at_the_door(
    mode: Literal["sync", "async"], app: str = "written", commands: Sequence[str] = (deploy.WORKER,)
) -> Scenario:
    return platform(app, commands, loads=(), horizon_s=12.0, front_door=deploy.door(mode))


def _late_ack(scenario: Scenario) -> Scenario:
    return scenario.but(tasks=tuple(task.but(acks_late=True) for task in scenario.tasks))


def _half_the_processes(scenario: Scenario) -> Scenario:
    return scenario.but(workers=tuple(pool.but(concurrency=1) for pool in scenario.workers))


def _ops() -> tuple[Op, ...]:
    from sandbox.systems.conversations.ops import OPS

    return OPS


def _claims() -> tuple[Claim, ...]:
    from sandbox.systems.conversations.claims import claims

    return claims()


SYSTEM = System(
    name="conversations",
    question="Do customers' messages come first, and does everything accepted get done?",
    document="Step 7: Asynchronous Task Processing with Redis Queue",
    make=_variants,
    judge=_claims,
    operate=_ops,
    corrections=(
        "The document's worker command does not say how many processes; Celery then takes as many "
        "as the machine has cores. Here: --concurrency=2, so that a run is the same everywhere.",
    ),
    assumptions=review.ASSUMPTIONS,
    changes=review.CHANGES,
    left_out=review.LEFT_OUT,
    rows=review.ROWS,
    wrong={
        "acks_late on": WrongModel(_late_ack, ("lost", "done", "redelivered")),
        "half the processes": WrongModel(_half_the_processes, ("mean_wait_s", "mean_latency_s")),
    },
)
