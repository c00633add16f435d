"""A pool that knows how many tasks it has reserved, for the settings that ask for the number.

Compare celery/worker/state.py (``reserved_requests``: ``task_reserved``, ``task_ready``),
celery/worker/consumer/tasks.py (``worker_disable_prefetch``), celery/worker/autoscale.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.broker import Message
from sandbox.engines.model.pool import Pool
from sandbox.engines.model.request import Settle
from sandbox.engines.model.slot import Slot

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker


_LOOP_S = 1.0


class CountingPool(Pool):
    """A pool whose ``n_reserved`` tasks wait for a process, run, or have not been reported.

    What is held for its ETA or for a rate limit is not among them. With ``autoscale`` it
    begins with the fewest processes.
    """

    def __init__(self, worker: Worker, concurrency: int, kind: str) -> None:
        self.n_reserved = 0
        super().__init__(worker, worker.settings.n_first, kind)

    def apply(self, message: Message) -> None:
        """Reserve a task, and give it to a child or keep it."""
        self.n_reserved += 1
        super().apply(message)

    def _end(
        self, slot: Slot, message: Message, *, is_final: bool = True, settle: Settle | None = None
    ) -> None:
        super()._end(slot, message, is_final=is_final, settle=settle)
        if self.ack_s:
            self.world.call_in(self.ack_s, self._ready, message)
        else:
            self._ready(message)

    def _revoke(self, message: Message) -> None:
        self.n_reserved -= 1
        super()._revoke(message)

    def _lose(self, message: Message) -> None:
        self.n_reserved -= 1
        super()._lose(message)

    def _ready(self, message: Message) -> None:
        self.n_reserved -= 1
        if message.kind.late or self.is_prefork or self.is_solo:
            self._look()
        else:
            # A thread that ends without an acknowledgement wakes no event loop: it looks once
            # a second (measured: one start a second, however short the tasks are).
            wait_s = _LOOP_S - (self.env.now - self.worker.ready_s) % _LOOP_S
            self.world.call_in(wait_s, self._look)

    def _look(self) -> None:
        if self.worker.is_alive:
            self.worker.credit()

    # --- more and fewer processes ----------------------------------------------------

    def grow(self, n: int) -> None:
        """Start ``n`` more processes; each takes tasks once it is up."""
        for _ in range(n):
            used = {slot.number for slot in self.slots}
            number = next(i for i in range(len(used) + 1) if i not in used)
            slot = Slot(number, Alarm(self.env))
            slot.is_up = False
            self.slots.append(slot)
            self.world.call_in(self.overheads.child_start_s, self._refork, slot)

    def shrink(self, n: int) -> None:
        """End up to ``n`` processes, of those that have nothing to do."""
        for slot in [slot for slot in self.slots if slot.message is None][:n]:
            self._kill(slot)
            self.slots.remove(slot)

    def _refork(self, slot: Slot) -> None:
        if slot in self.slots:
            super()._refork(slot)
