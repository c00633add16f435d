"""Which executions run out of memory: told to all children of a run by one shared file.

What the kernel's out-of-memory killer does is SIGKILL. A body sends it to itself, at the moment of
its work that the fault says, so that no other task can be hit.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sandbox.scenario import Scenario

_ENTRY = struct.Struct("dqqq")
"""Of a task type: after how much work (s), how many executions are left, in which worker, slot."""
_ALL = -1


class Limit(NamedTuple):
    """The next ``n`` executions (None: all) that work longer, all or those of a worker's slot."""

    after_s: float
    n: int | None = 1
    worker: str | None = None
    slot: int | None = None

    def packed(self, scenario: Scenario) -> bytes:
        """Return it as an entry of the file."""
        worker = _ALL if self.worker is None else scenario.worker_names.index(self.worker)
        n, slot = (_ALL if value is None else value for value in (self.n, self.slot))
        return _ENTRY.pack(self.after_s, n, worker, slot)


class _Shared:
    """The file of this process's run, and which worker it is; set once, before it starts."""

    fd = -1
    entries: mmap.mmap | None = None
    places: Mapping[str, int] = {}
    worker = _ALL


def _open(folder: Path, n: int) -> int:
    fd = os.open(folder / "raw" / "memory.limits", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, n * _ENTRY.size)
    return fd


def install(folder: Path, scenario: Scenario, worker: str) -> None:
    """Have the bodies in this process, and in its children, look into the run's file."""
    tasks = scenario.task_names
    _Shared.fd = _open(folder, len(tasks))
    _Shared.places = {task: i * _ENTRY.size for i, task in enumerate(tasks)}
    _Shared.entries = mmap.mmap(_Shared.fd, len(tasks) * _ENTRY.size)
    _Shared.worker = scenario.worker_names.index(worker)


def limit(folder: Path, scenario: Scenario, task: str, wanted: Limit) -> None:
    """Have the executions of ``task`` that a limit means killed there."""
    tasks = scenario.task_names
    fd = _open(folder, len(tasks))
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.pwrite(fd, wanted.packed(scenario), tasks.index(task) * _ENTRY.size)
    finally:
        os.close(fd)


def runs_out_s(task: str, service_s: float) -> float | None:
    """Return after how much work (s) this execution is to be killed; None when it is not."""
    entries = _Shared.entries
    if entries is None:
        return None
    place = _Shared.places[task]
    if not _ENTRY.unpack_from(entries, place)[1]:
        return None
    fcntl.lockf(_Shared.fd, fcntl.LOCK_EX)
    try:
        after_s, left, worker, slot = _ENTRY.unpack_from(entries, place)
        if not left or service_s <= after_s or not _is_here(worker, slot):
            return None
        if left != _ALL:
            _ENTRY.pack_into(entries, place, after_s, left - 1, worker, slot)
        return float(after_s)
    finally:
        fcntl.lockf(_Shared.fd, fcntl.LOCK_UN)


def _is_here(worker: int, slot: int) -> bool:
    """Return whether this is the process that is meant; ``_ALL`` means any."""
    from billiard import current_process

    own = getattr(current_process(), "index", 0)
    return worker in {_ALL, _Shared.worker} and slot in {_ALL, own}
