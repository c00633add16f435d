"""Claims: what somebody says of a system, judged by what it and its model do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sandbox.comparison import shown
from sandbox.definitions import Metrics
from sandbox.metrics import known

Answer = Literal["right", "wrong", "depends", "not testable here"]


@dataclass(frozen=True)
class Claim:
    """What somebody says of a system; ``judge`` says whether a run's metrics bear it out.

    ``judge`` returns None where the metrics cannot tell. ``metric`` names the number to show.
    A verdict on a claim is not one on agreement: both engines may agree that a claim is wrong.

    >>> Claim("it is quick", "a blog", lambda metrics: metrics.value("mean_wait_s") < 1).source
    'a blog'
    """

    text: str
    source: str
    judge: Callable[[Metrics], bool | None]
    metric: str | None = None


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on a claim, with the predicted and the measured number (nan without one).

    >>> quick = Claim("it is quick", "a blog", lambda metrics: None)
    >>> print(ClaimVerdict(quick, "not testable here", predicted=math.nan, measured=math.nan))
    'it is quick' [a blog]: not testable here
    """

    claim: Claim
    verdict: Answer
    predicted: float
    measured: float

    def __str__(self) -> str:
        """Say it in one line."""
        unit = known(self.claim.metric).unit if self.claim.metric else ""
        numbers = f"predicted {shown(self.predicted)}, measured {shown(self.measured)} {unit}"
        told = f" ({numbers.rstrip()})" if self.claim.metric else ""
        return f"{self.claim.text!r} [{self.claim.source}]: {self.verdict}{told}"


def judge_claim(
    claim: Claim, measured: Metrics | None, predicted: Sequence[Metrics] = ()
) -> ClaimVerdict:
    """Judge a claim on a measured run and on predicted ones, of any draws and settings.

    ``right`` or ``wrong`` when all that can tell say so, ``depends`` when they are divided,
    ``not testable here`` when none can tell.

    >>> fast = Claim("it never waits", "a blog", lambda metrics: None)
    >>> judge_claim(fast, None).verdict
    'not testable here'
    """
    every = [*predicted, *([] if measured is None else [measured])]
    answers = {claim.judge(metrics) for metrics in every} - {None}
    verdict: Answer = "depends"
    if not answers:
        verdict = "not testable here"
    elif len(answers) == 1:
        verdict = "right" if answers == {True} else "wrong"
    numbers = [m.value(claim.metric) for m in predicted if claim.metric]
    mean = math.fsum(numbers) / len(numbers) if numbers else math.nan
    number = measured.value(claim.metric) if measured is not None and claim.metric else math.nan
    return ClaimVerdict(claim, verdict, mean, number)
