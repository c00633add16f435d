"""Workers: from commands and configuration to worker pools.

Source: celery/worker/worker.py (``setup_defaults``), celery/worker/components.py (``Pool``,
``Consumer``), celery/app/amqp.py (``Queues.select``, ``deselect``).
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from sandbox.derive.names import plain
from sandbox.derive.worker_command import WorkerCommand
from sandbox.errors import ScenarioError, one_of
from sandbox.notes import Notes
from sandbox.scenario import TaskType, WorkerPool

_MOST_SLOTS = 256
_USUAL = WorkerPool()
_POOLS: dict[str, Literal["prefork", "threads", "solo"]] = {
    "prefork": "prefork",
    "processes": "prefork",
    "threads": "threads",
    "solo": "solo",
}
_NO_SCENARIO = {
    "max_memory_per_child": ("its children end at a size of their memory", "they do not"),
    "purge": ("it empties its queues when it starts", "it does not"),
    "task_events": ("it sends an event at each step of a task, which takes time", "no events"),
}
_OTHER_NAMES = {"task_events": "worker_send_task_events"}
_KEEPALIVE = "AUTOSCALE_KEEPALIVE"


def worker_pools(
    app: Any, workers: tuple[WorkerCommand, ...], notes: Notes
) -> tuple[WorkerPool, ...]:
    """Return the pools; equal workers whose names differ by a number are one pool."""
    counted: Counter[tuple[str, WorkerPool]] = Counter()
    for worker in workers:
        counted[_stem(worker.node, notes), _one(app, worker, notes)] += 1
    found: list[WorkerPool] = []
    for (stem, pool), n in counted.items():
        # A pool's workers are its name and a number: the name itself ends in a letter.
        taken = {one.name for one in found}
        name = next(name for name in _candidates(stem) if name not in taken)
        found.append(pool.but(name=name, n_workers=n))
    if len(workers) > 1:
        notes.add("hosts", "commands do not say on which machine they run", "all on this one")
    return tuple(found)


def _stem(node: str | None, notes: Notes) -> str:
    if node is None:
        return "worker"
    bare = re.sub(r"%.", "", node.partition("@")[0]).rstrip("0123456789-_.")
    return plain(bare, kind="worker", notes=notes) if bare else "worker"


def _candidates(stem: str) -> list[str]:
    return [stem, *(f"{stem}-{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")]


def _one(app: Any, worker: WorkerCommand, notes: Notes) -> WorkerPool:
    """Return one worker as a pool of one, unnamed yet."""
    for option, (told, assumed) in _NO_SCENARIO.items():
        setting = _OTHER_NAMES.get(option, f"worker_{option}")
        if worker.options.get(option) or _conf(app, worker, setting):
            notes.add(f"{worker.where}.{option}", told, assumed)
    start = worker.options.get("pool_start_method") or _conf(
        app, worker, "worker_pool_start_method"
    )
    if start not in (None, "fork"):
        notes.add(f"{worker.where}.pool_start_method", f"it is {start}", "fork")
    kind = _kind(app, worker, notes)
    slots, credit = _concurrency(app, worker, notes), _multiplier(app, worker)
    if kind == "solo":
        # One task at a time, but its credit is still concurrency × multiplier (components.py).
        slots, credit = 1, credit * slots
    per_child = worker.options.get("max_tasks_per_child")
    sizes = _autoscale(worker, kind, notes)
    return WorkerPool(
        concurrency=slots,
        queues=tuple(plain(name, kind="queue", notes=notes) for name in _queues(app, worker)),
        pool=kind,
        prefetch_multiplier=credit,
        disable_prefetch=_flag(app, worker, "disable_prefetch"),
        eta_task_limit=int(_conf(app, worker, "worker_eta_task_limit") or 0) or None,
        autoscale=sizes,
        autoscale_keepalive_s=_keepalive_s(worker) if sizes else _USUAL.autoscale_keepalive_s,
        soft_shutdown_timeout_s=float(_conf(app, worker, "worker_soft_shutdown_timeout") or 0.0),
        soft_shutdown_on_idle=_flag(app, worker, "enable_soft_shutdown_on_idle"),
        max_tasks_per_child=per_child or _conf(app, worker, "worker_max_tasks_per_child") or None,
    )


def _flag(app: Any, worker: WorkerCommand, name: str) -> bool:
    """Return whether an option of a command, or the setting of the same meaning, is on."""
    return bool(worker.options.get(name) or _conf(app, worker, f"worker_{name}"))


def _autoscale(worker: WorkerCommand, kind: str, notes: Notes) -> tuple[int, int] | None:
    """Return most and fewest processes; a pool that cannot grow stays at the larger size."""
    given = worker.options.get("autoscale")
    if not given:
        return None
    where = f"{worker.where}.autoscale"
    if kind != "prefork":
        notes.add(where, f"a {kind} pool cannot grow", "always the larger size")
        return None
    most, fewest = (min(_MOST_SLOTS, size) for size in (max(given), min(given)))
    if fewest < 1:
        notes.add(where, f"its fewest processes are {fewest}", "1")
    return most, max(1, fewest)


def _keepalive_s(worker: WorkerCommand) -> float:
    """Return how long an autoscaler waits before it takes a process away (s).

    celery/worker/autoscale.py reads it from the environment.
    """
    given = worker.environment.get(_KEEPALIVE)
    try:
        value = float(given) if given is not None else _USUAL.autoscale_keepalive_s
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:  # Celery does not start with it
        told = f"{_KEEPALIVE}={given}; allowed: seconds above 0"
        raise ScenarioError(f"{worker.where} has {told}")
    return value


def _conf(app: Any, worker: WorkerCommand, name: str) -> Any:
    """Return a setting as this worker sees it: what stands after ``--`` comes first."""
    return worker.settings.get(name, app.conf.get(name))


def _kind(app: Any, worker: WorkerCommand, notes: Notes) -> Literal["prefork", "threads", "solo"]:
    # `-P prefork` is taken as no choice when the app has one (celery/bin/worker.py, WorkersPool).
    given = None if worker.pool == "prefork" else worker.pool
    name = str(given or app.conf.worker_pool or "prefork")
    for alias, module in (("threads", "thread"), ("solo", "solo"), ("prefork", "prefork")):
        if f"celery.concurrency.{module}:" in name:
            name = alias
    if name in _POOLS:
        return _POOLS[name]
    notes.add(f"{worker.where}.pool", f"the pool is {name}", "threads")
    return "threads"


def _concurrency(app: Any, worker: WorkerCommand, notes: Notes) -> int:
    autoscale = worker.options.get("autoscale")
    if autoscale:  # the prefetch count goes by the larger one, too (components.py, Consumer)
        return _at_most(max(autoscale), worker, notes)
    given = worker.options.get("concurrency") or _conf(app, worker, "worker_concurrency")
    try:
        number = int(given or 0)
    except (TypeError, ValueError):  # "auto", and what Celery takes as none at all
        number = 0
    if number > 0:
        return _at_most(number, worker, notes)
    cores = os.cpu_count() or 2
    what = "no concurrency is given, so each machine's cores decide"
    notes.add(f"{worker.where}.concurrency", what, f"{cores}, as this machine has")
    return _at_most(cores, worker, notes)


def _at_most(number: int, worker: WorkerCommand, notes: Notes) -> int:
    if number <= _MOST_SLOTS:
        return number
    notes.add(f"{worker.where}.concurrency", f"it is {number}", f"{_MOST_SLOTS}, the most here")
    return _MOST_SLOTS


def _multiplier(app: Any, worker: WorkerCommand) -> int:
    # A command has read the configuration already (celery/bin/worker.py), so what stands after
    # its `--` comes too late, and its option's 0 is taken as none given.
    given = worker.options.get("prefetch_multiplier", app.conf.worker_prefetch_multiplier)
    return max(0, int(given or 0))


def _queues(app: Any, worker: WorkerCommand) -> list[str]:
    """Return the names of the queues that a worker consumes, in its order."""
    queues = app.amqp.queues
    wanted = worker.options.get("queues") or ()
    left_out = {_named(queues, name) for name in worker.options.get("exclude_queues") or ()}
    if wanted and not queues.create_missing:
        for name in wanted:
            if name not in queues and name not in queues.aliases:
                allowed = one_of(name, queues)
                raise ScenarioError(f"{worker.where} consumes {name!r}; allowed: {allowed}")
    names = [_named(queues, name) for name in wanted] or list(queues.consume_from)
    kept = list(dict.fromkeys(name for name in names if name not in left_out))
    if not kept:
        raise ScenarioError(f"{worker.where} consumes no queue: all are excluded")
    return kept


def _named(queues: Mapping[str, Any], name: str) -> str:
    """Return the name of a queue that may be called by its alias."""
    alias = getattr(queues, "aliases", {}).get(name)
    return str(alias.name) if alias is not None else name


def with_limits(
    app: Any, workers: tuple[WorkerCommand, ...], kinds: Mapping[str, TaskType], notes: Notes
) -> dict[str, TaskType]:
    """Return the tasks with the limits of the workers' commands, where they have none.

    A worker's own limit is its pool's default (billiard/pool.py, ``apply_async``).
    """
    found = dict(kinds)
    for key, kind in kinds.items():
        mine = [one for one in workers if kind.queue in _queues(app, one)]
        for option in ("time_limit", "soft_time_limit"):
            values: set[Any] = {one.options.get(option) for one in mine}
            if getattr(kind, f"{option}_s") is not None or values <= {None}:
                continue
            if len(values) > 1:
                what = f"its workers differ in --{option.replace('_', '-')}"
                notes.add(f"tasks.{key}.{option}_s", what, "none")
            else:
                found[key] = _limited(found[key], f"{option}_s", float(values.pop()))
    return found


def _limited(kind: TaskType, field: str, limit_s: float) -> TaskType:
    """Return a task with one more limit; a soft one above the hard one is never reached."""
    limits = {name: getattr(kind, name) for name in ("soft_time_limit_s", "time_limit_s")}
    limits[field] = limit_s
    soft_s, hard_s = limits.values()
    if soft_s is not None and hard_s is not None and soft_s > hard_s:
        limits["soft_time_limit_s"] = None
    return kind.but(**limits)
