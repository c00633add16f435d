"""What the recorder costs: the same no-op bursts on workers with and without it, in turns.

The workers are those of a live session but for the one call that hooks the recorder in, so
throughput is taken from outside: from the first publish until every result is in Redis.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import redis
from celery import Celery

from benchmarks.table import Row
from sandbox.engines.live import app as apps
from sandbox.engines.live import worker as workers
from sandbox.engines.live.recorder import record_worker
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.engines.live.writer import Writer
from sandbox.scenario import Scenario, TaskType, WorkerPool

_BLOCKS, _PAIRS = 4, 20
_N_TASKS = 100
_MOST_S = 60.0
_POLL_S = 0.003
_POOL = WorkerPool(concurrency=2)
_KINDS = ("recorded", "bare")
"""A kind is also a queue and the task that is sent to it: each worker serves its own."""


def scenario_of(kind: str) -> Scenario:
    """Return the scenario of a worker that serves only its own kind of task."""
    return Scenario(
        name=kind,
        queues=(kind,),
        tasks=(TaskType(name=kind, queue=kind),),
        workers=(_POOL.but(queues=(kind,)),),
        horizon_s=1.0,
    )


def serve(kind: str, url: str, folder: str) -> None:
    """Be one worker, recorded or bare, until it is killed."""
    scenario = scenario_of(kind)
    app = apps.build(scenario, apps.Link(url))
    app.set_current()
    app.set_default()
    if kind == "recorded":
        record_worker(Writer(Path(folder) / f"{kind}.jsonl", worker=kind))
    app.Worker(**workers._options(scenario.workers[0], kind)).start()  # noqa: SLF001 - the same worker


@contextlib.contextmanager
def own_redis(folder: str) -> Iterator[str]:
    """Run a Redis of our own; yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_urlsafe(16)
    settings = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nloglevel warning\n'
    server = subprocess.Popen(
        ["redis-server", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
    )
    assert server.stdin is not None
    server.stdin.write(settings.encode())
    server.stdin.close()
    try:
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def worker(kind: str, url: str, folder: str, module: str) -> Iterator[psutil.Process]:
    """Run one worker in a process group of its own."""
    code = f"import sys; from {module} import serve; serve(*sys.argv[1:])"
    with (Path(folder) / f"{kind}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, kind, url, folder],
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _cpu_s(process: psutil.Process) -> float:
    """Return the processor time of a worker and its children so far (s)."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


class Bench:
    """Publishes bursts and waits for their results."""

    def __init__(self, url: str, kinds: dict[str, psutil.Process]) -> None:
        self.client, self.processes = redis.Redis.from_url(url), kinds
        self.app = Celery(broker=url, backend=url, set_as_current=False)
        self.numbers = iter(range(10**9))

    def burst(self, kind: str) -> tuple[float, float]:
        """Return (tasks a second, processor ms a task of the worker) of one burst."""
        keys = [f"{kind}/{next(self.numbers)}" for _ in range(_N_TASKS)]
        results = [f"celery-task-meta-{key}" for key in keys]
        cpu_s = _cpu_s(self.processes[kind])
        began = time.perf_counter()
        for key in keys:
            self.app.send_task(kind, task_id=key, queue=kind)
        deadline = began + _MOST_S
        # The last are done last but for the order of two children; then all are looked for.
        while self.client.exists(*results[-2:]) < 2 or self.client.exists(*results) < _N_TASKS:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"the {kind} worker did not finish a burst; see its log")
            time.sleep(_POLL_S)
        took_s = time.perf_counter() - began
        used_s = _cpu_s(self.processes[kind]) - cpu_s
        self.client.delete(*results)
        return _N_TASKS / took_s, used_s * 1000 / _N_TASKS


def _block(kinds: tuple[str, str], module: str) -> Iterator[dict[str, tuple[float, float]]]:
    """Yield pairs of bursts on a fresh Redis and fresh workers; the order takes turns."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url = stack.enter_context(own_redis(folder))
        served = {
            kind: stack.enter_context(worker(kind, url, folder, module=module)) for kind in kinds
        }
        bench = Bench(url, served)
        for kind in kinds:
            bench.burst(kind)  # the first one waits for the worker, and warms it up
        for i in range(_PAIRS):
            yield {kind: bench.burst(kind) for kind in kinds[:: 1 if i % 2 else -1]}


def in_pairs(what: str, kinds: tuple[str, str], module: str, *, rate: str, cost: str) -> list[Row]:
    """Return two kinds of worker, which ``module`` serves, in pairs of short bursts.

    ``rate`` and ``cost`` are what is wanted of the tasks a second and of the processor time.
    """
    pairs = [pair for _ in range(_BLOCKS) for pair in _block(kinds, module)]
    rates, costs = ([[pair[kind][i] for pair in pairs] for kind in kinds] for i in (0, 1))
    return [
        Row(what, rates[0], rates[1], "tasks/s", rate),
        Row(f"{what}, processor time", costs[0], costs[1], "ms a task", cost),
    ]


def measure() -> list[Row]:
    """Return recorded against bare workers."""
    what = "no-op tasks: worker with recorder / without"
    return in_pairs(what, _KINDS, "benchmarks.recorder", rate="≥ 0.95 (lower bound)", cost="≤ 1.1")
