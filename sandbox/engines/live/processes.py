"""The parent's side of the supervisor: start it, give it orders, hear of exits, end it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.errors import EngineError

_ANSWER_S = 20.0


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would override the sandbox's settings.

    ``CELERY_BROKER_URL`` and its kin win over the code in Celery, so a notebook could
    otherwise find itself on somebody's production broker.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CELERY", "C_FORCE_ROOT", "FORKED_BY_MULTIPROCESSING"))
    }


class Processes:
    """All processes of one live session. Every order is answered or raises EngineError."""

    def __init__(self, folder: Path, temp: Path) -> None:
        self.exited: dict[str, dict[str, int]] = {}
        self.on_death: Callable[[], None] = lambda: None
        self._numbers = itertools.count()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self.alive = True
        log = (folder / "logs" / "supervisor.log").open("ab")
        with log:
            self._popen = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "sandbox.engines.live.supervisor", str(folder), str(temp)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env=clean_environment(),
            )
        threading.Thread(target=self._listen, name="sandbox-processes", daemon=True).start()

    @property
    def pid(self) -> int:
        """The supervisor's process id, which is also its group's."""
        return self._popen.pid

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until the supervisor has imported what it forks."""
        if not self._ready.wait(timeout_s) or not self.alive:
            raise EngineError("the supervisor process did not start; see logs/supervisor.log")

    def order(self, verb: str, **arguments: Any) -> Any:
        """Have the supervisor do something and return its answer."""
        number = next(self._numbers)
        answer: queue.Queue[dict[str, Any]] = queue.Queue(1)
        line = json.dumps({"number": number, "verb": verb, **arguments}) + "\n"
        stdin = self._popen.stdin
        with self._lock:
            self._answers[number] = answer
            try:
                if stdin is None or not self.alive:
                    raise BrokenPipeError
                stdin.write(line.encode())
                stdin.flush()
            except (OSError, ValueError):
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
        stdout = self._popen.stdout
        assert stdout is not None  # noqa: S101 - it was asked for as a pipe
        for line in stdout:
            message = json.loads(line)
            if "number" in message:
                waiting = self._answers.pop(message["number"], None)
                if waiting is not None:
                    waiting.put(message)
            elif "exited" in message:
                self.exited[message.pop("exited")] = message
            else:
                self._ready.set()
        self._gone()

    def _gone(self) -> None:
        """The supervisor died first: what it had started must not outlive it."""
        self.alive = False
        self._ready.set()
        for waiting in list(self._answers.values()):
            waiting.put({"error": "the supervisor process is gone"})
        self._kill_group()
        self.on_death()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the whole group and wait for its leader; safe to call twice."""
        self._kill_group()
        self._popen.wait(timeout=10)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
