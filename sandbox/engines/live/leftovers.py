"""Leftovers: a session's temporary folder, and what becomes of one whose owner has died.

Each folder holds a file that its owner keeps locked. The kernel drops the lock with the owner,
however it ends; so a lock that can be taken says that the folder is a leftover, and neither a
reused process id nor a container with ids of its own can say so by mistake.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.closing import Closing

PREFIX = "celery-sandbox-"
MARK = "SANDBOX_ZYGOTE"
"""The environment variable by which the processes of one zygote know each other."""

_OWNER = "owner.json"
_PIDS = "pids"
_KEYS = re.compile(r"sandbox-[0-9a-f]{16}:")
_REACH_S = 1.0
_PASSES = 5
_NO_OWNER_S = 86400.0
_GIVE_UP_S = 7 * 86400.0
_SAME_S = 2.0
_WRITTEN_S = 1.0


class Claim(Closing):
    """A new temporary folder of this user's, ours until ``close`` or until this process ends.

    >>> with Claim() as claim:
    ...     (claim.folder / "a file").touch()
    >>> claim.folder.exists()
    False
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Locked first, named after: nobody ever sees the owner's file without its lock.
        fresh = self.folder / "claim"
        self._fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._facts: dict[str, str] = {}
        self.note()
        fresh.rename(self.folder / _OWNER)

    def note(self, **facts: str) -> None:
        """Write down what clearing the folder needs: ``mark``, and ``url`` with ``prefix``."""
        self._facts |= facts
        os.pwrite(self._fd, json.dumps(self._facts).encode(), 0)

    def close(self) -> None:
        """Clear the folder and give it up; a second call does nothing."""
        if self._fd >= 0:
            clear(self.folder)
            os.close(self._fd)
            self._fd = -1


def note_process(folder: Path, pid: int) -> None:
    """Write down a process that belongs to a folder, with its start: ids are used again."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess, OSError):
        started = psutil.Process(pid).create_time()
        with (folder / _PIDS).open("a", encoding="utf-8") as file:
            file.write(f"{pid} {started}\n")


def clear(folder: Path) -> None:
    """Delete a folder and the keys that its run has left on a server that is not ours.

    A folder whose server cannot be reached is kept, for a later sweep to try again.
    """
    facts = _facts(folder)
    if (
        not {"url", "prefix"} <= facts.keys()
        or _delete_keys(**facts)
        or _age_s(folder) > _GIVE_UP_S
    ):
        _delete(folder)


def _delete(folder: Path) -> None:
    """Delete a folder, the owner's file last: what was killed may be in the midst of a write.

    One that is written to for longer is kept with its owner's file, for a later sweep.
    """
    deadline = time.monotonic() + _WRITTEN_S
    while not _deleted(folder) and time.monotonic() < deadline:
        time.sleep(0.01)


def _deleted(folder: Path) -> bool:
    """Delete what is in a folder, then the folder; say whether it is gone."""
    try:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _OWNER:
                path.unlink(missing_ok=True)
        if [path.name for path in folder.iterdir()] in ([], [_OWNER]):
            (folder / _OWNER).unlink(missing_ok=True)
            folder.rmdir()
    except FileNotFoundError:  # somebody else clears it, too
        return not folder.exists()
    except OSError:
        return False
    return not folder.exists()


def sweep(parent: Path, *, reach: bool = True) -> None:
    """Clear every folder in ``parent`` that is this user's and whose owner is dead.

    Without ``reach`` those that need another server are left to somebody who has more time.
    """
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _taken(folder) as free:
            if free and (reach or "url" not in _facts(folder)):
                _kill_kin(folder)
                clear(folder)


def sweep_aside() -> None:
    """Sweep in a thread of its own: nobody waits for what another run has left."""
    parent = Path(tempfile.gettempdir())
    threading.Thread(target=sweep, args=(parent,), name="sandbox-leftovers", daemon=True).start()


@contextlib.contextmanager
def _taken(folder: Path) -> Iterator[bool]:
    """Say whether a folder is a leftover, and keep other sweeps from it meanwhile."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        yield False
        return
    try:
        fd = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        # Just being made, or by a process that was killed between two system calls.
        yield _age_s(folder) > _NO_OWNER_S
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(fd)


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0


def _facts(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _kill_kin(folder: Path) -> None:
    """SIGKILL what a dead owner's zygote has forked and what its supervisor wrote down.

    That is never this process's own kin: whoever shares a zygote is ended by its group.
    """
    mark = _facts(folder).get("mark")
    if mark is None or mark == os.environ.get(MARK):
        return
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                process.kill()
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / _PIDS).read_text(encoding="utf-8").splitlines():
            pid, started = line.split()
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(pid))
                if abs(process.create_time() - float(started)) < _SAME_S:
                    process.kill()


def _delete_keys(url: str, prefix: str, **_rest: str) -> bool:
    """Delete the keys under a run's prefix; say whether none is left."""
    import redis

    if not _KEYS.fullmatch(prefix):
        return True
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=_REACH_S, socket_connect_timeout=_REACH_S, retry=None
        )
        with contextlib.closing(client):
            # What a worker had sent before it was killed may arrive after a first pass.
            for _ in range(_PASSES):
                keys = list(client.scan_iter(match=f"{prefix}*", count=500))
                if not keys:
                    return True
                client.delete(*keys)
    except (redis.RedisError, OSError, ValueError):
        return False
    return False
