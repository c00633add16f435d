"""A task's side of a call to a dependency: one connection on loopback, one line each way.

A server of ours notes its port, and a token that each request to it bears, in a file of the
session's temporary folder: other users of the machine reach the port, but cannot read the file.
"""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
from pathlib import Path

from sandbox.dependencies import Call
from sandbox.engines.downstream import SERVED

DOWNSTREAM = "downstream"
"""The name of the process that plays the dependencies."""
FILE = f"{DOWNSTREAM}.json"
"""The file of the temporary folder that says where they are served."""


class CallFailed(Exception):  # noqa: N818 - what a reader of a task's result sees
    """A dependency has refused or broken off a call; an ordinary exception to Celery."""


class CallTimedOut(Exception):  # noqa: N818 - as above
    """A call had no answer within its own timeout; an ordinary exception to Celery."""


class _Address:
    """Where this run's dependencies are served; read at a process's first call."""

    known: tuple[int, str] | None = None


def note_address(port: int, file: str = FILE, token: str = "") -> str:
    """Write a server's port where its callers look for it; return the token they will bear."""
    token = token or secrets.token_urlsafe(24)
    place = Path(tempfile.gettempdir()) / file
    part = place.with_suffix(".part")
    part.write_text(json.dumps({"port": port, "token": token}), encoding="utf-8")
    part.replace(place)
    return token


def address(file: str = FILE, folder: Path | None = None) -> tuple[int, str]:
    """Return the port and the token that a server has noted; ``folder`` is the session's."""
    place = folder or Path(tempfile.gettempdir())
    noted = json.loads((place / file).read_text(encoding="utf-8"))
    return int(noted["port"]), str(noted["token"])


def call(settings: Call, service_s: float, *, task: str, retry: int) -> None:
    """Call a dependency and return when it has served; raise CallFailed or CallTimedOut."""
    if _Address.known is None:
        _Address.known = address()
    port, token = _Address.known
    order = {
        "dependency": settings.dependency, "service_s": service_s, "task": task, "retry": retry,
        "token": token,
    }  # fmt: skip
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=settings.timeout_s) as link:
            link.sendall(json.dumps(order).encode() + b"\n")
            answer = link.recv(64)
    except TimeoutError:
        raise CallTimedOut(f"{settings.dependency} gave no answer to {task}") from None
    except OSError as exc:
        raise CallFailed(f"{settings.dependency}: {exc.strerror or type(exc).__name__}") from None
    if answer.strip() != SERVED.encode():
        raise CallFailed(f"{settings.dependency} has refused {task}")
