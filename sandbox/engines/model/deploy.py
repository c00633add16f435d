"""The verb that replaces all workers, one after the other."""

from __future__ import annotations

import contextlib

from sandbox.engines.model.memory import MemoryControls
from sandbox.engines.model.worker import Worker
from sandbox.errors import EngineError
from sandbox.faults import At, OnEvent


class DeployControls(MemoryControls):
    """Controls of the model whose workers can be replaced in turn."""

    def deploy(self, grace_s: float, *, when: At | OnEvent | None = None) -> None:
        """Begin to replace each worker: SIGTERM, SIGKILL after ``grace_s``, a new one."""
        self._order("deploy", when, grace_s=grace_s)

    # --- what it does ----------------------------------------------------------------

    def _do_deploy(self, grace_s: float) -> None:
        self._reachable("deploy")
        self._note("deploy", grace_s=grace_s)
        self._world.n_pending += 1
        self._replace_next(list(self._world.scenario.worker_names), grace_s)

    def _replace_next(self, names: list[str], grace_s: float) -> None:
        world = self._world
        if not names:
            world.n_pending -= 1
            world.look()
            return
        worker = world.workers[names[0]]
        if not worker.is_alive:
            self._start_next(names, grace_s)
            return
        exit_ = OnEvent(event="worker_exited", worker=worker.name)
        world.record.watch(
            exit_,
            lambda _: world.call_in(0.0, self._start_next, names, grace_s),
            since=len(world.record.events),
        )
        with contextlib.suppress(EngineError):  # it cannot be told: then the grace passes
            self._do_terminate_worker(worker.name)
        world.call_in(grace_s, self._overdue, worker)

    def _overdue(self, worker: Worker) -> None:
        if worker.is_alive:
            self._do_kill_worker(worker.name)

    def _start_next(self, names: list[str], grace_s: float) -> None:
        world = self._world
        try:
            self._do_start_worker(names[0])
        except EngineError as exc:
            self._note("deploy", grace_s=grace_s, error=str(exc))
            names = []
        world.call_in(world.overheads.worker_start_s, self._replace_next, names[1:], grace_s)
