"""Predict: replications of the model within a budget of time, and what a comparison needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sandbox.collector import collector_paused
from sandbox.definitions import Metrics
from sandbox.engines.model import start
from sandbox.metrics import READ, measure
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction
from sandbox.scenario import Scenario

_FEWEST = 3
_MOST = 400
_SEED_STEP = 7_919
"""Seeds of replications lie this far apart from the scenario's own, which is the paired run's."""


def _model(scenario: Scenario, overheads: Overheads) -> Metrics:
    with collector_paused():
        session = start(scenario, overheads=overheads, kinds=READ)
        session.wait()
        return measure(session.close())


def predict(  # noqa: PLR0913 - all but the scenario have defaults
    scenario: Scenario,
    *,
    overheads: Overheads | None = None,
    budget_s: float = 4.0,
    wrong: Mapping[str, Scenario] | None = None,
    rejects: Mapping[str, tuple[str, ...]] | None = None,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Prediction:
    """Return the model's paired run and as many replications as ``budget_s`` allows.

    There are at least 3 replications, each with draws of its own.

    ``wrong`` are models that are wrong on purpose, and ``rejects`` the metrics that must tell
    them apart. ``on_progress`` is called with the share of the budget that is used.
    """
    began = time.monotonic()
    used = Overheads() if overheads is None else overheads
    paired = _model(scenario, used)
    wrongs = {name: _model(other, used) for name, other in (wrong or {}).items()}
    sensitivity = tuple(_model(scenario, used.moved(by)) for by in (-1, 1))
    replications: list[Metrics] = []
    while len(replications) < _MOST:
        share = (time.monotonic() - began) / budget_s
        on_progress(min(1.0, share))
        if share >= 1 and len(replications) >= _FEWEST:
            break
        seed = (scenario.seed + _SEED_STEP * (len(replications) + 1)) % 2**63
        replications.append(_model(scenario.but(seed=seed), used))
    return Prediction(
        scenario, used, paired, tuple(replications), wrongs, rejects or {}, sensitivity
    )
