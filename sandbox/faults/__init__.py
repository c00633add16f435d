"""Faults: one file each, found by scan. A new fault is one new file here and nothing else.

A fault is data. It compiles to verbs, and the engines implement verbs.

>>> sorted(FAULTS)[:3]
['bandwidth', 'child_oom', 'cut_off']
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Annotated, Any, Union

from pydantic import Field

from sandbox.faults._base import At, Command, Fault, OnEvent, When

__all__ = [
    "ANY_FAULT", "FAULTS", "At", "Command", "Fault", "OnEvent", "When", "chances", "commands_of",
]  # fmt: skip


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


def _one_of(faults: list[type[Fault]]) -> Any:
    return Annotated[Union[tuple(faults)], Field(discriminator="kind")]  # noqa: UP007 - a registry


ANY_FAULT = _one_of(list(FAULTS.values()))
"""The type of a scenario's faults, told apart by their ``kind``."""
# A chance wraps any fault but itself; which there are is known only now.
FAULTS["maybe"].model_rebuild(
    _types_namespace={"PlainFault": _one_of([FAULTS[kind] for kind in FAULTS if kind != "maybe"])}
)


def commands_of(faults: Iterable[Fault], seed: int) -> tuple[Command, ...]:
    """Return the verbs that a scenario's faults amount to, of those that strike with its seed."""
    return tuple(
        command
        for place, fault in enumerate(faults)
        if fault.strikes(seed, place)
        for command in fault.commands()
    )


def chances(faults: Iterable[Fault], seed: int) -> list[str]:
    """Return a sentence on each fault that may strike or not: what it does with this seed.

    >>> flush = FAULTS["flush"](when=At(at_s=1.0))
    >>> chances([flush, FAULTS["maybe"](probability=0.5, fault=flush)], seed=1)
    ['faults[1], a flush by chance, strikes with seed 1']
    """
    told = {True: "strikes", False: "does not strike"}
    return [
        f"faults[{place}], a {fault.inner.kind} by chance, "
        f"{told[fault.strikes(seed, place)]} with seed {seed}"
        for place, fault in enumerate(faults)
        if fault.inner is not fault
    ]
