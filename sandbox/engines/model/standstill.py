"""The standstill: a broker that answers nothing for a while, and who waits for it.

Celery sets no timeout for the broker's answers (kombu/transport/redis.py ``socket_timeout``, None),
so a publish, a result and an acknowledgement wait. A child waits with its result; main waits
at its first command, and then does nothing else, so no child gets a task from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.engines.model.broker import BRPOP_TIMEOUT_S
from sandbox.engines.model.ghost import Ghost
from sandbox.engines.model.pause import Later

if TYPE_CHECKING:
    from sandbox.engines.model.consumer import Consumer
    from sandbox.engines.model.worker import Worker


_FIRST_LOOK_S, _LOOK_S = 1.0, 60.0


class Standstill(Later):
    """Of the broker: ``end`` answers all that has been asked meanwhile, in order."""

    def end(self) -> None:
        """Answer."""
        self.catch_up()


class Waiting(Later):
    """Of a worker's main process, which has asked for an answer."""

    def __init__(self, worker: Consumer, standstill: Standstill) -> None:
        super().__init__()
        self.worker = worker
        standstill.later(self.end)

    def end(self) -> None:
        """Have the answer: do what main could not do meanwhile."""
        if self.worker.pause is self:
            self.worker.pause = None
            self.catch_up()
            self.worker.credit()


class HalfOpen(Standstill):
    """Of one worker's connections; it has no end.

    ``silenced`` are the children of now, by their alarms: one that replaces them connects anew.
    ``is_deaf``: BRPOP is among them, until the worker finds that it has no answer
    (kombu/transport/redis.py ``maybe_check_brpop_health``). Once a minute, and first a second
    after its start, main looks after bindings (``maybe_refresh_binding_expiry``).
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker, self.is_deaf = worker, True
        self.silenced = {slot.alarm for slot in worker.pool.slots}
        self._is_watched = False
        broker, env = worker.broker, worker.env
        passed_s = env.now - worker.ready_s - _FIRST_LOOK_S
        worker.world.call_in(-passed_s if passed_s < 0 else -passed_s % _LOOK_S, self._look)
        since_s = broker.blocked.pop(worker, None)
        if since_s is not None:
            ago_s = (env.now - since_s) % BRPOP_TIMEOUT_S
            ghost = Ghost(worker)
            broker.blocked[ghost] = since_s
            worker.world.call_in(BRPOP_TIMEOUT_S - ago_s, self._give_up, ghost)
            self.ask(ago_s)

    def _give_up(self, ghost: Ghost) -> None:
        self.worker.broker.blocked.pop(ghost, None)

    def _look(self) -> None:
        answered(self.worker)

    def ask(self, ago_s: float = 0.0) -> None:
        """Send a BRPOP that is not answered; a tick of the worker's timer finds that out."""
        if self._is_watched:
            return
        self._is_watched = True
        worker = self.worker
        tick_s = worker.broker.settings.health_check_interval_s
        overdue_s = worker.env.now - ago_s + BRPOP_TIMEOUT_S + tick_s
        n_ticks = math.ceil((overdue_s - worker.ready_s) / tick_s)
        worker.world.call_in(worker.ready_s + n_ticks * tick_s - worker.env.now, self._renew)

    def _renew(self) -> None:
        if self.worker.is_alive and self.worker.pause is None:
            self.is_deaf = False
            self.worker.credit()


def answered(worker: Consumer, then: Callable[..., None] | None = None, *arguments: Any) -> bool:
    """Return whether the broker answers main; if it does not, main waits, and then calls."""
    standstill = worker.half_open or worker.broker.standstill
    if standstill is None:
        return True
    if worker.pause is None and worker.is_alive:
        worker.pause = Waiting(worker, standstill)
    if then is not None and worker.pause is not None:
        worker.pause.later(then, *arguments)
    return False
