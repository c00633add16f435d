"""Lab: all that a notebook imports, under one name; it has no logic of its own.

One kernel has one running system: ``start`` first closes the one before, so that a cell that
is run again leaves no second system behind. ``$SANDBOX_BROKER`` chooses the broker.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, overload

from sandbox import (
    AutoRetry,
    Burst,
    Deterministic,
    Poisson,
    Run,
    Scenario,
    TaskType,
    WorkerPool,
    audit,
    claims,
    compare,
    counterfactual,
    load,
    measure,
    what_if,
    workbench,
)
from sandbox.engines import Session
from sandbox.engines.live.broker import choose
from sandbox.faults import At, OnEvent
from sandbox.faults.kill_worker import KillWorker
from sandbox.faults.skip import Skip
from sandbox.labs import moments, stand_in, waits
from sandbox.labs.guesses import Guess
from sandbox.labs.kernel import (
    broker_for,
    check,
    counts,
    current,
    hint,
    lesson,
    number,
    scenario_of,
    unless_open,
)
from sandbox.pictures import (
    board_picture,
    board_table,
    claims_table,
    counterfactual_picture,
    counterfactual_table,
    curves_table,
    retry_gaps,
    side_by_side,
    task_table,
    timeline_table,
    what_if_picture,
    what_if_table,
)
from sandbox.pictures import curves as curves_picture
from sandbox.pictures import timeline as timeline_picture
from sandbox.prediction import Prediction
from sandbox.systems import get as system
from sandbox.widgets import Board as board  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Boards as boards  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Curves as curves  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Linked as linked  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Panel as panel  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Scenarios
from sandbox.widgets import Sliders as sliders  # noqa: N813 - a lab calls it like a function
from sandbox.widgets import Timeline as timeline  # noqa: N813 - a lab calls it like a function
from sandbox.widgets.page import export_html

__all__ = [
    "At",
    "AutoRetry",
    "Burst",
    "Deterministic",
    "KillWorker",
    "OnEvent",
    "Poisson",
    "Scenario",
    "Skip",
    "TaskType",
    "WorkerPool",
    "audit",
    "board",
    "board_picture",
    "board_table",
    "boards",
    "broker",
    "check",
    "claims",
    "claims_table",
    "compare",
    "counterfactual",
    "counterfactual_picture",
    "counterfactual_table",
    "counts",
    "curves",
    "curves_picture",
    "curves_table",
    "export_html",
    "hint",
    "in_time",
    "journey",
    "lesson",
    "linked",
    "load",
    "measure",
    "measured",
    "model",
    "n_in",
    "n_raised",
    "number",
    "panel",
    "places",
    "predict",
    "progress",
    "reset",
    "retry_gaps",
    "run",
    "run_or_model",
    "scenarios",
    "side_by_side",
    "sliders",
    "so_far",
    "start",
    "states",
    "system",
    "task_table",
    "timeline",
    "timeline_picture",
    "timeline_table",
    "what_if",
    "what_if_picture",
    "what_if_table",
]

BROKER = os.environ.get("SANDBOX_BROKER", "auto")
ENGINE: workbench.Engine = "model" if os.environ.get("SANDBOX_ENGINE") == "model" else "live"
"""Where ``run`` runs: on real workers, or, to try a lab out in a second, in the model."""
_running: list[Session] = []


def start(scenario: Scenario) -> Session:
    """Start real workers and leave them running; the system started before is closed."""
    while _running:
        _running.pop().close()
    session = workbench.start(scenario, broker=broker_for(scenario, BROKER))
    _running.append(session)
    return session


def run(scenario: Scenario, *, asks: Iterable[str] | None = None, at_s: float | None = None) -> Run:
    """Run a scenario on real workers until everything is done; return what happened.

    ``asks``: ids that Celery is asked for, ``at_s`` seconds into the run or at its end; ``states``
    tells what it answered.
    """

    def live(given: Scenario) -> Run:
        one = scenario_of(given)
        fit = broker_for(one, BROKER)
        if asks is None or ENGINE == "model":
            return workbench.run(one, engine=ENGINE, broker=fit)
        return moments.run_and_ask(one, asks, at_s, fit)

    found: Run = unless_open(live, scenario)
    return found


def run_or_model(scenario: Scenario) -> Run:
    """Run real workers; where this broker cannot do what is asked, say so and run the model."""

    def live(given: Scenario) -> Run:
        one = scenario_of(given)
        return stand_in.run_or_model(one, ENGINE, broker_for(one, BROKER))

    found: Run = unless_open(live, scenario)
    return found


def measured(value: Any, run: Run) -> Any:
    """Return what was taken of a run of real workers; nothing of the model's."""
    return unless_open(lambda one: stand_in.measured(value, one), run)


def n_raised(run: Run) -> Any:
    """Return how many calls of ``apply_async`` raised an error in a run."""
    return unless_open(waits.n_raised, run)


def in_time(run: Run, within_s: float) -> Any:
    """Return how many tasks began within ``within_s`` seconds after they were sent."""
    return unless_open(lambda one: waits.in_time(one, within_s), run)


def places(run: Run, at_s: float) -> Any:
    """Return how many tasks are where, ``at_s`` seconds into a run, as a table."""
    return unless_open(moments.places, run, at_s)


def journey(run: Run, task: str) -> Any:
    """Return what happened to one task, as a table."""
    return unless_open(moments.journey, run, task)


def states(run: Run, asks: Iterable[str], at_s: float | None = None) -> Any:
    """Return what Celery answers for each id, at the run's end or ``at_s`` seconds into it."""
    return unless_open(lambda one: moments.states(one, asks, at_s), run)


def n_in(state: str, run: Run, asks: Iterable[str], at_s: float | None = None) -> Any:
    """Return for how many of these ids Celery answers ``state``."""
    return unless_open(lambda one: moments.n_in(state, one, asks, at_s), run)


def broker() -> str:
    """Say which broker this kernel's systems run on, and why."""
    choice = choose(BROKER)
    return f"{choice.kind} ({choice.why})"


@overload
def predict(what: Scenario) -> Prediction: ...
@overload
def predict(what: str, guess: object) -> Guess: ...
def predict(what: Scenario | str, guess: object = None) -> Prediction | Guess:
    """Predict a scenario with this machine's overheads, measured first if need be (10 s).

    With a question and a number: keep that as the learner's own prediction.
    """
    if isinstance(what, str):
        return current().guess(what, guess)
    return workbench.predict(what, overheads=workbench.calibrated(BROKER))


def model(scenario: Scenario) -> Run:
    """Run a scenario in the model, with the same draws; no worker is started."""
    found: Run = unless_open(lambda one: workbench.run(scenario_of(one), engine="model"), scenario)
    return found


def progress() -> Any:
    """Return what is done of the labs in this folder, as a table."""
    return current().done()


def reset() -> str:
    """End what a lab left half-way: its running system, its notes in this folder."""
    while _running:
        _running.pop().close()
    return current().reset()


def scenarios(system: str = "leadlawk") -> Scenarios:
    """Show the systems' named scenarios, one click each: the model at once, or real workers."""
    return Scenarios(system, start=start)


def so_far(session: Session) -> Run:
    """Return what has happened in a running system until now; it goes on."""
    events = sorted(session.events_since(0), key=lambda event: event.t_s)
    return Run(session.scenario, tuple(events), dict(session.info))
