"""Processes: runs of the model beside each other, whose results do not depend on how many.

The pool that is made here ends with its call: by itself, by an interrupt, or because the
process that made it has died. Its processes never import the caller's script.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import ModuleType

from sandbox.definitions import Metrics
from sandbox.errors import EngineError
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario

Batch = list[Metrics]
Told = Callable[["Job"], None]
Map = Callable[[list["Job"], Told], list[Batch]]

SEED_STEP = 7_919
_PRELOAD = ["sandbox.capacity.processes", "sandbox.engines.model"]


class Job:
    """Replications ``first`` … ``last - 1`` of a scenario; number 0 has the scenario's own seed.

    Every point of a grid uses the same seeds, and a draw is keyed by its seed and its task: so
    two points differ by what was changed, not by luck (common random numbers).
    """

    __slots__ = ("first", "last", "overheads", "scenario")

    def __init__(self, scenario: Scenario, overheads: Overheads, first: int, last: int) -> None:
        self.scenario, self.overheads, self.first, self.last = scenario, overheads, first, last

    def __call__(self) -> Batch:
        """Run them one after the other."""
        return [self._one(number) for number in range(self.first, self.last)]

    def _one(self, number: int) -> Metrics:
        from sandbox.engines import model

        seed = (self.scenario.seed + SEED_STEP * number) % 2**63
        with model.start(self.scenario.but(seed=seed), overheads=self.overheads) as session:
            session.wait()
        return measure(session.close())


def run_job(job: Job) -> Batch:
    """Run a job; what an executor is given."""
    return job()


def cores() -> int:
    """Return how many processors this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(n_processes: int | None, executor: Executor | None) -> Iterator[Map]:
    """Yield a function that runs jobs, tells of each that is done, and returns all in order.

    ``executor`` is used and left as it is, but for jobs of ours that have not begun when an
    error ends the call. Else ``n_processes`` are started, at most the cores (None: the cores);
    with one, the jobs run here.
    """
    if executor is not None:
        yield _mapper(executor)
        return
    most = cores()
    n = most if n_processes is None else min(n_processes, most)
    if n <= 1:
        yield _here
        return
    with _own(n) as own:
        yield _mapper(own)


def _here(jobs: list[Job], on_done: Told) -> list[Batch]:
    batches = []
    for job in jobs:
        batches.append(job())
        on_done(job)
    return batches


def _mapper(executor: Executor) -> Map:
    def run(jobs: list[Job], on_done: Told) -> list[Batch]:
        futures: dict[Future[Batch], Job] = {}
        try:
            for job in jobs:
                futures[_submit(executor, job)] = job
            for future in as_completed(futures):
                future.result()
                on_done(futures[future])
        except BrokenExecutor as exc:
            raise EngineError(f"the processes that run the model have ended: {exc}") from None
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]

    return run


def _submit(executor: Executor, job: Job) -> Future[Batch]:
    try:
        with _nameless_main():
            return executor.submit(run_job, job)
    except BrokenExecutor:
        raise
    except RuntimeError as exc:
        raise EngineError(f"the executor takes no jobs: {exc}") from None


@contextmanager
def _own(n: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``n`` processes; when this ends early they are not waited for."""
    # Not fork: the caller may be a notebook, whose threads hold locks.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(_PRELOAD)
    heard, told = context.Pipe(duplex=False)
    own = ProcessPoolExecutor(n, context, initializer=_begin, initargs=(heard,))
    try:
        yield own
    except BaseException:
        told.close()
        raise
    finally:
        own.shutdown(wait=True, cancel_futures=True)
        heard.close()
        told.close()


def _begin(heard: Connection) -> None:
    """Leave Ctrl-C to the caller; end when it says so, or when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        # Nothing is ever sent: this ends when the caller has closed its end, or died.
        wait([heard])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Hide the caller's ``__main__`` while a process may start.

    multiprocessing would import it there again: a script without ``if __name__ == ...`` would
    call us once more, and one that was typed or piped in has no file to import.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
