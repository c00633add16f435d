"""Claims on loss: what of the work outlives a worker and a broker."""

from __future__ import annotations

from typing import Any

from sandbox.claims import Claim
from sandbox.faults import OnEvent
from sandbox.faults.stop_broker import StopBroker
from sandbox.loads import Burst
from sandbox.metrics import measure
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.systems.students.scenarios import BULK, PRODUCTION, REPORT, TEMPLATE, killed, small

_TROUBLE = "Troubleshooting"


def _killed(name: str, app: str) -> Scenario:
    """Return two bulk sends whose worker is killed; an hour goes by when it is back."""
    faults = killed(2, skipped_s=3600.0, at_s=2.4, after_s=0.4)
    loads = [Burst(task=BULK, n=2)]
    more: dict[str, Any] = {
        "app": app,
        "commands": PRODUCTION[:1],
        "faults": faults,
        "horizon_s": 2.5,
    }
    return small(name, {BULK: 0.8}, loads, **more)


def _broker_restarted(persistence: str) -> Scenario:
    """Return reports that wait for their worker while the broker is killed and started again."""
    stop = StopBroker(when=OnEvent(event="published", nth=4, after_s=0.2), down_s=0.4)
    return small(
        f"broker-{persistence}",
        {REPORT: 0.1, TEMPLATE: 0.1},
        [Burst(task=REPORT, n=4)],
        commands=PRODUCTION[:1],
        broker={"persistence": persistence},
        faults=(stop,),
        deadline_s=3.0,
    )


def _lost_or_twice(run: Run) -> float:
    metrics = measure(run)
    return metrics.value("lost") + metrics.value("ran_twice")


def claims() -> tuple[Claim, ...]:
    """Return them."""
    late = _killed("acks-late", "late")
    return (
        Claim(
            "Redis broker: task queue (reliable)",
            f"Architecture; {_TROUBLE}, Lost Tasks: make sure Redis is persistent",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={
                "persistent (AOF)": _broker_restarted("aof"),
                "not persistent": _broker_restarted("none"),
            },
            name="persistent",
            needs="appendonly",
            verdict="depends",
            why="What waits in the broker survives its restart only where it is persistent.",
        ),
        Claim(
            "tasks run in background: a worker's crash loses none",
            "What's New; Architecture",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={"": _killed("early-ack", "celery_app")},
            name="early-ack",
            verdict="wrong",
            why="A task is acknowledged before it begins: what a killed worker runs is gone.",
        ),
        Claim(
            "use acks_late=True for reliability",
            f"{_TROUBLE}, Lost Tasks",
            lambda lost: lost == 0,
            metric="lost",
            shown_by={"": late},
            name="acks-late",
            verdict="right",
            why="What a killed worker ran comes back; but only after the visibility timeout of an "
            "hour.",
        ),
        Claim(
            "lost tasks: persistent Redis and acks_late (each task is done, once)",
            f"{_TROUBLE}, Lost Tasks",
            lambda number: number == 0,
            number=_lost_or_twice,
            shown_by={
                "queued, broker restarted with AOF": _broker_restarted("aof"),
                "running, worker killed": late,
            },
            unit="tasks lost or run twice",
            name="lost-tasks",
            needs="appendonly",
            verdict="depends",
            why="Queued tasks are safe; running ones run twice, and send their messages twice.",
            rows=("1.3 S5-7",),
        ),
    )
