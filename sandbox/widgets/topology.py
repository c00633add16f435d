"""Topology: what a picture has to know before the first event; passed to it, never inferred."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import Any

from sandbox.deployment import WorkerPool
from sandbox.run import KINDS
from sandbox.scenario import Scenario
from sandbox.tasks import TaskType

_MAX_PRIORITY = 9


def topology(
    scenario: Scenario, *, source: str = "model", assumptions: Sequence[str] = ()
) -> dict[str, Any]:
    """Return queues with priority steps, workers with slots, task types, settings, assumptions.

    ``source`` says in a few words what has run: ``model``, ``live``, ``replay``.

    >>> from sandbox.scenario import TaskType, WorkerPool
    >>> told = topology(Scenario(name="a", tasks=[TaskType(name="hi")], workers=[WorkerPool()],
    ...                          horizon_s=1.0))
    >>> told["queues"], told["workers"][0]["slots"]
    ([{'name': 'celery', 'steps': [0]}], 1)
    """
    return {
        "name": scenario.name,
        "source": source,
        "seed": scenario.seed,
        "horizon_s": scenario.horizon_s,
        "kinds": [*KINDS, "crowd"],
        "queues": [_queue(scenario, name) for name in scenario.queues],
        "types": [_type(scenario, kind) for kind in scenario.tasks],
        "workers": [_worker(pool, name) for pool in scenario.workers for name in pool.worker_names],
        "vt_s": scenario.broker.visibility_timeout_s,
        "persistence": scenario.broker.persistence,
        "assumptions": [*_stated(scenario), *assumptions],
    }


def _step(scenario: Scenario, kind: TaskType) -> int:
    """Return the priority step of a type's messages, as kombu rounds priorities down."""
    steps = scenario.broker.priority_steps
    return steps[bisect(steps, min(kind.priority, _MAX_PRIORITY)) - 1]


def _queue(scenario: Scenario, name: str) -> dict[str, Any]:
    used = {_step(scenario, kind) for kind in scenario.tasks if kind.queue == name}
    return {"name": name, "steps": sorted(used) or [scenario.broker.priority_steps[0]]}


def _type(scenario: Scenario, kind: TaskType) -> dict[str, Any]:
    return {
        "name": kind.name, "queue": kind.queue, "step": _step(scenario, kind),
        "acks_late": kind.acks_late, "rate_limit": kind.rate_limit,
        "holds": bool(kind.retries or kind.rate_limit or kind.countdown_s),
    }  # fmt: skip


def _worker(pool: WorkerPool, name: str) -> dict[str, Any]:
    return {
        "name": name, "pool": pool.name, "kind": pool.pool, "slots": pool.n_first,
        "most": pool.concurrency, "queues": list(pool.queues),
        "prefetch": pool.prefetch_multiplier * pool.concurrency,
    }  # fmt: skip


def _stated(scenario: Scenario) -> list[str]:
    """Return what the picture takes for granted, and what no derived scenario could know."""
    broker = scenario.broker
    late = [kind.name for kind in scenario.tasks if kind.acks_late]
    acks = "all task types" if len(late) == len(scenario.tasks) else ", ".join(late) or "none"
    return [
        f"Visibility timeout {broker.visibility_timeout_s:g} s; a message that is older in "
        "`unacked` is put back by the next sweep of any living worker.",
        f"acks_late: {acks}. Without it a message is acknowledged when its execution starts, "
        "and a killed worker loses it.",
        f"Broker persistence: {broker.persistence}. Redis has no dead letter queue: what a "
        "worker rejects without requeue is gone.",
        f"A task's work is drawn with seed {scenario.seed}, the same in the model and on real "
        "workers; what Celery adds to it is measured by `sandbox calibrate`, or a default.",
        "The picture shows the recorded events and nothing else; a dot takes up to 0.35 s to "
        "arrive where its message is already.",
        *(f"Not derived: {one}" for one in scenario.not_derived),
    ]
