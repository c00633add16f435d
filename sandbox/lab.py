"""Lab: all that a notebook imports, under one name; it has no logic of its own.

One kernel has one running system: ``start`` first closes the one before, so that a cell that
is run again leaves no second system behind. ``$SANDBOX_BROKER`` chooses the broker.
"""

from __future__ import annotations

import os

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
    "claims",
    "claims_table",
    "compare",
    "counterfactual",
    "counterfactual_picture",
    "counterfactual_table",
    "curves",
    "curves_picture",
    "curves_table",
    "export_html",
    "linked",
    "load",
    "measure",
    "model",
    "panel",
    "predict",
    "retry_gaps",
    "run",
    "scenarios",
    "side_by_side",
    "sliders",
    "so_far",
    "start",
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
_running: list[Session] = []


def start(scenario: Scenario) -> Session:
    """Start real workers and leave them running; the system started before is closed."""
    while _running:
        _running.pop().close()
    session = workbench.start(scenario, broker=BROKER)
    _running.append(session)
    return session


def run(scenario: Scenario) -> Run:
    """Run a scenario on real workers until everything is done; return what happened."""
    return workbench.run(scenario, broker=BROKER)


def broker() -> str:
    """Say which broker this kernel's systems run on, and why."""
    choice = choose(BROKER)
    return f"{choice.kind} ({choice.why})"


def predict(scenario: Scenario) -> Prediction:
    """Predict with this machine's overheads, which are measured first if need be (10 s)."""
    return workbench.predict(scenario, overheads=workbench.calibrated(BROKER))


def model(scenario: Scenario) -> Run:
    """Run a scenario in the model, with the same draws; no worker is started."""
    return workbench.run(scenario, engine="model")


def scenarios(system: str = "leadlawk") -> Scenarios:
    """Show the systems' named scenarios, one click each: the model at once, or real workers."""
    return Scenarios(system, start=start)


def so_far(session: Session) -> Run:
    """Return what has happened in a running system until now; it goes on."""
    events = sorted(session.events_since(0), key=lambda event: event.t_s)
    return Run(session.scenario, tuple(events), dict(session.info))
