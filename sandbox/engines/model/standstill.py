"""The standstill: a broker that answers nothing for a while, and who waits for it.

Celery sets no timeout for the broker's answers (kombu/transport/redis.py ``socket_timeout``, None),
so a publish, a result and an acknowledgement wait. A child waits with its result; main waits
at its first command, and then does nothing else, so no child gets a task from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.engines.model.pause import Later

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker


class Standstill(Later):
    """Of the broker: ``end`` answers all that has been asked meanwhile, in order."""

    def end(self) -> None:
        """Answer."""
        self.catch_up()


class Waiting(Later):
    """Of a worker's main process, which has asked for an answer."""

    def __init__(self, worker: Worker, standstill: Standstill) -> None:
        super().__init__()
        self.worker = worker
        standstill.later(self.end)

    def end(self) -> None:
        """Have the answer: do what main could not do meanwhile."""
        if self.worker.pause is self:
            self.worker.pause = None
            self.catch_up()
            self.worker.credit()


def answered(worker: Worker, then: Callable[..., None], *arguments: Any) -> bool:
    """Return whether the broker answers main; if it does not, main waits, and then calls."""
    standstill = worker.broker.standstill
    if standstill is None:
        return True
    if worker.pause is None:
        worker.pause = Waiting(worker, standstill)
    worker.pause.later(then, *arguments)
    return False
