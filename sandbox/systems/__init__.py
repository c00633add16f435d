"""Systems: real Celery applications that documents describe, each a folder found by scan.

A system's folder defines ``SYSTEM``: its question, its scenario, what was corrected, its
claims, and the wrong models that a comparison must be able to tell from it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from sandbox.claims import Claim
from sandbox.errors import ScenarioError, one_of
from sandbox.scenario import Scenario


@dataclass(frozen=True)
class WrongModel:
    """A model that is wrong on purpose, and the metrics that must tell it from the right one."""

    edit: Callable[[Scenario], Scenario]
    rejected_by: tuple[str, ...]


@dataclass(frozen=True)
class System:
    """A runnable system. ``may_be_unknown``: metric -> why no verdict is expected of it."""

    name: str
    question: str
    document: str
    scenario: Scenario
    corrections: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    wrong: Mapping[str, WrongModel] = field(default_factory=dict)
    may_be_unknown: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()


@cache
def all_systems() -> dict[str, System]:
    """Return every system by its name; ImportError when a folder defines none."""
    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(__path__):
        system = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SYSTEM", None)
        if not isinstance(system, System):
            raise ImportError(f"{__name__}.{module.name} defines no SYSTEM")
        if system.name in found:
            raise ImportError(f"two systems are called {system.name!r}")
        found[system.name] = system
    return found


def get(name: str) -> System:
    """Return a system by its name; ScenarioError names the ones there are.

    >>> get("leadlawk").scenario.worker_names
    ('worker1', 'worker2')
    """
    systems = all_systems()
    if name not in systems:
        raise ScenarioError(f"system is {name!r}; allowed: {one_of(name, systems)}")
    return systems[name]


def load(name: str) -> Scenario:
    """Return the scenario of a system, as its document writes it."""
    return get(name).scenario


def of_scenario(scenario: Scenario) -> System | None:
    """Return the system whose scenario this is, whatever its seed; None for any other."""
    system = all_systems().get(scenario.name)
    if system is None or system.scenario.but(seed=scenario.seed) != scenario:
        return None
    return system
