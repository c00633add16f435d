"""A task's side of a call to a dependency: one connection on loopback, one line each way."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from sandbox.dependencies import Call
from sandbox.engines.downstream import SERVED

DOWNSTREAM = "downstream"
"""The name of the process that plays the dependencies."""
FILE = f"{DOWNSTREAM}.json"
"""The file in a run's folder that holds its port."""


class CallFailed(Exception):  # noqa: N818 - what a reader of a task's result sees
    """A dependency has refused or broken off a call; an ordinary exception to Celery."""


class CallTimedOut(Exception):  # noqa: N818 - as above
    """A call had no answer within its own timeout; an ordinary exception to Celery."""


class _Address:
    """Where this run's dependencies are served; set once, before the worker starts."""

    file: Path | None = None
    known: tuple[str, int] | None = None


def look_in(folder: Path) -> None:
    """Say in which run's folder the server notes its port."""
    _Address.file, _Address.known = folder / FILE, None


def note_port(folder: Path, port: int, file: str = FILE) -> None:
    """Write a server's port where its callers look for it."""
    part = (folder / file).with_suffix(".part")
    part.write_text(json.dumps({"port": port}), encoding="utf-8")
    part.replace(folder / file)


def call(settings: Call, service_s: float, *, task: str, retry: int) -> None:
    """Call a dependency and return when it has served; raise CallFailed or CallTimedOut."""
    if _Address.known is None:
        if _Address.file is None:
            raise RuntimeError("no dependency is known: this task runs only in the sandbox")
        port = json.loads(_Address.file.read_text(encoding="utf-8"))["port"]
        _Address.known = ("127.0.0.1", int(port))
    order = {
        "dependency": settings.dependency, "service_s": service_s, "task": task, "retry": retry
    }  # fmt: skip
    try:
        with socket.create_connection(_Address.known, timeout=settings.timeout_s) as link:
            link.sendall(json.dumps(order).encode() + b"\n")
            answer = link.recv(64)
    except TimeoutError:
        raise CallTimedOut(f"{settings.dependency} gave no answer to {task}") from None
    except OSError as exc:
        raise CallFailed(f"{settings.dependency}: {exc.strerror or type(exc).__name__}") from None
    if answer.strip() != SERVED.encode():
        raise CallFailed(f"{settings.dependency} has refused {task}")
