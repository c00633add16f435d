"""One real Celery worker, in a process that the supervisor has forked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.live.recorder import Writer, record_worker
from sandbox.scenario import Scenario, WorkerPool

if TYPE_CHECKING:
    from sandbox.engines.live.app import Link

CHILD_READY = "_child_ready"
"""A note for the engine: a worker says that it is ready before its processes are."""


def command(pool: WorkerPool, name: str, app: str = "proj") -> str:
    """Return the shell command that starts the same worker outside the sandbox.

    >>> command(WorkerPool(concurrency=4), "worker1")
    'celery -A proj worker -n worker1@%h -P prefork -c 4 --prefetch-multiplier=4 -Q celery'
    """
    parts = [f"celery -A {app} worker -n {name}@%h -P {pool.pool} -c {pool.concurrency}"]
    parts.append(f"--prefetch-multiplier={pool.prefetch_multiplier}")
    if pool.max_tasks_per_child is not None:
        parts.append(f"--max-tasks-per-child={pool.max_tasks_per_child}")
    return " ".join([*parts, f"-Q {','.join(pool.queues)}"])


def main(folder: Path, name: str, link: Link) -> None:
    """Run the worker ``name`` of the scenario in ``folder`` until it is told to stop."""
    # Here, since the notebook asks this module for ``command`` and needs no Celery for that.
    from celery import signals

    from sandbox.engines.live import app as apps
    from sandbox.engines.live import calls

    scenario = apps.scenario_of(folder)
    pool = scenario.pool_of(name)
    if pool is None:
        raise ValueError(f"no worker is called {name!r}")
    _take_cores(scenario, pool)
    app = apps.build(scenario, link)
    calls.look_in(folder)
    app.set_current()
    app.set_default()
    writer = Writer(folder / "raw" / f"{name}.jsonl", worker=name)
    record_worker(writer)

    def child_ready(**_: Any) -> None:
        writer.write(CHILD_READY)

    signals.worker_process_init.connect(child_ready, weak=False)
    worker = app.Worker(**_options(pool, name))
    worker.start()
    raise SystemExit(worker.exitcode or 0)


def _options(pool: WorkerPool, name: str) -> dict[str, Any]:
    return {
        "hostname": f"{name}@sandbox",
        "pool_cls": pool.pool,
        "concurrency": pool.concurrency,
        "queues": list(pool.queues),
        "prefetch_multiplier": pool.prefetch_multiplier,
        "max_tasks_per_child": pool.max_tasks_per_child,
        "without_gossip": True,
        "without_mingle": True,
        "without_heartbeat": True,
        "loglevel": "INFO",
        "quiet": True,
        "redirect_stdouts": False,
    }


def _take_cores(scenario: Scenario, pool: WorkerPool) -> None:
    """Keep a worker to as many cores as its host has, where the platform can."""
    cores = scenario.host(pool.host).cores
    if cores is not None and sys.platform == "linux":
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, mine[:cores])
