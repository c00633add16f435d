"""Faults: one file each, found by scan. A new fault is one new file here and nothing else.

A fault is data. It compiles to verbs, and the engines implement verbs.

>>> sorted(FAULTS)[:3]
['bandwidth', 'cut_off', 'deploy']
"""

from __future__ import annotations

import importlib
import pkgutil

from sandbox.faults._base import At, Command, Fault, OnEvent, When

__all__ = ["FAULTS", "At", "Command", "Fault", "OnEvent", "When"]


def _kind(fault: type[Fault]) -> str:
    return str(fault.model_fields["kind"].default)


def _scan() -> dict[str, type[Fault]]:
    """Import each file of this folder; fail loudly if one defines no fault, or one too many."""
    found: dict[str, type[Fault]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        name = f"{__name__}.{module.name}"
        importlib.import_module(name)
        here = [fault for fault in Fault.__subclasses__() if fault.__module__ == name]
        if len(here) != 1:
            raise ImportError(f"{name} defines {len(here)} faults; a fault's file defines one")
        if _kind(here[0]) in found:
            raise ImportError(f"two faults are of the kind {_kind(here[0])!r}")
        found[_kind(here[0])] = here[0]
    return found


FAULTS: dict[str, type[Fault]] = _scan()
