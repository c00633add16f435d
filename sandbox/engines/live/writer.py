"""The writer: one line for each event, one write for each line, into files that survive SIGKILL."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

_CLOSED = -1
_quoted = json.encoder.encode_basestring_ascii


def _json(value: Any) -> str:
    """Return a value as JSON; the types that nearly all fields have take a short way."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int:
        return str(value)
    if kind is dict:
        return "{" + ",".join(f"{_json(str(k))}:{_json(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, separators=(",", ":"))


def _append_to(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class Writer:
    """Appends events to one file. A line is one ``write`` call, so SIGKILL cannot tear it."""

    def __init__(self, path: Path, worker: str | None = None) -> None:
        self._worker = "" if worker is None else f',"worker":{_quoted(worker)}'
        self._path, self._fd = path, _append_to(path)

    def write(self, kind: str, *, at: float | None = None, **fields: Any) -> None:
        """Append one event; ``at`` is a monotonic time (s), now by default.

        Nothing is written any more once the writer is closed.
        """
        told = [f',"{name}":{_json(x)}' for name, x in fields.items() if x is not None]
        self._append(kind, time.monotonic() if at is None else at, "".join(told))

    def write_task(self, kind: str, task: str, tag: str, more: str = "", at: float = 0.0) -> None:
        """Append one event of a task; ``more`` is JSON that follows, ``at`` now if it is 0.

        The short way of what happens to every task: it must cost less than can be noticed.
        """
        rest = f',"task":{_json(task)},"tag":{_json(tag)}{more}'
        self._append(kind, at or time.monotonic(), rest)

    def _append(self, kind: str, at: float, rest: str) -> None:
        # Put together by hand: json's way through five calls costs a no-op task 5 % of its time.
        if self._fd != _CLOSED:
            line = f'{{"t":{at!r},"kind":"{kind}"{self._worker}{rest}}}\n'
            os.write(self._fd, line.encode())

    def branch(self, name: str) -> None:
        """Go on in a file of this process's own, beside the one it has from its parent.

        Processes that append to one file wait for each other's turn at it.
        """
        os.close(self._fd)
        self._fd = _append_to(self._path.with_suffix(f".{name}.jsonl"))

    def close(self) -> None:
        """Close the file; only needed where a process outlives the session."""
        fd, self._fd = self._fd, _CLOSED
        os.close(fd)
