"""The victim: which child of a worker a kill strikes, and what it runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sandbox.engines.live.record import Record


class Victim(NamedTuple):
    """A child process: its slot, the task that it runs (None: idle), its process id."""

    slot: int | None
    task: str | None
    pid: int


def victim(
    record: Record, alive: Collection[int], worker: str, slot: int | None = None
) -> Victim | None:
    """Return the child of ``slot``, else the one busy longest, else the first; None if it is gone.

    ``alive`` holds the process ids of the worker's children. As engines/model/pool.py ``victim``.
    """
    with record.changed:
        children = {n: pid for (name, n), pid in record.children.items() if name == worker}
        busy = sorted(
            (since, n, task, pid)
            for (name, n), (since, task, pid) in record.running.items()
            if name == worker and pid in alive and slot in {None, n}
        )
    if busy:
        _, n, task, pid = busy[0]
        return Victim(n, task, pid)
    idle = sorted((n, pid) for n, pid in children.items() if pid in alive and slot in {None, n})
    return Victim(idle[0][0], None, idle[0][1]) if idle else None
