"""Systems: real Celery applications that documents describe, each a folder found by scan.

A system's folder defines ``SYSTEM``: its question, its scenarios (derived from its app, which is
asked when they are first wanted), what was corrected, what is mended and why, its claims, and the
wrong models that a comparison must be able to tell from it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from sandbox.claims import Claim
from sandbox.errors import ScenarioError, one_of
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    from sandbox.service.ops import Op

MOST_ROWS: tuple[str, ...] = (
    "published",
    "done",
    "failed",
    "revoked",
    "lost",
    "stuck",
    "executions",
    "redelivered",
    "ran_twice",
    "duplicated",
    "retried",
    "throughput_per_s",
    "makespan_s",
    "mean_wait_s",
    "mean_latency_s",
    "p50_latency_s",
    "p95_latency_s",
    "mean_service_s",
    "utilisation",
    "worker_recovery_s",
)
"""What a comparison of most systems has a row for: counts first, then times."""


@dataclass(frozen=True)
class WrongModel:
    """A model that is wrong on purpose, and the metrics that must tell it from the right one."""

    edit: Callable[[Scenario], Scenario]
    rejected_by: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One setting, command or part as the document writes it and as mended, and why.

    >>> print(Change("task_time_limit", "600", "300", "a hung provider"))
    task_time_limit: 600 -> 300 (a hung provider)
    """

    where: str
    written: str
    mended: str
    why: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.where}: {self.written} -> {self.mended} ({self.why})"


@dataclass(frozen=True)
class System:
    """A runnable system. ``may_be_unknown``: metric -> why no verdict is expected of it.

    ``make`` returns its variants by name; the first is the one that its own name stands for.
    Those named ``before`` and ``after`` have a front door, synchronous and asynchronous.
    ``operate``: its document's operations. ``left_out``: sections that do not run here, and why.
    """

    name: str
    question: str
    document: str
    make: Callable[[], Mapping[str, Scenario]]
    judge: Callable[[], tuple[Claim, ...]] = tuple
    operate: Callable[[], tuple[Op, ...]] = tuple
    corrections: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    wrong: Mapping[str, WrongModel] = field(default_factory=dict)
    may_be_unknown: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def variants(self) -> Mapping[str, Scenario]:
        """Its scenarios by name, each called after the system and its name there."""
        return {
            name: scenario.but(name=self.name if i == 0 else f"{self.name}-{name}")
            for i, (name, scenario) in enumerate(self.make().items())
        }

    @property
    def scenario(self) -> Scenario:
        """The scenario that its name stands for."""
        return next(iter(self.variants.values()))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """What its document claims, with evidence."""
        return self.judge()

    @property
    def operated(self) -> Scenario:
        """The scenario that its operations are run on: its variant ``operations``, else its own."""
        return self.variants.get("operations") or self.scenario.but(faults=())

    def variant(self, name: str) -> Scenario:
        """Return a variant; ScenarioError names the ones there are."""
        if name not in self.variants:
            allowed = one_of(name, self.variants)
            raise ScenarioError(f"variant of {self.name} is {name!r}; allowed: {allowed}")
        return self.variants[name]


@cache
def all_systems() -> dict[str, System]:
    """Return every system by its name; ImportError when a folder defines none."""
    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
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
    """Return the scenario of a system, or ``system:variant`` of it.

    >>> load("leadlawk:x5").workers[0].n_workers
    5
    """
    system, _, variant = name.partition(":")
    return get(system).variant(variant) if variant else get(system).scenario


def of_scenario(scenario: Scenario) -> System | None:
    """Return the system whose own scenario this is, whatever its seed; None for any other."""
    system = all_systems().get(scenario.name)
    if system is None or system.scenario.but(seed=scenario.seed) != scenario:
        return None
    return system
