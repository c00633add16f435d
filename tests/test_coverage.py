"""The tool behind ``make coverage``: its systems vary, and it can tell a bad interval."""

from __future__ import annotations

import math
from dataclasses import replace

from proof.coverage import METRICS, inside, systems, table
from proof.grid import predicted
from proof.row import Row
from sandbox.engines.predicting import predict
from sandbox.metrics import measure
from sandbox.overheads import Overheads


def test_the_model_s_own_further_runs_lie_inside() -> None:
    """What the live runs are held to, the model itself keeps: about 95 %; halved, it does not."""
    overheads = Overheads(relative_error=0.0)
    prediction = predict(systems()["late-4"], overheads=overheads, budget_s=1.0)
    halved = replace(prediction, replications=(prediction.replications[0],) * 3)
    found, narrow = [], []
    for i in range(40):
        scenario = prediction.scenario.but(seed=1_000_003 + i)
        metrics = measure(predicted(Row("late-4", scenario, (), ()), overheads))
        for name in METRICS:
            value = metrics.value(name)
            if not math.isnan(value):
                found.append(inside(prediction, name, value))
                narrow.append(inside(halved, name, value))
    assert sum(found) / len(found) >= 0.85
    assert sum(narrow) / len(narrow) < 0.85


def test_every_metric_varies() -> None:
    """A count that nothing can change would be inside always, and flatter the share."""
    for name, scenario in systems().items():
        prediction = predict(scenario, overheads=Overheads(), budget_s=0.05)
        for metric in METRICS:
            assert len(set(prediction.values(metric))) > 1, (name, metric)


def test_the_table_counts_all_metrics_together() -> None:
    """Its last line is the sum of the others."""
    lines, share = table({"a": [True, False], "b": [True, True]})
    assert lines[-1].startswith("| all | 3 | 4 | 75.0% ")
    assert share == 0.75
