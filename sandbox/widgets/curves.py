"""Curves: depth, throughput, latency, utilisation before a prediction; drawn by ``curves.js``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.pictures import curves as picture
from sandbox.pictures import curves_table
from sandbox.prediction import Prediction
from sandbox.run import Run
from sandbox.widgets.modules import CURVES, joined, styles
from sandbox.widgets.over_time import OverTime
from sandbox.widgets.series import band, bin_s_of, end_of, predicted_runs


class Curves(OverTime):
    """Four curves over time, in step with the cursor; behind them the range that was predicted.

    ``prediction`` is a `Prediction`, whose scenario the model then runs eight times, or the
    model's runs themselves; the band goes from their lowest number to their highest.
    """

    _esm = joined(*CURVES)
    _css = styles("board.css", "plots.css", "curves.css")

    def __init__(
        self,
        run: Run,
        prediction: Prediction | Run | Sequence[Run] | None = None,
        *,
        at_s: float = 0.0,
    ) -> None:
        predicted = [] if prediction is None else predicted_runs(prediction)
        first = predicted[0] if predicted else None
        super().__init__(
            run,
            curve_head(run, predicted),
            lambda: (picture(run, first), curves_table(run, first)),
            cursor_s=at_s,
        )


def curve_head(run: Run, predicted: Sequence[Run] = ()) -> dict[str, Any]:
    """Return the bins' length (s) and the predicted band."""
    bin_s = bin_s_of(max(end_of(one) for one in (run, *predicted)))
    return {"bin_s": bin_s, "band": band(predicted, bin_s)}
