"""The commands that start nothing: ``sandbox doctor | list | show | schema``."""

from __future__ import annotations

from typing import Any

import click

from sandbox import report, systems
from sandbox.errors import EngineError
from sandbox.scenario import json_schema
from sandbox.sources import Given, deriving, scenario_of

_LISTS = ("systems", "faults", "schedules", "metrics")


def add_to(main: click.Group) -> None:
    """Add the commands to the others."""
    for command in (doctor, list_, show, schema):
        main.add_command(command)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Say what this machine has: versions, brokers, calibrations; exit 0 if live runs work."""
    from sandbox import calibration
    from sandbox.engines.live import broker, hooks

    brokers = {}
    for name in broker.CHOICES:
        try:
            brokers[name] = broker.choose(name).why
        except EngineError as exc:
            brokers[name] = f"not here: {exc}"
    missing = hooks.missing_hooks()
    found = {
        "machine": calibration.machine(),
        "brokers": brokers,
        "calibrations": {name: calibration.read(name)[1] for name in ("redis", "fake")},
        "recorder": {h: f"cannot record {', '.join(k)}" for h, k in missing.items()} or "complete",
    }
    click.echo(report.to_json(found) if as_json else report.sections(found))
    context.exit(1 if missing else 0)


@click.command("list")
@click.argument("what", type=click.Choice(_LISTS), default="systems")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(what: str, as_json: bool) -> None:
    """List the systems, faults, schedules or metrics there are; of faults, on which platforms."""
    from sandbox.metrics import FAMILIES, METRICS
    from sandbox.schedules import SCHEDULES

    metrics = {name: (d.meaning, d.unit) for name, d in METRICS.items()}
    metrics |= {f"{name}.NAME": (d.meaning, d.unit) for name, d in FAMILIES.items()}
    tables: dict[str, dict[str, Any]] = {
        "systems": {name: system.question for name, system in systems.all_systems().items()},
        "faults": report.faults(),
        "schedules": {name: report.first_line(make.__doc__) for name, make in SCHEDULES.items()},
        "metrics": {
            name: f"{report.first_line(meaning)} [{unit or 'share'}]"
            for name, (meaning, unit) in metrics.items()
        },
    }
    click.echo(report.to_json(tables[what]) if as_json else report.listing(tables[what]))


@click.command()
@click.argument("scenario", required=False)
@deriving
def schema(
    scenario: str | None,
    commands: tuple[str, ...],
    rates: tuple[str, ...],
    service: tuple[str, ...],
    horizon: float | None,
) -> None:
    """Print the JSON Schema of scenarios, or one SCENARIO as JSON to start from.

    SCENARIO may be a Celery app, module:app, with options as in predict.
    """
    if scenario is None:
        click.echo(report.to_json(json_schema()))
    else:
        given = Given(commands, rates, service, horizon)
        click.echo(scenario_of(scenario, given).to_json())


@click.command()
@click.argument("system")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(system: str, as_json: bool) -> None:
    """Say what SYSTEM is: question, variants, corrections, what is mended and why."""
    found = report.system_data(systems.get(system))
    click.echo(report.to_json(found) if as_json else report.sections(found))
