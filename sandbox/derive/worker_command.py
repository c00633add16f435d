"""What a command line starts, whoever has read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerCommand:
    """One worker that a command starts: its node's name, its options, its settings.

    ``options`` are Celery's parameters after its own conversions; ``pool`` is the name that was
    given, None without one; ``settings`` are those given after ``--``, ``environment`` the
    variables that are set before ``celery``.
    """

    where: str
    node: str | None
    pool: str | None
    options: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def beats(self) -> bool:
        """Whether it runs a beat as well (-B)."""
        return bool(self.options.get("beat"))


@dataclass(frozen=True)
class Commands:
    """What all command lines start."""

    workers: tuple[WorkerCommand, ...]
    n_beats: int
