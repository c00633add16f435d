"""Slots: how the places of a worker's processes are counted, checked and named.

They count from 0, as in the record: the number that a picture shows is the one to kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from sandbox.deployment import WorkerPool

MOST_SLOTS = 256
SlotNumber = Annotated[int, Field(ge=0, lt=MOST_SLOTS, strict=True)]


def slot_name(slot: int) -> str:
    """Return what a slot is called in every text and picture.

    >>> slot_name(0)
    'slot 0'
    """
    return f"slot {slot}"


def no_such_slot(pool: WorkerPool, slot: object) -> str | None:
    """Return why a pool's workers have no such slot: the end of a sentence, or None.

    >>> from sandbox.deployment import WorkerPool
    >>> no_such_slot(WorkerPool(concurrency=3), 3)
    'slot is 3; allowed: 0 to 2'
    """
    if type(slot) is int and 0 <= slot < pool.concurrency:
        return None
    most = pool.concurrency - 1
    return f"slot is {slot!r}; allowed: {f'0 to {most}' if most else '0'}"
