"""The clock of a worker: right, but for an offset that can be changed while it runs.

kombu reads it in one place only, ``kombu.transport.redis``: to note when a message was taken
(``QoS.append``) and to find what is too old (``QoS.restore_visible``).
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_OFFSET = struct.Struct("d")


def _file(folder: Path, worker: str) -> Path:
    return folder / "raw" / f"{worker}.clock"


def install(folder: Path, worker: str) -> None:
    """Have kombu in this process read the clock of ``worker``."""
    from kombu.transport import redis

    fd = os.open(_file(folder, worker), os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, _OFFSET.size)
    shared = mmap.mmap(fd, _OFFSET.size)
    os.close(fd)

    def skewed() -> float:
        offset_s: float = _OFFSET.unpack_from(shared)[0]
        return time.time() + offset_s

    vars(redis)["time"] = skewed


def put_forward(folder: Path, worker: str, offset_s: float) -> None:
    """Set the offset (s) of a worker that has been started."""
    with _file(folder, worker).open("r+b") as file:
        file.write(_OFFSET.pack(offset_s))
