"""The parent's side of the supervisor: start it, give it orders, hear of exits, end it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from sandbox.engines.live import leftovers
from sandbox.errors import EngineError

_ANSWER_S = 20.0
_START_S = 30.0


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would override the sandbox's settings.

    ``CELERY_BROKER_URL`` and its kin win over the code in Celery, so a notebook could
    otherwise find itself on somebody's production broker.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CELERY", "C_FORCE_ROOT", "FORKED_BY_MULTIPROCESSING"))
    }
    if sys.platform == "darwin":
        # Else Apple's libraries may end a child that was forked without exec.
        kept.setdefault("OBJC_DISABLE_INITIALIZE_FORK_SAFETY", "YES")
    return kept


class _Zygote:
    """The process that has imported Celery once; it lives as long as this one uses it."""

    current: ClassVar[_Zygote | None] = None
    lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.owner, self.mark = os.getpid(), secrets.token_hex(16)
        self._link, theirs = socket.socketpair()
        with theirs:
            module, numbers = "sandbox.engines.live.zygote", (theirs.fileno(), self.owner)
            self._popen = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, *map(str, numbers)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=clean_environment() | {leftovers.MARK: self.mark},
            )

    @classmethod
    def get(cls) -> _Zygote:
        """Return the living zygote of this process, started at first need and not waited for."""
        with cls.lock:
            known = cls.current
            if known is None or known.owner != os.getpid() or known._popen.poll() is not None:  # noqa: SLF001 - this class
                cls.current = known = cls()
            return known

    def fork(self, order: dict[str, Any]) -> tuple[socket.socket, int]:
        """Have a supervisor forked; return the link to it and its process id.

        Raises OSError or ValueError when the zygote has died.
        Who is interrupted while it waits just closes the link: the supervisor then ends.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._link, [json.dumps(order).encode()], [theirs.fileno()])
            ours.settimeout(_START_S)
            # A zygote that dies meanwhile closes its end: what has come is then no JSON.
            pid = int(json.loads(ours.recv(4096))["pid"])
            ours.settimeout(None)
        except BaseException:
            ours.close()
            raise
        return ours, pid


def warm_up() -> None:
    """Start importing Celery in the background, unless that has been done: a head start."""
    _Zygote.get()


def _fork_supervisor(order: dict[str, Any]) -> tuple[socket.socket, int, str]:
    """Fork from the zygote; one that has died meanwhile is replaced once."""
    for _ in range(2):
        zygote = _Zygote.get()
        try:
            return *zygote.fork(order), zygote.mark
        except (OSError, ValueError):
            with _Zygote.lock:
                if _Zygote.current is zygote:
                    _Zygote.current = None
    raise EngineError("the process that starts workers did not come up")


class Processes:
    """All processes of one live session. Every order is answered or raises EngineError.

    ``modules`` are imported before the supervisor is forked, once for all sessions. ``mark``
    is how the processes of this and of no other notebook can be recognised.
    """

    def __init__(self, folder: Path, temp: Path, modules: Sequence[str] = ()) -> None:
        self.exited: dict[str, dict[str, int]] = {}
        self._numbers = itertools.count()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._temp = temp
        self.alive = True
        places = {"folder": str(folder), "temp": str(temp), "cwd": str(Path.cwd())}
        self._link, self.pid, self.mark = _fork_supervisor(
            places | {"path": sys.path, "modules": list(modules)}
        )
        self._listener = threading.Thread(
            target=self._listen, name="sandbox-processes", daemon=True
        )
        self._listener.start()

    def order(self, verb: str, **arguments: Any) -> Any:
        """Have the supervisor do something and return its answer."""
        number = next(self._numbers)
        answer: queue.Queue[dict[str, Any]] = queue.Queue(1)
        line = json.dumps({"number": number, "verb": verb, **arguments}) + "\n"
        with self._lock:
            self._answers[number] = answer
            try:
                if not self.alive:
                    raise BrokenPipeError
                self._link.sendall(line.encode())
            except OSError:
                raise EngineError("the supervisor process is gone; start a new session") from None
        try:
            reply = answer.get(timeout=_ANSWER_S)
        except queue.Empty:
            raise EngineError(f"the supervisor did not answer the order {verb!r}") from None
        if "error" in reply:
            raise EngineError(f"{verb}: {reply['error']}")
        return reply.get("result")

    def _listen(self) -> None:
        """Hand each answer to whoever waits for it; runs until the supervisor is gone."""
        with contextlib.suppress(OSError), self._link.makefile("r") as lines:
            for line in lines:
                message = json.loads(line)
                if "number" in message:
                    waiting = self._answers.pop(message["number"], None)
                    if waiting is not None:
                        waiting.put(message)
                elif "exited" in message:
                    self.exited[message.pop("exited")] = message
        self._gone()

    def _gone(self) -> None:
        """The supervisor is dead: what it had started must not outlive it."""
        self.alive = False
        for waiting in list(self._answers.values()):
            waiting.put({"error": "the supervisor process is gone"})
        self._kill_group()
        leftovers.clear(self._temp)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the whole group and wait until its leader is gone; safe to call twice."""
        self._kill_group()
        self._listener.join(timeout=5)
        self._link.close()
