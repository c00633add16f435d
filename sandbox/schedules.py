"""Named schedules: what befalls a system together, as a list of faults. One function each.

A new schedule is one function here with ``@named``; the command line finds it.

>>> from sandbox.scenario import TaskType, WorkerPool
>>> shop = Scenario(
...     name="shop",
...     tasks=[TaskType(name="mail")],
...     workers=[WorkerPool(n_workers=2)],
...     loads=[{"kind": "burst", "task": "mail", "n": 9}],
...     horizon_s=9.0,
... )
>>> [fault.kind for fault in zone_outage(shop, at_s=3.0)]
['latency', 'kill_worker']
>>> broken = shop.but(faults=friday_deploy(shop, at_s=3.0))
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.errors import ScenarioError, one_of
from sandbox.faults import At, Fault, OnEvent
from sandbox.faults.deploy import Deploy
from sandbox.faults.drop_connections import DropConnections
from sandbox.faults.kill_child import KillChild
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.latency import Latency
from sandbox.faults.maybe import Maybe
from sandbox.faults.pause_worker import PauseWorker
from sandbox.faults.slow_dependency import SlowDependency
from sandbox.faults.stop_broker import StopBroker
from sandbox.scenario import Scenario

Faults = tuple[Fault, ...]
Make = Callable[[Scenario, float], Faults]

SCHEDULES: dict[str, Make] = {}
"""Every schedule by its name, in the order of this file."""


def named(make: Make) -> Make:
    """Let a schedule be found by the name of its function, written with hyphens."""
    SCHEDULES[make.__name__.replace("_", "-")] = make
    return make


@named
def friday_deploy(scenario: Scenario, at_s: float) -> Faults:
    """Replace each worker in turn under load; then the broker restarts, too.

    Each has 10 s for what it runs. A second after the last successor is ready the broker is
    killed, for one second: ``broker.persistence`` says whether it keeps its messages.
    """
    last = OnEvent(event="worker_ready", worker=scenario.worker_names[-1], after_s=1.0)
    return (
        Deploy(when=At(at_s=at_s), grace_s=10.0),
        StopBroker(when=last, down_s=1.0),
    )


@named
def zone_outage(scenario: Scenario, at_s: float) -> Faults:
    """Lose half of the workers for three seconds, and a quick way to the broker for all.

    The second half of the workers, rounded down, is killed; every answer of the broker takes
    20 ms more until they are back. What they held comes back after the visibility timeout.
    Raises ScenarioError for a scenario with one worker, of which no zone would be left.
    """
    names = scenario.worker_names
    if len(names) < 2:
        raise ScenarioError(
            "schedule zone-outage needs 2 workers or more; the scenario has 1, so that no zone "
            "would be left"
        )
    lost = names[len(names) - len(names) // 2 :]
    when = At(at_s=at_s)
    return (
        Latency(when=when, delay_s=0.02, for_s=3.0),
        *(KillWorker(when=when, worker=name, back_after_s=3.0) for name in lost),
    )


@named
def noisy_neighbour(scenario: Scenario, at_s: float) -> Faults:
    """Stall the first worker for 2 s while everything else is slow for 3 s.

    Every answer of the broker takes 20 ms more, and each dependency takes three times as long.
    Nothing is lost; it takes longer.
    """
    when, over = At(at_s=at_s), At(at_s=at_s + 3.0)
    return (
        Latency(when=when, delay_s=0.02, for_s=3.0),
        PauseWorker(when=when, worker=scenario.worker_names[0], for_s=2.0),
        *(
            SlowDependency(when=moment, dependency=dependency.name, factor=factor)
            for dependency in scenario.dependencies
            for moment, factor in ((when, 3.0), (over, 1.0))
        ),
    )


@named
def bad_night(scenario: Scenario, at_s: float) -> Faults:
    """Cut every connection, lose a process, and perhaps a whole worker, a second apart each.

    The process is one of the first prefork worker, the worker is the last; it is lost with a
    probability of one half, and back 2 s later. Raises ScenarioError without a prefork worker.
    """
    prefork = [name for pool in scenario.workers for name in pool.worker_names
               if pool.pool == "prefork"]  # fmt: skip
    if not prefork:
        raise ScenarioError(
            "schedule bad-night needs a prefork worker, since no other has child processes"
        )
    lost = KillWorker(when=At(at_s=at_s + 2.0), worker=scenario.worker_names[-1], back_after_s=2.0)
    return (
        DropConnections(when=At(at_s=at_s)),
        KillChild(when=At(at_s=at_s + 1.0), worker=prefork[0]),
        Maybe(probability=0.5, fault=lost),
    )


def get(name: str) -> Make:
    """Return a schedule by its name; ScenarioError names the ones there are."""
    if name not in SCHEDULES:
        raise ScenarioError(f"schedule is {name!r}; allowed: {one_of(name, SCHEDULES)}")
    return SCHEDULES[name]
