"""Series: depth, throughput, latency and utilisation of a run, bin by bin, and their range.

``series.js`` has the same for the run that is shown; a test holds the two equal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.fold import Fold
from sandbox.prediction import Prediction
from sandbox.run import Run

Line = list[float | None]
_FORGETS = ("broker_stopped", "broker_flushed")
LINES = ("queued", "throughput", "p50", "p95", "utilisation")
_BINS = 100
_SEED_STEP = 7_919  # as far apart as the seeds of a prediction's replications
_RUNS = 8
"""How many runs of the model make a predicted range."""


def bin_s_of(end_s: float) -> float:
    """Return a round length (s) of about a hundredth of a run.

    >>> bin_s_of(31.0), bin_s_of(0.0)
    (0.5, 0.01)
    """
    least = max(end_s, 1.0) / _BINS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(k for k in (1, 2, 5, 10) if k * power >= least * (1 - 1e-9))
    return round(step * power, 9)


def end_of(run: Run) -> float:
    """Return the time (s) of a run's last event, 0.0 if it has none; what is no time is passed by.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> end_of(Run(one, (Event(2.0, "sent", "hi/0"), Event(math.nan, "sent", "hi/1"))))
    2.0
    """
    return max((event.t_s for event in run.events if math.isfinite(event.t_s)), default=0.0)


def series(run: Run, bin_s: float) -> dict[str, Line]:
    """Return each line of ``LINES``, a number a bin of ``bin_s`` (s) or None where none ended.

    ``queued`` and ``utilisation`` (of all processes that the scenario starts with) are means
    over a bin's time, ``throughput`` is tasks/s that ended for the first time, ``p50`` and
    ``p95`` are nearest ranks of their latencies (s) from first sent to first end.
    """
    curve, found, end = _followed(run)
    bins = max(1, math.ceil(end / bin_s - 1e-9))
    spans = [max(1e-9, min(end, (i + 1) * bin_s) - i * bin_s) for i in range(bins)]
    slots = sum(pool.n_first * len(pool.worker_names) for pool in run.scenario.workers)
    latencies: list[list[float]] = [[] for _ in spans]
    for t_s, latency_s in found:
        latencies[min(bins - 1, max(0, math.floor(t_s / bin_s)))].append(latency_s)
    queued = _means([(t, n) for t, n, _ in curve], end, bin_s, spans)
    running = _means([(t, n) for t, _, n in curve], end, bin_s, spans)
    return {
        "queued": queued,
        "throughput": [len(one) / span for one, span in zip(latencies, spans, strict=True)],
        "p50": [_rank(one, 0.5) for one in latencies],
        "p95": [_rank(one, 0.95) for one in latencies],
        "utilisation": [n / slots if n is not None and slots else 0.0 for n in running],
    }


def _followed(run: Run) -> tuple[list[tuple[float, int, int]], list[tuple[float, float]], float]:
    """Return (time, queued, running) at each change, (end, latency) a task, the last time."""
    fold, queued, end = Fold(), 0, 0.0
    curve, found = [(0.0, 0, 0)], []
    sent: dict[str, float] = {}
    ended: set[str] = set()
    for event in run.events:
        t_s, task = round(event.t_s, 4), event.task
        end = max(end, t_s)
        before = _waiting(fold, task)
        fold.feed((event,))
        queued += _waiting(fold, task) - before
        if event.kind in _FORGETS:
            queued = fold.queued
        curve.append((end, queued, fold.running))
        if task is not None and event.kind == "sent":
            sent.setdefault(task, t_s)
        elif task in sent and event.kind in ("succeeded", "failed") and task not in ended:
            ended.add(task)
            found.append((t_s, t_s - sent[task]))
    return curve, found, end


def _waiting(fold: Fold, task: str | None) -> int:
    journey = fold.journeys.get(task) if task is not None else None
    return max(0, journey.n_queued) if journey is not None else 0


def _means(
    curve: Sequence[tuple[float, int]], end: float, bin_s: float, spans: Sequence[float]
) -> Line:
    sums = [0.0] * len(spans)
    for i, (begin, n) in enumerate(curve):
        until = curve[i + 1][0] if i + 1 < len(curve) else end
        at, t = math.floor(begin / bin_s), begin
        while t < until and at < len(spans):
            edge = min(until, (at + 1) * bin_s)
            sums[at] += n * max(0.0, edge - t)
            at, t = at + 1, max(t, edge)
    return [total / span for total, span in zip(sums, spans, strict=True)]


def _rank(values: Iterable[float], q: float) -> float | None:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered) - 1e-9) - 1)] if ordered else None


def predicted_runs(prediction: Prediction | Run | Sequence[Run]) -> list[Run]:
    """Return the model's runs behind a band: those given, or eight of what was predicted.

    The first has the scenario's own draws, the others the seeds of a prediction's replications.
    """
    if isinstance(prediction, Run):
        return [prediction]
    if not isinstance(prediction, Prediction):
        return list(prediction)
    from sandbox.engines.model import start

    scenario, runs = prediction.scenario, []
    for i in range(_RUNS):
        seed = (scenario.seed + _SEED_STEP * i) % 2**63
        session = start(scenario.but(seed=seed), overheads=prediction.overheads)
        session.wait()
        runs.append(session.close())
    return runs


def band(runs: Sequence[Run], bin_s: float) -> dict[str, Any] | None:
    """Return lowest, median and highest number of each line and bin; None without a run."""
    if not runs:
        return None
    found = [series(run, bin_s) for run in runs]
    ends = max(end_of(run) for run in runs)
    lines = {name: _ranges([one[name] for one in found]) for name in LINES}
    return {"n": len(runs), "ends": round(ends, 4), "lines": lines}


def _ranges(lines: Sequence[Line]) -> list[list[float] | None]:
    """Bins in which fewer than half of the runs have a number have no range."""
    found: list[list[float] | None] = []
    for i in range(max(len(line) for line in lines)):
        known = [x for line in lines if i < len(line) and (x := line[i]) is not None]
        ranged = [min(known), statistics.median(known), max(known)] if known else []
        enough = 2 * len(known) >= len(lines)
        found.append([round(x, 4) for x in ranged] if enough else None)
    return found
