"""The command line: ``sandbox doctor | list | calibrate | predict | run | compare | demo``.

Exit status: 0 all is well, 1 a row differs (or is unknown without having been named in
advance), 2 the input is wrong, 3 an engine could not do its work, 130 interrupted.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox import systems
from sandbox.errors import EngineError, SandboxError, ScenarioError
from sandbox.scenario import Scenario, json_schema
from sandbox.sources import Given, deriving, scenario_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.comparison import Comparison
    from sandbox.engines import Session
    from sandbox.engines.live.broker import BrokerChoice
    from sandbox.overheads import Overheads
    from sandbox.prediction import Prediction
    from sandbox.run import Run

_TICK_S = 0.25
_BROKER_HELP = "auto, redis, bundled, fake, or a redis:// URL (everything stays under a prefix)."


class _Group(click.Group):
    """A group whose commands end in one sentence, never in a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except EngineError as exc:
            _complain(str(exc))
            context.exit(3)
        except (SandboxError, ValueError) as exc:
            _complain(str(exc))
            context.exit(2)
        except OSError as exc:
            if exc.errno == errno.EPIPE:  # the reader of our output has gone: click's business
                raise
            _complain(str(exc))
            context.exit(3)
        except KeyboardInterrupt:
            _complain("interrupted")
            context.exit(130)


