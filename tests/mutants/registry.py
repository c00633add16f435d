"""Wrong models, each a small patch of the model engine, and a row of the grid that rejects it.

A proof that nothing could fail would prove nothing: every one of these is a mistake that a
model of Celery could plausibly make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.engines.model import broker, worker, world

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """What is wrong, in a few words; the row that must reject it; the patch that makes it."""

    wrong: str
    row: str
    apply: Callable[[Patch], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(wrong: str, row: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a patch as a wrong model."""

    def register(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        assert wrong not in MUTANTS
        MUTANTS[wrong] = Mutant(wrong, row, apply)
        return apply

    return register


def before(patch: Patch, owner: Any, name: str, first: Callable[..., None]) -> None:
    """Have ``first`` called, with the same arguments, before a method."""
    original = getattr(owner, name)

    def both(*arguments: Any, **named: Any) -> Any:
        first(*arguments, **named)
        return original(*arguments, **named)

    patch.setattr(owner, name, both)


def after(patch: Patch, owner: Any, name: str, then: Callable[..., None]) -> None:
    """Have ``then`` called, with the same arguments, after a method."""
    original = getattr(owner, name)

    def both(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        then(*arguments, **named)
        return result

    patch.setattr(owner, name, both)


WORLDS: dict[int, world.World] = {}


def remember_workers(patch: Patch) -> None:
    """Let ``WORLDS`` and ``workers_of`` know each world that is made from now on."""
    after(patch, world.World, "__init__", lambda self, *_: WORLDS.update({id(self.broker): self}))


def workers_of(of: broker.Broker) -> list[worker.Worker]:
    """Return the workers of a broker's world."""
    return list(WORLDS[id(of)].workers.values())
