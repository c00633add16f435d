"""What a front door takes to be open: its processes, its modules, and the door of a system.

The engine asks here; it knows neither FastAPI nor any system. A door is what the module and name
of ``FrontDoor.app`` say: a ``sandbox.service.door.Door``, seen here as far as it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

from sandbox.errors import ScenarioError
from sandbox.front import FrontDoor

FILE = "front.json"
"""The file of the session's temporary folder that says where the door is."""
FRONT, VISITORS = "front", "visitors"
_SERVING = ("sandbox.engines.live.own_front", "sandbox.service.door")


class OwnDoor(Protocol):
    """A system's own door: an app to serve, and the requests of its visitors."""

    def open(self, app: Any, settings: FrontDoor, database: str, token: str) -> Any:
        """Return the ASGI app."""

    def ask(self, n: int) -> tuple[str, str, Any]:
        """Return request n: its method, its path, and what its body says as JSON."""

    def poll(self, answer: Mapping[str, Any]) -> str:
        """Return where to ask for the result, from the answer to the request."""

    def outcome(self, status: int, answer: Mapping[str, Any]) -> str | None:
        """Return what an answer says became of the request; None: not yet known."""


def processes(door: FrontDoor | None) -> tuple[str, ...]:
    """Return the processes that a door takes: itself, and its visitors if it has any.

    >>> processes(FrontDoor(app="shop.front:DOOR"))
    ('front',)
    """
    if door is None:
        return ()
    return (FRONT,) if door.requests is None else (FRONT, VISITORS)


def modules(door: FrontDoor | None) -> tuple[str, ...]:
    """Return what is worth importing before the door's processes are forked."""
    return () if door is None or door.app is None else _SERVING


def own_door(path: str) -> OwnDoor:
    """Return the door that ``path``, a module and a name in it, stands for; or ScenarioError."""
    module, _, name = path.partition(":")
    where = f"front_door.app is {path!r}"
    try:
        door = getattr(importlib.import_module(module), name or "DOOR")
    except (ImportError, AttributeError) as exc:
        raise ScenarioError(f"{where}, which cannot be imported: {exc}") from None
    if not all(hasattr(door, part) for part in ("open", "ask", "poll", "outcome")):
        raise ScenarioError(f"{where}, which is no front door")
    return cast("OwnDoor", door)