def _complain(sentence: str) -> None:
    click.echo(f"sandbox: {sentence}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="celery-sandbox-lab", prog_name="sandbox")
def main() -> None:
    """Predict a Celery + Redis system, run it on real workers, crash it, compare."""


def _as_json(data: Any) -> None:
    click.echo(json.dumps(_finite(data), indent=1, default=str, allow_nan=False))


def _finite(data: Any) -> Any:
    """Return the data with null for what JSON has no number for."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _check_budget(context: click.Context, option: click.Parameter, value: float) -> float:
    if not 0 < value <= 3600:
        raise ScenarioError(f"budget is {value}; allowed: seconds above 0, up to 3600")
    return value


_BUDGET = click.option(
    "--budget",
    default=4.0,
    show_default=True,
    callback=_check_budget,
    help="Seconds for the prediction.",
)


def _choose(broker: str) -> BrokerChoice:
    """Return which broker is meant; a name or URL that no machine could have is wrong input."""
    from sandbox.engines.live.broker import CHOICES, choose

    try:
        return choose(broker)
    except EngineError as exc:
        raise exc if broker in CHOICES else ScenarioError(str(exc)) from None
    except ValueError as exc:
        raise ScenarioError(f"broker is not a URL that can be read: {exc}") from None


@contextmanager
def _progress(label: str, *, hidden: bool) -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal; yield a function that takes the share that is done."""
    hide = hidden or not sys.stderr.isatty()
    with click.progressbar(length=1000, label=label, file=sys.stderr, hidden=hide) as bar:
        yield lambda share: bar.update(max(0, int(1000 * min(share, 1.0)) - bar.pos))


# --- doctor, list, schema ------------------------------------------------------------------


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Say what this machine has: versions, brokers, calibrations; exit 0 if live runs work."""
    from sandbox import calibration
    from sandbox.engines.live import broker, recorder

    brokers = {}
    for name in broker.CHOICES:
        try:
            brokers[name] = broker.choose(name).why
        except EngineError as exc:
            brokers[name] = f"not here: {exc}"
    missing = recorder.missing_hooks()
    report = {
        "machine": calibration.machine(),
        "brokers": brokers,
        "calibrations": {name: calibration.read(name)[1] for name in ("redis", "fake")},
        "recorder": {h: f"cannot record {', '.join(k)}" for h, k in missing.items()} or "complete",
    }
    if as_json:
        _as_json(report)
    else:
        for part, found in report.items():
            click.echo(f"{part}:")
            items = found.items() if isinstance(found, dict) else [("", found)]
            for name, value in items:
                click.echo(f"  {name + ': ' if name else ''}{value}")
    context.exit(1 if missing else 0)


@main.command("list")
@click.argument("what", type=click.Choice(["systems", "faults", "metrics"]), default="systems")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(what: str, as_json: bool) -> None:
    """List the systems, faults or metrics there are."""
    from sandbox.faults import FAULTS
    from sandbox.metrics import METRICS

    tables: dict[str, dict[str, str]] = {
        "systems": {name: system.question for name, system in systems.all_systems().items()},
        "faults": {name: _first_line(fault.__doc__) for name, fault in FAULTS.items()},
        "metrics": {
            name: f"{_first_line(d.meaning)} [{d.unit or 'share'}]" for name, d in METRICS.items()
        },
    }
    if as_json:
        _as_json(tables[what])
        return
    width = max(map(len, tables[what]))
    for name, meaning in tables[what].items():
        click.echo(f"{name:<{width}}  {meaning}")


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


@main.command()
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
        _as_json(json_schema())
    else:
        given = Given(commands, rates, service, horizon)
        click.echo(scenario_of(scenario, given).to_json())


# --- calibrate, predict --------------------------------------------------------------------


@main.command()
@click.option("--broker", default="auto", show_default=True, help=_BROKER_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(broker: str, as_json: bool) -> None:
    """Measure what Celery adds to a task on this machine, on no-op tasks (about 5 s)."""
    overheads = _calibrate(broker, quiet=as_json)
    if as_json:
        _as_json(overheads.model_dump())
        return
    for name, value in overheads.model_dump().items():
        shown = f"{value * 1000:9.3f} ms" if name.endswith("_s") else f"{value}"
        click.echo(f"{name:<20} {shown}")


def _calibrate(broker: str, *, quiet: bool) -> Overheads:
    from sandbox.engines.live.calibrate import calibrate as measure_overheads

    _choose(broker)
    if not quiet:
        click.echo("calibrating on no-op tasks …", err=True)
    return measure_overheads(broker)


@main.command()
@click.argument("scenario")
@_BUDGET
@click.option("--seed", type=int, help="Other draws than the scenario's own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@deriving
def predict(  # noqa: PLR0913 - one parameter an option
    scenario: str,
    budget: float,
    seed: int | None,
    as_json: bool,
    commands: tuple[str, ...],
    rates: tuple[str, ...],
    service: tuple[str, ...],
    horizon: float | None,
) -> None:
    """Predict SCENARIO with the model; starts no worker.

    SCENARIO is a system's name, a JSON file, the folder of a stored run, which is fitted, or a
    Celery app: module:app, with a --command for each worker, a --rate and a --service for tasks.
    """
    given = Given(commands, rates, service, horizon)
    described = _seeded(scenario_of(scenario, given), seed)
    prediction = _predict(described, budget, None, quiet=as_json)
    frame = prediction.to_frame()
    if as_json:
        rows = json.loads(frame.reset_index().to_json(orient="records"))
        _as_json(
            {
                "scenario": described.name,
                "overheads": prediction.overheads.source,
                "n": len(prediction.replications),
                "rows": rows,
                "not_derived": [note.model_dump() for note in described.not_derived],
            }
        )
        return
    _show_prediction(prediction)
    for note in described.not_derived:
        click.echo(f"not derived: {note}")


def _seeded(scenario: Scenario, seed: int | None) -> Scenario:
    return scenario if seed is None else scenario.but(seed=seed)


def _predict(
    scenario: Scenario, budget: float, overheads: Overheads | None, *, quiet: bool
) -> Prediction:
    from sandbox import workbench

    with _progress("predicting", hidden=quiet) as tell:
        return workbench.predict(scenario, budget_s=budget, overheads=overheads, on_progress=tell)


def _show_prediction(prediction: Prediction) -> None:
    click.echo(
        f"{prediction.scenario.name}: {len(prediction.replications)} replications, "
        f"overheads: {prediction.overheads.source}"
    )
    click.echo(f"{'metric':<20}{'predicted':>12}{'± one further run':>20}  unit")
    for name, row in prediction.to_frame().iterrows():
        half = (row["high"] - row["low"]) / 2
        click.echo(f"{name:<20}{row['mean']:>12.4g}{half:>20.4g}  {row['unit']}")


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
@_BUDGET
@click.option("--seed", type=int, help="Other draws than the scenario's own.")
@click.option("--runs", default="runs", show_default=True, help="Folder that keeps the record.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def run(  # noqa: PLR0913 - one parameter an option
    context: click.Context,
    scenario: str,
    broker: str,
    engine: str,
    budget: float,
    seed: int | None,
    runs: str,
    as_json: bool,
) -> None:
    """Predict SCENARIO, run it on real workers, and hold one against the other."""
    described = _seeded(scenario_of(scenario), seed)
    if engine == "model":
        _run_model(described, as_json=as_json)
        return
    overheads = _overheads_for(broker, quiet=as_json)
    prediction = _predict(described, budget, overheads, quiet=as_json)
    measured, folder = _run_live(described, broker, runs, quiet=as_json)
    context.exit(_report(measured, prediction, folder, as_json=as_json))


def _run_model(scenario: Scenario, *, as_json: bool) -> None:
    from sandbox import workbench
    from sandbox.metrics import measure

    metrics = measure(workbench.run(scenario, engine="model"))
    if as_json:
        _as_json({name: metrics.value(name) for name in metrics})
    else:
        click.echo(metrics.to_frame()[["value", "unit"]].to_string())


def _overheads_for(broker: str, *, quiet: bool) -> Overheads:
    """Return a usable calibration of the broker; measure it when there is none."""
    from sandbox import calibration

    kind = _choose(broker).kind.replace("url", "redis")
    overheads, told = calibration.read(kind)
    if overheads is None:
        if not quiet:
            click.echo(told, err=True)
        return _calibrate(broker, quiet=quiet)
    return overheads


def _run_live(scenario: Scenario, broker: str, runs: str, *, quiet: bool) -> tuple[Run, Path]:
    from sandbox.engines.live import start

    with start(scenario, broker=broker, runs=runs) as session:
        if not quiet:
            click.echo(f"broker: {session.broker.label} ({session.broker.why})")
            for command in session.info["commands"]:
                click.echo(f"worker: {command}")
            for note in session.info["notes"]:
                click.echo(f"note: {note}")
        with _progress("running real workers", hidden=quiet) as tell:
            _wait(session, tell)
    return session.close(), session.folder


def _wait(session: Session, tell: Callable[[float], None]) -> None:
    while session.wait(timeout_s=_TICK_S) == "timeout":
        tell(session.now_s / session.scenario.horizon_s)


def _report(measured: Run, prediction: Prediction, folder: Path | None, *, as_json: bool) -> int:
    """Print comparison, claims and audit; return the exit status."""
    from sandbox import workbench
    from sandbox.audit import audit

    comparison = workbench.compare(measured, prediction)
    verdicts = workbench.claims(measured, prediction)
    expected = workbench.expected_unknown(measured.scenario)
    surprises = _surprises(comparison, expected)
    if as_json:
        _as_json(
            {
                "comparison": comparison.to_dict(),
                "claims": [str(verdict) for verdict in verdicts],
                "audit": audit(measured).counts(),
                "surprises": surprises,
                "run": str(folder) if folder else None,
                "info": measured.info,
            }
        )
        return 1 if surprises else 0
    click.echo(comparison.summary())
    click.echo(_conclusion(comparison, expected))
    for verdict in verdicts:
        click.echo(f"claim {verdict}")
    click.echo(audit(measured).summary())
    if folder is not None:
        click.echo(f"record: {os.path.relpath(folder)}")
    for surprise in surprises:
        click.echo(f"SURPRISE {surprise}")
    return 1 if surprises else 0


def _conclusion(comparison: Comparison, expected: dict[str, str]) -> str:
    """Say in one line how many rows agree, and which unknown ones were named in advance."""
    agree = sum(row.verdict == "agree" for row in comparison.rows)
    named = [
        row.name for row in comparison.rows if row.verdict == "unknown" and row.name in expected
    ]
    told = "; ".join(f"{name} is unknown, as named in advance: {expected[name]}" for name in named)
    return f"{agree} of {len(comparison.rows)} rows agree" + (f"; {told}" if told else "")


def _surprises(comparison: Comparison, expected: dict[str, str]) -> list[str]:
    """Return what should not have happened: rows that differ, rows unexpectedly unknown."""
    surprises = [
        f"{row.name}: {row.verdict}: {row.why}"
        for row in comparison.rows
        if row.verdict == "differ" or (row.verdict == "unknown" and row.name not in expected)
    ]
    return surprises + [
        f"wrong model {name!r} was not rejected" for name in comparison.not_rejected
    ]


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@_BUDGET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def compare(context: click.Context, folder: str, budget: float, as_json: bool) -> None:
    """Hold the stored run in FOLDER against a prediction of its scenario."""
    from sandbox.run import Run as StoredRun

    measured = StoredRun.load(folder)
    prediction = _predict(measured.scenario, budget, None, quiet=as_json)
    context.exit(_report(measured, prediction, Path(folder), as_json=as_json))


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
