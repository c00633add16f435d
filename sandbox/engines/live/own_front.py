"""A system's own front door, served by uvicorn in a process that the supervisor has forked."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from celery import Celery

from sandbox.engines.live import data
from sandbox.engines.live.calls import note_address
from sandbox.engines.live.fronts import FILE, own_door
from sandbox.engines.live.writer import Writer
from sandbox.front import FrontDoor


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, settings: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(settings)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()


def serve(door: FrontDoor, app: Celery, listening: socket.socket, writer: Writer) -> None:
    """Serve the door that ``door.app`` names until this process is ended.

    Its address is noted, and with it the token, once it answers.
    """
    token = secrets.token_urlsafe(24)
    opened: Any = own_door(str(door.app)).open(app, door, data.url(), token)

    def answers() -> None:
        note_address(listening.getsockname()[1], FILE, token)
        writer.write("_front_ready")

    settings = uvicorn.Config(
        opened, log_level="warning", access_log=False, server_header=False, loop="asyncio"
    )
    _Server(settings, answers).run(sockets=[listening])
