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
from sandbox.widgets.stream import Shown, Stream, opened


class Curves(OverTime):
    """Four curves over time, in step with the cursor; behind them the range that was predicted.

    ``prediction`` is a `Prediction`, whose scenario the model then runs eight times, or the
    model's runs themselves; the band goes from their lowest number to their highest. The bins
    of a session without a prediction grow with it.
    """

    _esm = joined(*CURVES)
    _css = styles("board.css", "plots.css", "curves.css")

    def __init__(
        self,
        of: Shown,
        prediction: Prediction | Run | Sequence[Run] | None = None,
        *,
        at_s: float = 0.0,
        stream: Stream | None = None,
        **traits: Any,
    ) -> None:
        predicted = [] if prediction is None else predicted_runs(prediction)
        first = predicted[0] if predicted else None
        found = opened(of)[0] if stream is None else stream.of
        super().__init__(
            of,
            curve_head(found if isinstance(found, Run) else None, predicted),
            lambda run: (picture(run, first), curves_table(run, first)),
            stream=stream, cursor_s=at_s, **traits,
        )  # fmt: skip


def curve_head(run: Run | None, predicted: Sequence[Run] = ()) -> dict[str, Any]:
    """Return the bins' length (s), None where a session's end gives it, and the predicted band."""
    runs = [*predicted] if run is None else [run, *predicted]
    if not runs:
        return {"bin_s": None, "band": None}
    bin_s = bin_s_of(max(end_of(one) for one in runs))
    return {"bin_s": bin_s, "band": band(predicted, bin_s)}
