"""The command line: ``sandbox doctor | list | predict | run | compare | audit | demo`` and more.

Exit status: 0 all is well, 1 a row differs (or is unknown without having been named in
advance), 2 the input is wrong, 3 an engine could not do its work, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox import (
    about_command,
    audit_command,
    claims_command,
    export_command,
    labs_command,
    report,
    service_command,
    systems,
    what_if_command,
    workshop_command,
)
from sandbox.console import BUDGET, Group, progress
from sandbox.errors import EngineError, ScenarioError
from sandbox.scenario import Scenario
from sandbox.schedule_options import scheduled, scheduling
from sandbox.sources import Given, deriving, scenario_of

if TYPE_CHECKING:
    from sandbox.engines import Session
    from sandbox.engines.live.broker import BrokerChoice
    from sandbox.overheads import Overheads
    from sandbox.prediction import Prediction
    from sandbox.run import Run

_TICK_S = 0.25
_BROKER_HELP = "auto, redis, bundled, fake, or a redis:// URL (everything stays under a prefix)."


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="celery-sandbox-lab", prog_name="sandbox")
def main() -> None:
    """Predict a Celery + Redis system, run it on real workers, crash it, compare."""


def _choose(broker: str) -> BrokerChoice:
    """Return which broker is meant; a name or URL that no machine could have is wrong input."""
    from sandbox.engines.live.broker import CHOICES, choose

    try:
        return choose(broker)
    except EngineError as exc:
        raise exc if broker in CHOICES else ScenarioError(str(exc)) from None
    except ValueError as exc:
        raise ScenarioError(f"broker is not a URL that can be read: {exc}") from None


# --- calibrate, predict --------------------------------------------------------------------


@main.command()
@click.option("--broker", default="auto", show_default=True, help=_BROKER_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(broker: str, as_json: bool) -> None:
    """Measure what Celery adds to a task on this machine, on no-op tasks (below 10 s)."""
    measured = _calibrate(broker, quiet=as_json)
    click.echo(report.to_json(measured.model_dump()) if as_json else report.overheads(measured))


def _calibrate(broker: str, *, quiet: bool) -> Overheads:
    from sandbox.engines.live.calibrate import calibrate as measure_overheads

    _choose(broker)
    if not quiet:
        click.echo("calibrating on no-op tasks …", err=True)
    return measure_overheads(broker)


@main.command()
@click.argument("scenario")
@click.option("--broker", default="auto", show_default=True, help=_BROKER_HELP)
@BUDGET
@click.option("--seed", type=int, help="Other draws than the scenario's own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@scheduling
@deriving
def predict(  # noqa: PLR0913, PLR0917 - one parameter an option
    scenario: str,
    broker: str,
    budget: float,
    seed: int | None,
    as_json: bool,
    commands: tuple[str, ...],
    rates: tuple[str, ...],
    service: tuple[str, ...],
    horizon: float | None,
    schedule: str | None,
    at: float | None,
) -> None:
    """Predict SCENARIO with the model; starts no worker.

    SCENARIO is a system's name, a JSON file, the folder of a stored run, which is fitted, or a
    Celery app: module:app, with a --command for each worker, a --rate and a --service for tasks.
    The overheads are those of BROKER's calibration if one is stored, else defaults.
    """
    from sandbox import workbench

    given = Given(commands, rates, service, horizon)
    described = scheduled(_seeded(scenario_of(scenario, given), seed), schedule, at)
    _choose(broker)
    prediction = _predict(described, budget, workbench.known(broker), quiet=as_json)
    if as_json:
        click.echo(report.to_json(report.prediction_data(prediction)))
    else:
        click.echo(report.prediction(prediction))


def _seeded(scenario: Scenario, seed: int | None) -> Scenario:
    return scenario if seed is None else scenario.but(seed=seed)


def _predict(scenario: Scenario, budget: float, overheads: Overheads, *, quiet: bool) -> Prediction:
    from sandbox import workbench

    with progress("predicting", hidden=quiet) as tell:
        return workbench.predict(scenario, budget_s=budget, overheads=overheads, on_progress=tell)


about_command.add_to(main)
what_if_command.add_to(main, scenario_of)
audit_command.add_to(main)
claims_command.add_to(main)
export_command.add_to(main)
service_command.add_to(main)
labs_command.add_to(main)
workshop_command.add_to(main)


# --- run, compare, demo --------------------------------------------------------------------


@main.command()
@click.argument("scenario")
@click.option("--broker", default="auto", show_default=True, help=_BROKER_HELP)
@click.option(
    "--engine",
    type=click.Choice(["live", "model"]),
    default="live",
    show_default=True,
    help="Real workers, or the model alone, which is only measured.",
)
@BUDGET
@click.option("--seed", type=int, help="Other draws than the scenario's own.")
@click.option("--runs", default="runs", show_default=True, help="Folder that keeps the record.")
@click.option("--ledger", default="", help="A postgresql:// URL for effects, not the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@scheduling
@click.pass_context
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: click.Context,
    scenario: str,
    broker: str,
    engine: str,
    budget: float,
    seed: int | None,
    runs: str,
    ledger: str,
    as_json: bool,
    schedule: str | None,
    at: float | None,
) -> None:
    """Predict SCENARIO, run it on real workers, and hold one against the other."""
    described = scheduled(_seeded(scenario_of(scenario), seed), schedule, at)
    if engine == "model":
        _run_model(described, as_json=as_json)
        return
    _check_faults(described, broker)
    overheads = _overheads_for(broker, quiet=as_json)
    prediction = _predict(described, budget, overheads, quiet=as_json)
    _say_overheads(overheads, quiet=as_json)
    measured, folder = _run_live(described, broker, runs, ledger, quiet=as_json)
    _conclude(context, report.judge(measured, prediction), folder, as_json=as_json)


def _check_faults(scenario: Scenario, broker: str) -> None:
    """Refuse a fault that is not for this broker before a calibration is measured on it."""
    from sandbox.engines.live.allowed import check_faults

    check_faults(scenario, _choose(broker))


def _run_model(scenario: Scenario, *, as_json: bool) -> None:
    from sandbox import workbench
    from sandbox.audit import audit
    from sandbox.metrics import measure

    done = workbench.run(scenario, engine="model")
    metrics = measure(done)
    if as_json:
        click.echo(report.to_json({name: metrics.value(name) for name in metrics}))
    else:
        click.echo(metrics.to_frame()[["value", "unit"]].to_string())
        click.echo(audit(done).summary())


def _overheads_for(broker: str, *, quiet: bool) -> Overheads:
    """Return a usable calibration of the broker; measure it when there is none."""
    from sandbox import workbench

    def tell(why: str) -> None:
        if not quiet:
            click.echo(f"{why}; calibrating on no-op tasks …", err=True)

    _choose(broker)
    return workbench.calibrated(broker, tell=tell)


def _say_overheads(overheads: Overheads, *, quiet: bool) -> None:
    """Say what a prediction rests on, and how old it is."""
    if not quiet:
        click.echo(f"overheads: {overheads.source}")


def _run_live(
    scenario: Scenario, broker: str, runs: str, ledger: str, *, quiet: bool
) -> tuple[Run, Path]:
    from sandbox.engines.live import start

    with start(scenario, broker=broker, runs=runs, ledger=ledger) as session:
        if not quiet:
            click.echo(f"broker: {session.broker.label} ({session.broker.why})")
            for command in session.info["commands"]:
                click.echo(f"worker: {command}")
            for note in session.info["notes"]:
                click.echo(f"note: {note}")
        with progress("running real workers", hidden=quiet) as tell:
            _wait(session, tell)
    return session.close(), session.folder


def _wait(session: Session, tell: Callable[[float], None]) -> None:
    while session.wait(timeout_s=_TICK_S) == "timeout":
        tell(session.now_s / session.scenario.horizon_s)


def _conclude(
    context: click.Context, judged: report.Judged, folder: Path, *, as_json: bool
) -> None:
    """Print the whole report; exit with 1 if anything should not have happened."""
    click.echo(report.to_json(judged.data(folder)) if as_json else judged.text(folder))
    context.exit(1 if judged.surprises else 0)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@BUDGET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def compare(context: click.Context, folder: str, budget: float, as_json: bool) -> None:
    """Hold the stored run in FOLDER against a prediction of its scenario."""
    from sandbox import workbench
    from sandbox.run import Run as StoredRun

    measured = StoredRun.load(folder)
    overheads = workbench.overheads_of(measured)
    prediction = _predict(measured.scenario, budget, overheads, quiet=as_json)
    _say_overheads(overheads, quiet=as_json)
    _conclude(context, report.judge(measured, prediction), Path(folder), as_json=as_json)


@main.command()
@click.option("--broker", default="auto", show_default=True, help=_BROKER_HELP)
@click.option("--runs", default="runs", show_default=True, help="Folder that keeps the record.")
@click.pass_context
def demo(context: click.Context, broker: str, runs: str) -> None:
    """The main job in a minute: predict LeadLawk, run it, kill a worker, compare."""
    _choose(broker)
    system = systems.get("leadlawk")
    click.echo(f"{system.document}\n{system.question}\n")
    for line in (*system.corrections, *system.assumptions):
        click.echo(f"- {line}")
    click.echo("")
    context.invoke(run, scenario="leadlawk", broker=broker, runs=runs)


if __name__ == "__main__":
    main()
