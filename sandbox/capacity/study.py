"""Study: the runs of the model that a what-if needs, round by round.

How many runs a point gets follows from its results alone, never from how many processes there
are; only a budget of time can end a study sooner on a slower machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.capacity.closed_forms import closed_form
from sandbox.capacity.goal import Goal, Verdict
from sandbox.capacity.offered import Offered, offered
from sandbox.capacity.paths import Point
from sandbox.capacity.processes import Job, Map
from sandbox.capacity.result import Outcome
from sandbox.definitions import Metrics
from sandbox.metrics import known
from sandbox.overheads import Overheads
from sandbox.prediction import Prediction

FEWEST = 3
FIRST = 10
MOST = 400
_JOBS_A_ROUND = 64
_LOOKS = math.ceil(math.log2(MOST / FIRST)) + 1
"""How often a goal is judged on more and more runs: each look has its share of the 5 %."""


@dataclass
class Place:
    """A point of the grid and its runs so far. An unstable steady state is not run at all."""

    point: Point
    offered: Offered
    overheads: Overheads
    runs: list[Metrics] = field(default_factory=list)

    @property
    def has_mean(self) -> bool:
        """Whether its means exist: not those of a queue that grows for ever."""
        return self.offered.stable or self.point.scenario.kind == "terminating"

    def outcome(self) -> Outcome:
        """Return what is known now."""
        scenario, runs = self.point.scenario, tuple(self.runs)
        prediction = Prediction(scenario, self.overheads, None, runs) if runs else None
        form = closed_form(scenario, self.overheads)
        return Outcome(self.point.settings, scenario, self.offered, form, prediction)


@dataclass(frozen=True)
class Rule:
    """When a point has enough runs: a fixed number of them, or a relative precision."""

    metrics: tuple[str, ...]
    replications: int | None
    precision: float

    def needed(self, place: Place) -> int:
        """Return how many runs a point will need in all, by what its runs have shown so far."""
        if not place.has_mean:
            return 0
        if self.replications is not None:
            return self.replications
        n = len(place.runs)
        if n < FEWEST:
            return FEWEST
        share = max((self._share(place.outcome(), name) for name in self.metrics), default=0.0)
        wanted = FIRST if share <= self.precision else math.ceil(n * (share / self.precision) ** 2)
        return max(FIRST, min(wanted, 3 * n, MOST))

    def _share(self, outcome: Outcome, name: str) -> float:
        """Return the half-width of a mean's interval over the mean; 0 for what is not judged."""
        cell = outcome.cell(name)
        if known(name).kind == "count" or cell.n < 2 or not cell.mean:
            return 0.0
        return (cell.high - cell.mean) / abs(cell.mean)


class Study:
    """Runs the model at the points of a grid until a rule, a goal or the budget is met.

    ``tell`` is called with the share that is done, which never falls; ``part`` is the stretch of
    it that the present work fills.
    """

    def __init__(
        self, run: Map, overheads: Overheads, budget_s: float | None, tell: Callable[[float], None]
    ) -> None:
        self.part, self.stopped = (0.0, 1.0), ""
        self._run, self._overheads, self._tell = run, overheads, tell
        self._budget_s, self._began = budget_s, time.monotonic()
        self._n_run, self._n_planned, self._share = 0, 1, 0.0

    def place(self, point: Point) -> Place:
        """Return a point with nothing run yet."""
        return Place(point, offered(point.scenario, self._overheads), self._overheads)

    def fill(self, places: Sequence[Place], rule: Rule) -> None:
        """Run every point as often as the rule asks, or as the budget allows (at least 3 runs)."""
        fixed = rule.replications is not None
        while True:
            needed = [rule.needed(place) for place in places]
            short = [(p, n) for p, n in zip(places, needed, strict=True) if n > len(p.runs)]
            self._n_planned = self._n_run + sum(n - len(place.runs) for place, n in short)
            if not short or not self._round(short, limited=not fixed):
                break
        most = max((len(place.runs) for place in places), default=0)
        self.stopped = "most" if most >= MOST else "precision"
        if fixed or short:
            self.stopped = "replications" if fixed else "budget"

    def judge(self, place: Place, goal: Goal, replications: int | None) -> Verdict:
        """Run a point until the goal's verdict is clear, or so often, or within the budget."""
        if not place.has_mean:
            return "no"
        looks = _LOOKS if replications is None else 1
        verdict: Verdict = "unknown"
        while verdict == "unknown":
            n = len(place.runs)
            wanted = min(2 * n, MOST) if n >= FIRST else FIRST if n >= FEWEST else FEWEST
            wanted = wanted if replications is None else replications
            self._n_planned = self._n_run + wanted - n
            more = wanted > n and self._round([(place, wanted)], limited=replications is None)
            if more and replications is None and len(place.runs) < FIRST:
                continue
            cell = place.outcome().cell(goal.metric, rows=looks)
            verdict = goal.judge(cell.low, cell.high)
            if not more:
                break
        if verdict == "unknown" and replications is None:
            self.stopped = "most" if len(place.runs) >= MOST else "budget"
        return verdict

    def count(self, job: Job) -> None:
        """Count the runs of a job that is done, and tell how far the study has come."""
        self._n_run += job.last - job.first
        begin, end = self.part
        share = begin + (end - begin) * min(1.0, self._n_run / self._n_planned)
        self._share = max(self._share, share)
        self._tell(self._share)

    def _round(self, wanted: Sequence[tuple[Place, int]], *, limited: bool) -> bool:
        """Run each place up to its number of runs; return whether the budget allowed any."""
        most = self._affordable(len(wanted)) if limited else MOST
        jobs, owners = [], []
        for place, n in wanted:
            first = len(place.runs)
            last = min(n, max(first + most, FEWEST))
            size = min(10, max(1, (last - first) * len(wanted) // _JOBS_A_ROUND))
            for i in range(first, last, size):
                end = min(i + size, last)
                jobs.append(Job(place.point.scenario, self._overheads, i, end))
                owners.append(place)
        for place, batch in zip(owners, self._run(jobs, self.count), strict=True):
            place.runs += batch
        return bool(jobs)

    def _affordable(self, n_places: int) -> int:
        """Return how many more runs of each place fit into what is left of the budget."""
        if self._budget_s is None or not self._n_run:
            return MOST
        spent_s = time.monotonic() - self._began
        left_s = max(0.0, self._budget_s - spent_s)
        return int(left_s / spent_s * self._n_run / n_places)
