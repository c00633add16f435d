"""The verb that replaces all workers, one after the other."""

from __future__ import annotations

import contextlib
import threading

from sandbox.engines.live.memory import MemoryControls
from sandbox.errors import EngineError, SandboxError
from sandbox.faults import At, OnEvent


class DeployControls(MemoryControls):
    """Controls of a live session whose workers can be replaced in turn."""

    def deploy(self, grace_s: float, *, when: At | OnEvent | None = None) -> None:
        """Begin to replace each worker: SIGTERM, SIGKILL after ``grace_s``, a new one."""
        if self._postponed("deploy", {"grace_s": grace_s}, when):
            return
        self._reachable("deploy")
        self._log("deploy", grace_s=grace_s)
        with self._record.changed:
            self._busy += 1
        # A thread of its own: other commands for later keep their times meanwhile.
        threading.Thread(
            target=self._deploy, args=(grace_s,), name="sandbox-deploy", daemon=True
        ).start()

    def _deploy(self, grace_s: float) -> None:
        try:
            for worker in self.scenario.worker_names:
                self._replace(worker, grace_s)
        except SandboxError as exc:
            self._log("deploy", grace_s=grace_s, error=str(exc))
        finally:
            with self._record.changed:
                self._busy -= 1

    def _replace(self, worker: str, grace_s: float) -> None:
        exited = self._processes.exited
        if worker not in exited:
            with contextlib.suppress(EngineError):  # it cannot be told: then the grace passes
                self.terminate_worker(worker)
            self._record.wait_until(lambda: worker in exited, grace_s)
        if worker not in exited:
            with contextlib.suppress(EngineError):  # it has ended by itself, just now
                self.kill_worker(worker)
        self.start_worker(worker)
