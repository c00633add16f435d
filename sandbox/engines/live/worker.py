"""One real Celery worker, in a process that the supervisor has forked."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.live.recorder import record_worker
from sandbox.engines.live.writer import Writer
from sandbox.scenario import Scenario, WorkerPool

if TYPE_CHECKING:
    from celery import Celery

    from sandbox.engines.live.app import Link

CHILD_READY = "_child_ready"
"""A note for the engine: a worker says that it is ready before its processes are."""


def command(pool: WorkerPool, name: str, app: str = "proj") -> str:
    """Return the shell command that starts the same worker outside the sandbox.

    ``eta_task_limit`` is not in it: Celery has the setting, and no option for it. Nor is a
    ``prefetch_multiplier`` of 0: Celery takes the option's 0 for none given (celery/bin/worker.py).

    >>> command(WorkerPool(concurrency=4), "worker1")
    'celery -A proj worker -n worker1@%h -P prefork -c 4 --prefetch-multiplier=4 -Q celery'
    """
    size = f"-c {pool.concurrency}"
    if pool.autoscale is not None:
        size = f"--autoscale={pool.autoscale[0]},{pool.autoscale[1]}"
    parts = [f"celery -A {app} worker -n {name}@%h -P {pool.pool} {size}"]
    if pool.prefetch_multiplier:
        parts.append(f"--prefetch-multiplier={pool.prefetch_multiplier}")
    if pool.max_tasks_per_child is not None:
        parts.append(f"--max-tasks-per-child={pool.max_tasks_per_child}")
    if pool.disable_prefetch:
        parts.append("--disable-prefetch")
    if pool.autoscale is not None:
        parts.insert(0, f"AUTOSCALE_KEEPALIVE={pool.autoscale_keepalive_s:g}")
    return " ".join([*parts, f"-Q {','.join(pool.queues)}"])


def main(folder: Path, name: str, link: Link) -> None:
    """Run the worker ``name`` of the scenario in ``folder`` until it is told to stop."""
    # Here, since the notebook asks this module for ``command`` and needs no Celery for that.
    from celery import signals

    from sandbox.engines.live import app as apps
    from sandbox.engines.live import data, ledger, oom, skew

    scenario = apps.scenario_of(folder)
    pool = scenario.pool_of(name)
    if pool is None:
        raise ValueError(f"no worker is called {name!r}")
    _take_cores(scenario, pool)
    app = apps.build(scenario, link)
    skew.install(folder, name)
    oom.install(folder, scenario, name)
    ledger.keep(folder, name, link.ledger)
    data.place(folder, link.ledger)
    app.set_current()
    app.set_default()

    def open_backend(**_: Any) -> None:
        _open_backend(app)

    # Before the recorder's own, which notes that the child is up.
    signals.worker_process_init.connect(open_backend, weak=False)
    writer = Writer(folder / "raw" / f"{name}.jsonl", worker=name)
    record_worker(writer)

    def child_ready(**_: Any) -> None:
        writer.write(CHILD_READY)

    signals.worker_process_init.connect(child_ready, weak=False)
    app.conf.update(_settings(pool))
    if pool.pool == "solo":
        _open_backend(app)
    worker = app.Worker(**_options(pool, name))
    worker.start()
    raise SystemExit(worker.exitcode or 0)


def _open_backend(app: Celery) -> None:
    """Find and connect the result backend, as applications do that care for their first request.

    Else each process's first task pays for it: 10 ms of a scan of all installed packages
    (celery/app/backends.py by_name) and a connection, several times that where many begin at once.
    """
    from redis import RedisError

    client = getattr(app.backend, "client", None)
    if client is not None:
        with contextlib.suppress(RedisError, OSError):
            client.ping()


def _settings(pool: WorkerPool) -> dict[str, Any]:
    """Return the settings of one worker that are no options of its command."""
    from celery.worker.autoscale import Autoscaler

    settings: dict[str, Any] = {
        "worker_disable_prefetch": pool.disable_prefetch,
        "worker_eta_task_limit": pool.eta_task_limit,
        "worker_soft_shutdown_timeout": pool.soft_shutdown_timeout_s,
        "worker_enable_soft_shutdown_on_idle": pool.soft_shutdown_on_idle,
    }
    if pool.autoscale is not None:
        # Celery reads AUTOSCALE_KEEPALIVE once, when the zygote has imported it long since.
        settings["worker_autoscaler"] = partial(Autoscaler, keepalive=pool.autoscale_keepalive_s)
    return settings


def _options(pool: WorkerPool, name: str) -> dict[str, Any]:
    return {
        "hostname": f"{name}@sandbox",
        "pool_cls": pool.pool,
        "concurrency": pool.concurrency,
        "queues": list(pool.queues),
        "prefetch_multiplier": pool.prefetch_multiplier,
        "max_tasks_per_child": pool.max_tasks_per_child,
        "autoscale": pool.autoscale,
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
