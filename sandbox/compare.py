"""Compare: one measured run beside its prediction, row by row: agree, differ or unknown.

Two judges. *Paired*: the model run on the same draws, with a tolerance. *Interval*: the 95 %
prediction interval for one further run, joint over the rows. The paired judge is sharper, so
it decides where it can; each says ``unknown``, and why, where it is too blunt to tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sandbox.claims import Claim, ClaimVerdict, judge_claim
from sandbox.comparison import Comparison, Row, Verdict, shown
from sandbox.definitions import Metrics
from sandbox.metrics import METRICS, known, measure
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction
from sandbox.run import Run

__all__ = ["Claim", "ClaimVerdict", "Comparison", "Row", "compare", "judge_claim"]

WIDEST = 0.15
"""A tolerance or a half-width above this share of the value hides more than it shows."""

_SENSITIVITY = 3.0  # spreads of the calibration's uncertainty that a tolerance allows
_FLOOR = 3.0  # overheads of one task below which two times cannot be told apart
_LOAD_COUNT = 2.0  # messages by which a count that timing decides may differ
_ROUNDING = 1e-9
_OVER = f"more than {WIDEST:.0%} of the"

_Opinion = tuple[Verdict, str]


def compare(
    run: Run,
    prediction: Prediction,
    *,
    rows: Sequence[str] | None = None,
    tolerances: Mapping[str, float] | None = None,
) -> Comparison:
    """Judge a measured run against its prediction, on ``rows`` or on every compared metric.

    ``tolerances`` replaces the share of the prediction that a metric may miss; for a count
    that Celery's semantics fix it is a number. Raises ValueError for a name that is no
    metric, for another scenario, and for a paired prediction with other draws.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> run = Run(one, (Event(0.0, "sent", "hi/0", queue="celery"),))
    >>> compare(run, Prediction(one, Overheads(), measure(run)), rows=["stuck"]).verdict
    'agree'
    """
    _same(run, prediction)
    for name in (*(rows or ()), *(tolerances or {})):
        known(name)
    measured = measure(run)
    names = [
        name
        for name in (_usual() if rows is None else dict.fromkeys(rows))
        if not (math.isnan(measured.value(name)) and _undefined(prediction, name))
    ]
    cases = [_Case(name, measured, prediction, len(names), tolerances or {}) for name in names]
    return Comparison(
        scenario=run.scenario.name,
        rows=tuple(case.row for case in cases),
        wrong=tuple(prediction.wrong),
        rejected=tuple(
            model for model in prediction.wrong if any(case.rejects(model) for case in cases)
        ),
    )


def _same(run: Run, prediction: Prediction) -> None:
    """Refuse what cannot be compared."""
    ours, theirs = run.scenario, prediction.scenario
    if ours.name != theirs.name:
        raise ValueError(f"the run is of {ours.name!r} but the prediction of {theirs.name!r}")
    if prediction.paired is not None and ours.seed != theirs.seed:
        raise ValueError(
            f"the run has seed {ours.seed} but the paired prediction {theirs.seed}; "
            "for other draws, pass a prediction whose paired is None"
        )


def _usual() -> list[str]:
    """Return the metrics that are compared without being asked for."""
    return [name for name, definition in METRICS.items() if definition.compared]


def _undefined(prediction: Prediction, name: str) -> bool:
    """Whether the prediction says nothing but nan of a metric."""
    if prediction.paired is not None:
        return math.isnan(prediction.paired.value(name))
    return not prediction.values(name)


@dataclass(frozen=True)
class _Case:
    """One metric before the two judges; ``n_rows`` are judged jointly."""

    name: str
    all_measured: Metrics
    prediction: Prediction
    n_rows: int
    tolerances: Mapping[str, float]

    @property
    def measured(self) -> float:
        return self.all_measured.value(self.name)

    @property
    def paired(self) -> float:
        paired = self.prediction.paired
        return math.nan if paired is None else paired.value(self.name)

    @property
    def centre(self) -> float:
        """The value that shares refer to: the paired one, else the replications' mean."""
        return self.prediction.mean(self.name) if math.isnan(self.paired) else self.paired

    @property
    def calibration(self) -> float:
        """What the uncertainty of the calibration excuses, in the metric's unit."""
        if known(self.name).kind == "count":
            return 0.0
        return _SENSITIVITY * self.prediction.spread(self.name)

    def excuses(self, value: float) -> dict[str, float]:
        """Return how far a run may lie from a predicted ``value``, and for which reasons."""
        definition = known(self.name)
        base = self.tolerances.get(self.name, definition.tolerance)
        if definition.kind == "count" and not definition.tolerance:
            return {"the allowance": base}
        excuses = {"the allowance": base * abs(value)}
        if definition.kind == "count":
            return excuses | {"the timing of the load": _LOAD_COUNT}
        if definition.kind == "time":
            excuses["the overheads of a task"] = _floor_s(self.prediction.overheads)
        return excuses | {"the calibration's uncertainty": self.calibration}

    @cached_property
    def tolerance(self) -> float:
        """How far the measured value may lie from the paired one, in the metric's unit."""
        return max(self.excuses(self.centre).values())

    @cached_property
    def half_width(self) -> float:
        """How far one further run on real workers may lie from the replications' mean.

        Nobody is held to less than the tolerance, which draws without spread would ask for.
        """
        half = self.prediction.half_width(self.name, self.n_rows)
        if math.isnan(half):
            return math.nan
        return max(half, *self.excuses(self.prediction.mean(self.name)).values())

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The interval for one further run on real workers; nan without replications."""
        if math.isnan(self.half_width):
            return math.nan, math.nan
        mean = self.prediction.mean(self.name)
        return max(0.0, mean - self.half_width), mean + self.half_width

    @cached_property
    def row(self) -> Row:
        """What both judges say, combined."""
        low, high = self.bounds
        paired, interval = self._paired(), self._interval()
        usual = low - _ROUNDING <= self.paired <= high + _ROUNDING
        verdict, why = _combined(paired, interval, usual=usual)
        return Row(
            name=self.name,
            unit=known(self.name).unit,
            measured=self.measured,
            paired=self.paired,
            tolerance=self.tolerance,
            low=low,
            high=high,
            paired_verdict=paired[0],
            interval_verdict=interval[0],
            verdict=verdict,
            why=why,
        )

    # --- the two judges --------------------------------------------------------------

    def _paired(self) -> _Opinion:
        if self.prediction.paired is None:
            return "unknown", "no prediction on the same draws"
        if math.isnan(self.measured) or math.isnan(self.paired):
            return "differ", self._one_sided()
        race = known(self.name).race
        if race is not None:
            return "unknown", f"a race decides {race}, not the draws"
        if self._too_wide(self.tolerance, self.paired):
            cause = self._cause(self.paired)
            return "unknown", f"{shown(self.tolerance)} is left to {cause}, {_OVER} prediction"
        for model, value in self._must_reject():
            if abs(value - self.paired) <= self.tolerance + _ROUNDING:
                return "unknown", f"{model!r} predicts {shown(value)}, within the tolerance"
        gap = abs(self.measured - self.paired)
        verdict: Verdict = "agree" if gap <= self.tolerance + _ROUNDING else "differ"
        return verdict, f"{shown(gap)} from the prediction on the same draws"

    def _interval(self) -> _Opinion:  # noqa: PLR0911 - one line for each way out
        n, defined = len(self.prediction.replications), len(self.prediction.values(self.name))
        if math.isnan(self.measured) and defined < n:
            return "unknown", f"undefined in {n - defined} of {n} replications too"
        if n and math.isnan(self.measured) != (defined == 0):
            return "differ", self._one_sided()
        if math.isnan(self.half_width):
            return "unknown", f"{defined} replications define it; two are needed"
        if self._too_wide(self.half_width, self.prediction.mean(self.name)):
            return "unknown", f"the interval is ± {shown(self.half_width)}, {_OVER} mean"
        low, high = self.bounds
        for model, value in self._must_reject():
            if low - _ROUNDING <= value <= high + _ROUNDING:
                return "unknown", f"{model!r} predicts {shown(value)}, inside the interval"
        if low - _ROUNDING <= self.measured <= high + _ROUNDING:
            return "agree", "inside the interval"
        return "differ", "outside the interval"

    def _one_sided(self) -> str:
        side = "prediction" if math.isnan(self.measured) else "measured run"
        return f"defined in the {side} only"

    def _cause(self, value: float) -> str:
        excuses = self.excuses(value)
        return max(excuses, key=lambda cause: excuses[cause])

    def _too_wide(self, width: float, value: float) -> bool:
        """Whether a verdict within ``width`` would say too little about ``value``."""
        definition = known(self.name)
        # A count cannot vary by less than one; 15 % of a small one would ask for that.
        step = (_LOAD_COUNT if definition.tolerance else 1.0) if definition.kind == "count" else 0.0
        return width > max(WIDEST * abs(value), step) + _ROUNDING

    # --- wrong models ----------------------------------------------------------------

    def _must_reject(self) -> Iterator[tuple[str, float]]:
        """Yield the wrong models that this row is named to tell apart, where they define it."""
        for model, names in self.prediction.rejects.items():
            value = self.prediction.wrong[model].value(self.name)
            if self.name in names and not math.isnan(value):
                yield model, value

    def rejects(self, model: str) -> bool:
        """Whether this row's judge, given the wrong model instead, would have said differ.

        A model that names its rows can be rejected by those only; one that names none, by any.
        """
        names = self.prediction.rejects.get(model, ())
        row = self.row
        if (names and self.name not in names) or row.verdict == "unknown":
            return False
        value = self.prediction.wrong[model].value(self.name)
        if math.isnan(value) or math.isnan(self.measured):
            return math.isnan(value) != math.isnan(self.measured)
        if row.paired_verdict != "unknown":
            nearest = min(abs(value - self.measured), abs(value - self.paired))
            return nearest > self.tolerance + _ROUNDING
        return not row.low - _ROUNDING <= value <= row.high + _ROUNDING


def _combined(paired: _Opinion, interval: _Opinion, *, usual: bool) -> _Opinion:
    """Let the paired judge decide where it can, unless the interval contradicts it.

    ``usual``: the paired prediction lies inside the interval itself.
    """
    if paired[0] == "unknown":
        both = f"paired: {paired[1]}; interval: {interval[1]}"
        return interval if interval[0] != "unknown" else ("unknown", both)
    if paired[0] == "agree" and interval[0] == "differ":
        if usual:
            return "differ", f"{paired[1]}, but outside the interval that contains that one"
        return "agree", f"{paired[1]}; unusual draws: that one is outside the interval too"
    if paired[0] == "differ" and interval[0] == "agree":
        return "differ", f"{paired[1]}, although inside the interval"
    return paired


def _floor_s(overheads: Overheads) -> float:
    """Return the seconds below which a time is made of overheads."""
    return _FLOOR * (
        overheads.publish_s
        + overheads.deliver_s
        + overheads.dispatch_s
        + overheads.finish_s
        + overheads.ack_s
    )
