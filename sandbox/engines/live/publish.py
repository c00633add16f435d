"""How a task of a type is published, by whomever: client, front door, or another task."""

from __future__ import annotations

from typing import Any

from sandbox.scenario import TaskType


def publishing(kind: TaskType) -> dict[str, Any]:
    """Return the options with which a task of a type is published."""
    options: dict[str, Any] = {"priority": kind.priority} if kind.priority else {}
    if kind.expires_s is not None:
        options["expires"] = kind.expires_s
    if kind.countdown_s:
        options["countdown"] = kind.countdown_s
    return options
