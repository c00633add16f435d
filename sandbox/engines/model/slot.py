"""A slot: the place of one child process in its worker's pool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.broker import Message
from sandbox.engines.model.host import Job

if TYPE_CHECKING:
    from sandbox.engines.model.attempt import Attempt


class Slot:
    """One child process of a worker; a replaced child has the slot of the one before it.

    ``alarm`` is the child's, and rings at the end of a body; ``started_s`` is None unless one
    runs, ``attempt`` unless its task blocks on something else; ``is_up`` is False from its
    death until its replacement is ready.
    """

    __slots__ = ("alarm", "attempt", "is_up", "job", "message", "n_done", "number", "started_s")

    def __init__(self, number: int, alarm: Alarm) -> None:
        self.number, self.alarm = number, alarm
        self.job: Job | None = None
        self.attempt: Attempt | None = None
        self.message: Message | None = None
        self.started_s: float | None = None
        self.n_done = 0
        self.is_up = True


def victim(slots: Iterable[Slot], number: int | None = None) -> Slot | None:
    """Return the living child of a slot, else the one busy longest, else the first idle one."""
    alive = [slot for slot in slots if slot.is_up]
    if number is not None:
        return next((slot for slot in alive if slot.number == number), None)
    busy = [slot for slot in alive if slot.started_s is not None]
    if busy:
        return min(busy, key=lambda slot: slot.started_s or 0.0)
    return alive[0] if alive else None
