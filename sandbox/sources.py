"""Sources: what a command line may name as its scenario, and the options that go with an app."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import click

from sandbox import systems
from sandbox.errors import ScenarioError
from sandbox.scenario import Scenario


class Given(NamedTuple):
    """What an app does not say of itself, as options give it."""

    commands: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    horizon_s: float | None = None


def scenario_of(source: str, given: Given | None = None) -> Scenario:
    """Return a named system's scenario, that of a JSON file, of a stored run, or of an app."""
    path = Path(source)
    if ":" in source and source.partition(":")[0] not in systems.all_systems():
        return _from_app(source, given or Given())
    if given is not None and any(given):
        raise ScenarioError(
            f"{source!r} is no app, and only an app (module:app) takes "
            "--command, --rate, --service and --horizon"
        )
    if path.suffix == ".json" or os.path.isfile(path):  # noqa: PTH113 - Path's raises, for odd names
        return Scenario.from_file(path)
    if os.path.isfile(path / "run.json"):  # noqa: PTH113
        from sandbox import workbench
        from sandbox.run import Run as StoredRun

        stored = StoredRun.load(path)
        return Scenario.from_run(
            stored, None if "overheads" in stored.info else workbench.overheads_of(stored)
        )
    return systems.load(source)


def _from_app(name: str, given: Given) -> Scenario:
    """Derive a scenario from the app ``module:attribute`` and what is given besides."""
    from sandbox.derive.arguments import rates, services
    from sandbox.derive.load import load_app

    loads, service = rates(given.rates), services(given.service)
    horizon_s = 60.0 if given.horizon_s is None else given.horizon_s
    with redirect_stdout(sys.stderr):  # what a project's modules print is no part of our output
        return Scenario.from_celery(
            load_app(name),
            given.commands,
            service=service,
            loads=loads or None,
            horizon_s=horizon_s,
        )


def deriving(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what an app does not."""
    for option in (
        click.option("--horizon", type=float, help="Seconds with load; 60 without it."),
        click.option(
            "--service", multiple=True, help="TASK=MEAN or TASK=P50/P95, the work's time (s)."
        ),
        click.option("--rate", "rates", multiple=True, help="TASK=5/s, how often it is called."),
        click.option(
            "--command", "commands", multiple=True, help="A worker's command line; one a worker."
        ),
    ):
        command = option(command)
    return command
