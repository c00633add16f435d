"""Claims: what a document says of its system, judged by what the system and its model do.

A claim is one number, where the number comes from, and whether it bears the claim out. The number
is a metric of runs, is read from a run or from Celery's own configuration, or is seen in a living
system. Read ``Claim`` first; ``sandbox/evidence.py`` gathers what is needed to judge it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sandbox.comparison import shown
from sandbox.definitions import Metrics
from sandbox.errors import ScenarioError
from sandbox.metrics import known

if TYPE_CHECKING:
    from sandbox.engines.live.stage import Stage
    from sandbox.run import Run
    from sandbox.scenario import Scenario

Answer = Literal["right", "wrong", "depends", "not testable here"]


@dataclass(frozen=True)
class Claim:
    """What somebody says of a system; ``holds``: whether a number bears it out (None: no telling).

    The number is, of each scenario in ``shown_by`` (label -> scenario; several where it depends),
    the ``metric`` of its run or what ``number`` reads from the run. Else it is what ``reads`` finds
    in Celery's own configuration, or what ``probe`` sees in a living system. ``unit``: of a number
    that is no metric. A claim with none of them is not testable here, and ``why`` says why not.

    ``verdict`` and ``why`` are what this project says; a test holds the verdict to the evidence.
    ``rows``: the rows of the table of facts that it judges. ``not_live``: why real workers are not
    asked. ``needs``: what of Redis it needs that the fake lacks, such as ``maxmemory``.

    A verdict on a claim is not one on agreement: both engines may agree that a claim is wrong.

    >>> Claim("it is quick", "a blog", lambda wait_s: wait_s < 1, metric="mean_wait_s").unit_shown
    's'
    """

    text: str
    source: str
    holds: Callable[[float], bool | None] = lambda _: None
    metric: str | None = None
    number: Callable[[Run], float] | None = None
    reads: Callable[[], float] | None = None
    probe: Callable[[Stage], float] | None = None
    shown_by: Mapping[str, Scenario] = field(default_factory=dict)
    unit: str = ""
    name: str = ""
    verdict: Answer | None = None
    why: str = ""
    rows: tuple[str, ...] = ()
    not_live: str = ""
    needs: str = ""

    def __post_init__(self) -> None:
        """Refuse a claim whose number has two sources, or scenarios without a number."""
        of_runs = [x for x in (self.metric, self.number) if x is not None]
        others = [x for x in (self.reads, self.probe) if x is not None]
        if len(of_runs) + len(others) > 1:
            raise ScenarioError(f"claim {self.text!r} has two numbers; allowed: one")
        if self.shown_by and not of_runs:
            raise ScenarioError(f"claim {self.text!r} has scenarios, but neither metric nor number")

    @property
    def unit_shown(self) -> str:
        """The unit of its number."""
        return known(self.metric).unit if self.metric else self.unit

    @property
    def is_testable(self) -> bool:
        """Whether any number can be had."""
        return any((self.shown_by, self.reads, self.probe))

    def judge(self, number: float) -> bool | None:
        """Return whether a number bears it out; None where it cannot tell, as for nan."""
        return None if math.isnan(number) else self.holds(number)

    def of_metrics(self, metrics: Metrics) -> float:
        """Return its number in the metrics of a run; nan for one that is no metric."""
        return metrics.value(self.metric) if self.metric else math.nan

    def of_run(self, run: Run) -> float:
        """Return its number of one run."""
        from sandbox.metrics import measure

        return self.number(run) if self.number else self.of_metrics(measure(run))


def answer(borne_out: Iterable[bool | None]) -> Answer:
    """Return ``right`` or ``wrong`` when all that can tell say so, ``depends`` when divided.

    >>> answer([True, None]), answer([True, False]), answer([None])
    ('right', 'depends', 'not testable here')
    """
    answers = set(borne_out) - {None}
    if not answers:
        return "not testable here"
    if len(answers) > 1:
        return "depends"
    return "right" if answers == {True} else "wrong"


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on a claim, with the predicted and the measured number (nan without one).

    >>> quick = Claim("it is quick", "a blog")
    >>> print(ClaimVerdict(quick, "not testable here", predicted=math.nan, measured=math.nan))
    'it is quick' [a blog]: not testable here
    """

    claim: Claim
    verdict: Answer
    predicted: float
    measured: float

    def __str__(self) -> str:
        """Say it in one line."""
        numbers = f"predicted {shown(self.predicted)}, measured {shown(self.measured)}"
        told = f" ({numbers} {self.claim.unit_shown}".rstrip() + ")" if self.claim.metric else ""
        return f"{self.claim.text!r} [{self.claim.source}]: {self.verdict}{told}"


def judge_claim(
    claim: Claim, measured: Metrics | None, predicted: Sequence[Metrics] = ()
) -> ClaimVerdict:
    """Judge a claim on the metrics of a measured run and of predicted ones.

    >>> fast = Claim("it never waits", "a blog")
    >>> judge_claim(fast, None).verdict
    'not testable here'
    """
    numbers = [claim.of_metrics(metrics) for metrics in predicted]
    number = math.nan if measured is None else claim.of_metrics(measured)
    mean = math.fsum(numbers) / len(numbers) if numbers else math.nan
    return ClaimVerdict(claim, answer(map(claim.judge, [*numbers, number])), mean, number)


@dataclass(frozen=True)
class Evidence:
    """What was found on a claim: label -> number, predicted and measured; "" labels the only one.

    ``unasked``: why real workers were not asked; "" when they were, or need not be. ``failed``:
    what went wrong when somebody was asked.

    >>> print(Evidence(Claim("it is quick", "a blog", verdict="not testable here")).status)
    as stated
    """

    claim: Claim
    predicted: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    unasked: str = ""
    failed: str = ""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What the model's numbers say, and what the measured ones say, if there are any."""
        return tuple(
            answer(map(self.claim.judge, numbers.values()))
            for numbers in (self.predicted, self.measured)
            if numbers
        )

    @property
    def verdict(self) -> Answer:
        """What the numbers say; where model and workers differ it ``depends`` on whom one asks."""
        found = set(self.answers)
        if not found:
            # Nobody was asked: what is stated stands, with the reason beside it.
            return (self.claim.verdict if self.unasked else None) or "not testable here"
        return found.pop() if len(found) == 1 else "depends"

    @property
    def is_as_stated(self) -> bool:
        """Whether each engine by itself says what this project says."""
        stated = self.claim.verdict
        if self.failed:
            return False
        return stated is None or {stated} == set(self.answers or (self.verdict,))

    @property
    def status(self) -> str:
        """``as stated``, why it was not asked, or what contradicts it."""
        if self.failed:
            return f"FAILED: {self.failed}"
        if not self.is_as_stated:
            return f"CONTRADICTED: stated {self.claim.verdict}, found {self.verdict}"
        return self.unasked or "as stated"
