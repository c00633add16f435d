"""The options ``--schedule`` and ``--at``: a named list of faults in place of a scenario's own."""

from __future__ import annotations

from collections.abc import Callable

import click

from sandbox import schedules
from sandbox.errors import ScenarioError
from sandbox.faults import At
from sandbox.scenario import Scenario


def scheduling(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command."""
    at = click.option("--at", type=float, help="When the schedule begins (s); after a third.")
    name = click.option(
        "--schedule",
        metavar="NAME",
        help="Break it by this list of faults, not by its own: sandbox list schedules.",
    )
    return name(at(command))


def scheduled(scenario: Scenario, name: str | None, at_s: float | None) -> Scenario:
    """Return the scenario with the faults of a schedule, from ``at_s`` or a third of the horizon.

    >>> from sandbox import systems
    >>> shop = scheduled(systems.load("leadlawk"), "noisy-neighbour", 3.0)
    >>> [fault.kind for fault in shop.faults]
    ['latency', 'pause_worker']
    """
    if name is None:
        if at_s is not None:
            raise ScenarioError(
                f"at is {at_s}, but no schedule is named; --at goes with --schedule"
            )
        return scenario
    begin = At(at_s=scenario.horizon_s / 3 if at_s is None else at_s)
    return scenario.but(faults=schedules.get(name)(scenario, begin.at_s))
