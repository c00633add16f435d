"""The ledger of a live run: each body's effect is written down by the process that runs it.

The default is a file a process, with one ``write`` an effect: a kill loses nothing that was
written, nobody waits for anybody, and a no-op task costs 2.5 µs more. At the end the files become
one SQLite file, whose unique constraint says which effect of each task counts. Written to SQLite
directly (WAL, synchronous NORMAL, a transaction an effect) a no-op task took 7 % more processor
time, and bodies of several processes slept until the one lock was theirs, up to 0.2 s with two of
them: the ledger would show in the very times that are measured. PostgreSQL has no such lock, and
may be given by its URL.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from sandbox.engines.live import postgres
from sandbox.ledger import Effect, Ledger, first_effective
from sandbox.scenario import Scenario

FOLDER = "effects"


class Book(Protocol):
    """Where an effect is written down, once, by whatever process applies it."""

    def write(self, task: str, tag: str, retry: int) -> None:
        """Apply one effect, now."""


class FileBook:
    """A file for each process, to which each effect is appended with one ``write``."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder, self._worker = folder / FOLDER, worker
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._pid, self._fd, self._end = 0, -1, ""

    def write(self, task: str, tag: str, retry: int) -> None:
        """Apply one effect, now."""
        if self._pid != os.getpid():
            self._open()
        line = f"[{json.dumps(task)},{time.monotonic()!r},{self._end},{json.dumps(tag)},{retry}]\n"
        os.write(self._fd, line.encode())

    def _open(self) -> None:
        """Go on in this process's own file: the one of its parent is the parent's."""
        self._pid = os.getpid()
        self._end = f"{json.dumps(self._worker)},{self._pid}"
        path = self._folder / f"{self._worker}.{self._pid}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class _Kept:
    """The ledger that this worker's bodies write to; set once, before the worker starts."""

    book: Book | None = None


def keep(folder: Path, worker: str, url: str = "") -> None:
    """Have this process, and those it forks, keep a ledger: in ``folder``, or at ``url``."""
    _Kept.book = (
        postgres.PostgresBook(url, folder.name, worker) if url else FileBook(folder, worker)
    )


def apply(request: Any) -> None:
    """Apply the effect of the task whose request this is; the last thing its body does."""
    if _Kept.book is not None:
        tag = (request.properties or {}).get("delivery_tag")
        _Kept.book.write(request.id, tag or "", request.retries or 0)


def read(folder: Path, scenario: Scenario, t0: float, end_s: float, url: str = "") -> Ledger:
    """Return what the run in ``folder`` has written, up to its end, as seconds after ``t0``.

    What comes later is the take-down of the session. A scenario's own app may have bodies that
    call nothing of the sandbox: only of types with an effect is it known that they are kept.
    """
    rows = postgres.read(url, folder.name) if url else first_effective(_rows(folder / FOLDER))
    effects = tuple(
        effect._replace(t_s=round(effect.t_s - t0, 6))
        for effect in rows
        if effect.t_s - t0 <= end_s
    )
    types = {effect.task.rpartition("/")[0] for effect in effects}
    return Ledger(effects, frozenset(types) if scenario.app else None)


def _rows(folder: Path) -> Iterable[Effect]:
    for path in sorted(folder.glob("*.jsonl")):
        # A line is one write, so the last one is whole too.
        for line in path.read_bytes().splitlines():
            yield Effect(*json.loads(line))
