"""The workbench: start, run, predict and compare, with what is known of a named system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sandbox import calibration, systems
from sandbox.claims import ClaimVerdict, judge_claim
from sandbox.compare import compare as compare_rows
from sandbox.comparison import Comparison
from sandbox.engines import Session
from sandbox.errors import EngineError, one_of
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction
from sandbox.run import Run
from sandbox.scenario import Scenario

Engine = Literal["live", "model"]
_ENGINES = ("live", "model")


def start(  # noqa: PLR0913 - all but the scenario have defaults
    scenario: Scenario,
    *,
    engine: Engine = "live",
    broker: str = "auto",
    runs: str | Path = "runs",
    overheads: Overheads | None = None,
    ledger: str = "",
) -> Session:
    """Start a scenario and return its Session; close it (or use ``with``) to get the Run.

    ``live`` starts real workers on ``broker`` (auto, redis, bundled, fake or a URL) and keeps
    the record under ``runs``; ``model`` runs in virtual time, with ``overheads``. ``ledger``: a
    postgresql:// URL to which live bodies write their effects, else they go into the record.

    >>> from sandbox import systems
    >>> with start(systems.load("leadlawk"), engine="model") as session:
    ...     session.wait()
    'drained'
    """
    if engine == "model":
        from sandbox.engines import model

        return model.start(scenario, overheads=overheads)
    if engine == "live":
        from sandbox.engines import live

        return live.start(scenario, broker=broker, runs=runs, ledger=ledger)
    raise EngineError(f"engine is {engine!r}; allowed: {one_of(str(engine), _ENGINES)}")


def run(  # noqa: PLR0913 - all but the scenario have defaults
    scenario: Scenario,
    *,
    engine: Engine = "live",
    broker: str = "auto",
    runs: str | Path = "runs",
    overheads: Overheads | None = None,
    ledger: str = "",
) -> Run:
    """Start a scenario, wait until it is drained or its deadline is over, return the Run."""
    with start(
        scenario, engine=engine, broker=broker, runs=runs, overheads=overheads, ledger=ledger
    ) as session:
        session.wait()
    return session.close()


def calibrated(broker: str = "auto", *, tell: Callable[[str], None] = lambda _: None) -> Overheads:
    """Return this machine's overheads with ``broker``: stored, else measured first (10 s).

    ``tell`` is called before measuring, with a sentence on why nothing stored is used.
    """
    stored, told = calibration.read(_calibrated_as(broker))
    if stored is not None:
        return stored
    from sandbox.engines.live.calibrate import calibrate

    tell(told)
    return calibrate(broker)


def known(broker: str = "auto") -> Overheads:
    """Return this machine's overheads with ``broker`` as far as known; measure nothing.

    They are the stored calibration, else defaults; ``source`` says which, and why.
    """
    return calibration.known(_calibrated_as(broker))


def _calibrated_as(broker: str) -> str:
    from sandbox.engines.live.broker import choose

    choice = choose(broker)
    return calibration.broker_name(choice.kind, choice.url)


def overheads_of(measured: Run) -> Overheads:
    """Return the overheads to predict a stored run with: the calibration of its broker."""
    broker = str(measured.info.get("broker", "")).partition(" ")[0]
    return calibration.known(broker if broker in {"redis", "fake"} else "redis")


def predict(
    scenario: Scenario,
    *,
    broker: str = "auto",
    budget_s: float = 4.0,
    overheads: Overheads | None = None,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Prediction:
    """Return what the model says of a scenario, within ``budget_s`` seconds.

    Without ``overheads`` it is what runs on ``broker`` that is predicted, with its stored
    calibration, else with the defaults; ``prediction.overheads.source`` says which, and how
    old it is. No worker is started.
    """
    from sandbox.engines.predicting import predict as replicate

    system = systems.of_scenario(scenario)
    models = system.wrong if system is not None else {}
    return replicate(
        scenario,
        overheads=known(broker) if overheads is None else overheads,
        budget_s=budget_s,
        wrong={name: model.edit(scenario) for name, model in models.items()},
        rejects={name: model.rejected_by for name, model in models.items()},
        on_progress=on_progress,
    )


def compare(measured: Run, prediction: Prediction) -> Comparison:
    """Judge a run against its prediction, on the rows that its system names, or on all."""
    system = systems.of_scenario(measured.scenario)
    return compare_rows(measured, prediction, rows=(system.rows or None) if system else None)


def claims(measured: Run, prediction: Prediction | None = None) -> list[ClaimVerdict]:
    """Judge what the document of a run's system claims; empty for a scenario without one."""
    system = systems.of_scenario(measured.scenario)
    predicted = prediction.replications if prediction is not None else ()
    return [
        judge_claim(claim, measure(measured), predicted)
        for claim in (system.claims if system is not None else ())
        if system is not None and claim.metric and system.scenario in claim.shown_by.values()
    ]


def expected_unknown(scenario: Scenario) -> dict[str, str]:
    """Return the rows of which no verdict is expected, and why."""
    system = systems.of_scenario(scenario)
    return dict(system.may_be_unknown) if system is not None else {}
