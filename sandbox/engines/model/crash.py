"""The crash: a body that takes its process along, or more memory than there is.

A killed child is noticed and settled as any other (pool.py ``kill_child``). A MemoryError is
reported by the child, and main raises it again: "Unrecoverable error" (celery/worker/request.py
``on_failure``). Main then consumes nothing more, forgets what no child has begun, lets what runs
end and be acknowledged, gives the rest back and exits with code 1; measured 1.1 to 1.3 s after
the last of its tasks has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Steps

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.slot import Slot
    from sandbox.engines.model.worker import Worker

KILLED, OUT_OF_MEMORY = "child", "memory"
"""The outcomes of a body, by the name of ``TaskType.crash``."""


class Leak:
    """The next ``n`` executions of a type (None: all) that work longer than ``after_s`` are killed.

    Of all, or of those in a worker, or in a slot of it. Compare engines/live/oom.py.
    """

    def __init__(
        self, after_s: float, n: int | None, worker: str | None = None, slot: int | None = None
    ) -> None:
        self._after_s, self._left = after_s, n
        self._worker, self._slot = worker, slot

    def kills_after_s(self, service_s: float, worker: str, slot: int) -> float | None:
        """Return when an execution that begins is killed, and count it; None when it is not."""
        if self._left == 0 or service_s <= self._after_s:
            return None
        if self._worker not in {None, worker} or self._slot not in {None, slot}:
            return None
        if self._left is not None:
            self._left -= 1
        return self._after_s


def die(worker: Worker, slot: Slot) -> Steps:
    """End the child in which this runs; its replacement is another process."""
    worker.kill_child(slot)
    yield


def keep(_message: Message) -> None:
    """Neither acknowledge a message nor reject it: main has not come so far."""


def break_down(worker: Worker) -> None:
    """Have main raise the MemoryError that a child has reported."""
    if worker.pause is not None:
        worker.pause.later(break_down, worker)
    elif worker.is_alive and not worker.closing:
        worker.break_down()
