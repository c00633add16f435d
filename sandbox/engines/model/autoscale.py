"""The autoscaler: a worker's number of processes follows the number of its reserved tasks.

Compare celery/worker/autoscale.py: ``maybe_scale``, ``scale_up``, ``scale_down``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.reserved import CountingPool

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker


class Autoscaler:
    """Looks at each task received, and regularly; only then can it take processes away.

    It does that once nothing has been received, and no process added, for the keepalive.
    """

    def __init__(self, worker: Worker, pool: CountingPool, most: int, fewest: int) -> None:
        self.worker, self.pool, self.env = worker, pool, worker.env
        self.most, self.fewest = most, fewest
        self.keepalive_s = worker.settings.autoscale_keepalive_s
        self._active_s: float | None = None
        self.alarm = Alarm(self.env)
        self.alarm.begin(self._ticks())

    def received(self) -> None:
        """Look, now that a task has been received that nothing holds back."""
        self._active_s = self.env.now
        self._maybe_scale()

    def _ticks(self) -> Steps:
        while True:
            self.alarm.ring(self.keepalive_s)
            yield
            self._maybe_scale()

    def _maybe_scale(self) -> None:
        n_reserved, n_processes = self.pool.n_reserved, len(self.pool.slots)
        wanted = min(n_reserved, self.most)
        if wanted > n_processes:
            self._active_s = self.env.now
            self.pool.grow(wanted - n_processes)
            self._note()
            return
        wanted = max(n_reserved, self.fewest)
        idle_s = 0.0 if self._active_s is None else self.env.now - self._active_s
        if wanted < n_processes and idle_s > self.keepalive_s:
            self.pool.shrink(n_processes - wanted)
            if len(self.pool.slots) < n_processes:
                self._note()

    def _note(self) -> None:
        detail = {"processes": len(self.pool.slots)}
        self.worker.record.note("scaled", worker=self.worker.name, detail=detail)
