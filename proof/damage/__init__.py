"""Damage: for each fault, what it does to whom, declared once; found by scan.

``make faults`` runs each case under each ack mode on the model, the fake and Redis.
"""

from __future__ import annotations

import importlib
import pkgutil
from itertools import chain

from proof.damage._case import ROLES, Back, Case, Fate, Harm

__all__ = ["CASES", "DAMAGE", "ROLES", "Back", "Case", "Fate", "Harm"]


def _scan() -> tuple[Case, ...]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [
        importlib.import_module(f"{__name__}.{name}") for name in names if not name.startswith("_")
    ]
    return tuple(chain.from_iterable(module.CASES for module in modules))


CASES: tuple[Case, ...] = tuple(sorted(_scan(), key=lambda one: one.kind))
DAMAGE: dict[str, tuple[Case, ...]] = {
    kind: tuple(one for one in CASES if one.kind == kind)
    for kind in dict.fromkeys(one.kind for one in CASES)
}
"""The cases of each fault, by its kind."""
