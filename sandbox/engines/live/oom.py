"""Which executions run out of memory: told to all children of a run by one shared file.

What the kernel's out-of-memory killer does is SIGKILL. A body sends it to itself, at the moment of
its work that the fault says, so that no other task can be hit.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_ENTRY = struct.Struct("dq")
"""Of a task type: after how much work (s), and how many executions are yet to be killed."""
_ALL = -1


class _Shared:
    """The file of this process's run; set once, before the worker starts."""

    fd = -1
    entries: mmap.mmap | None = None
    places: Mapping[str, int] = {}


def _open(folder: Path, n: int) -> int:
    fd = os.open(folder / "raw" / "memory.limits", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, n * _ENTRY.size)
    return fd


def install(folder: Path, tasks: Sequence[str]) -> None:
    """Have the bodies in this process, and in its children, look into the run's file."""
    _Shared.fd = _open(folder, len(tasks))
    _Shared.places = {task: i * _ENTRY.size for i, task in enumerate(tasks)}
    _Shared.entries = mmap.mmap(_Shared.fd, len(tasks) * _ENTRY.size)


def limit(folder: Path, tasks: Sequence[str], task: str, after_s: float, n: int | None) -> None:
    """Have the next ``n`` executions of ``task`` that work longer than ``after_s`` killed there."""
    fd = _open(folder, len(tasks))
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        entry = _ENTRY.pack(after_s, _ALL if n is None else n)
        os.pwrite(fd, entry, tasks.index(task) * _ENTRY.size)
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
        after_s, left = _ENTRY.unpack_from(entries, place)
        if not left or service_s <= after_s:
            return None
        if left != _ALL:
            _ENTRY.pack_into(entries, place, after_s, left - 1)
        return float(after_s)
    finally:
        fcntl.lockf(_Shared.fd, fcntl.LOCK_UN)
