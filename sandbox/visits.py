"""What visitors of the front door saw: answers, refusals, timeouts, and how long they waited."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import quantiles

from sandbox.run import Run


@dataclass(frozen=True)
class Visits:
    """The requests of a run. ``outcomes``: done, failed, refused, timed out; no others end one.

    ``latencies_s``: from the request to the answer that says done or failed, ascending; with an
    async door, to the poll that saw it. ``span_s``: from the first request to the last such
    answer, 0 without one.
    """

    n_requests: int
    n_polls: int
    outcomes: Counter[str]
    latencies_s: tuple[float, ...]
    span_s: float = 0.0

    @property
    def answers_per_s(self) -> float:
        """Answers that say done or failed, a second; nan without a span."""
        return len(self.latencies_s) / self.span_s if self.span_s > 0 else math.nan

    def latency_s(self, share: float) -> float:
        """Return the latency (s) that ``share`` of the answered requests do not exceed.

        nan without one.

        >>> Visits(2, 0, Counter(done=2), (1.0, 3.0)).latency_s(0.5)
        2.0
        """
        if not self.latencies_s:
            return math.nan
        if len(self.latencies_s) == 1:
            return self.latencies_s[0]
        cuts = quantiles(self.latencies_s, n=1000, method="inclusive")
        return cuts[min(998, max(0, round(share * 1000) - 1))]


def visits(run: Run, from_s: float = -math.inf) -> Visits:
    """Return what the visitors of a run's front door saw who came from ``from_s`` on.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> done = {"outcome": "done"}
    >>> events = (Event(0.5, "requested", "hi/0"), Event(2.0, "answered", "hi/0", detail=done))
    >>> visits(Run(one, events)).latency_s(0.95)
    1.5
    """
    since = {event.task: event.t_s for event in run.of_kind("requested") if event.t_s >= from_s}
    answers = [
        (str((e.detail or {}).get("outcome")), e.t_s, since[e.task])
        for e in run.of_kind("answered")
        if e.task in since
    ]
    told = [(at_s, asked_s) for outcome, at_s, asked_s in answers if outcome in ("done", "failed")]
    return Visits(
        n_requests=len(since),
        n_polls=len([event for event in run.of_kind("polled") if event.task in since]),
        outcomes=Counter(outcome for outcome, _, _ in answers),
        latencies_s=tuple(sorted(at_s - asked_s for at_s, asked_s in told)),
        span_s=max(at_s for at_s, _ in told) - min(since.values()) if told else 0.0,
    )
