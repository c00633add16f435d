"""Calibrate: measure what Celery adds to a task, on no-op tasks and on nothing else."""

from __future__ import annotations

import itertools
import math
import statistics
import tempfile
from collections.abc import Iterable

from sandbox import calibration
from sandbox.engines.live.engine import start
from sandbox.loads import Burst, Trace
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario, TaskType, WorkerPool

_N_PACED = 40
_N_BURST = 120
_GAP_S = 0.04
_LEAST_S = 1e-4
_LEAST_ERROR = 0.1


def _no_ops() -> Scenario:
    """Return no-op tasks, first one at a time on idle workers, then all at once."""
    pace = tuple(0.3 + _GAP_S * i for i in range(_N_PACED))
    return Scenario(
        name="calibration",
        tasks=(TaskType(name="idle", acks_late=True), TaskType(name="busy", acks_late=True)),
        workers=(WorkerPool(n_workers=2, concurrency=2, prefetch_multiplier=1),),
        # The first tasks pay for each child's lazy imports and connections; they are not used.
        loads=(
            Burst(task="busy", n=12),
            Trace(task="idle", at_s=pace),
            Burst(task="busy", n=_N_BURST, at_s=pace[-1] + 0.2),
        ),
        horizon_s=pace[-1] + 1.0,
        deadline_s=20.0,
    )


def calibrate(broker: str = "auto") -> Overheads:
    """Measure this machine with ``broker`` (about 5 s), store the figures and return them.

    Raises EngineError when the workers do not come up.
    """
    with tempfile.TemporaryDirectory(prefix="celery-sandbox-calibrate-") as folder:
        with start(_no_ops(), broker=broker, runs=folder) as session:
            session.wait()
        run, kind = session.close(), session.broker.kind
        overheads = _measure(run, session.startup_s)
    calibration.store(overheads, kind)
    return overheads.but(source=f"calibrated on {run.info['broker']}, just now")


def _measure(run: Run, startup_s: float) -> Overheads:
    frame = run.attempts[run.attempts["outcome"] == "succeeded"]
    idle = frame[frame["type"] == "idle"]
    busy = frame[(frame["type"] == "busy") & (frame["sent_s"] > idle["sent_s"].max())]
    sent = [e.t_s for e in run.events if e.kind == "sent" and e.t_s >= busy["sent_s"].min()]
    publish = _Figure(b - a for a, b in itertools.pairwise(sent))
    deliver = _Figure(idle["received_s"] - idle["sent_s"])
    dispatch = _Figure(idle["started_s"] - idle["received_s"])
    body = _Figure(idle["ended_s"] - idle["started_s"])
    ack = _Figure(idle["acked_s"] - idle["ended_s"])
    gaps: list[float] = []
    for _, slot in busy.sort_values("started_s").groupby(["worker", "slot"]):
        ends, starts = slot["ended_s"].tolist(), slot["started_s"].tolist()
        gaps += [b - a for a, b in zip(ends, starts[1:], strict=False)]
    finish = _Figure(gaps)
    figures = (publish, deliver, dispatch, body, ack, finish)
    weight = sum(f.median for f in figures)
    error = math.sqrt(sum(f.half_width**2 for f in figures)) / weight
    return Overheads(
        publish_s=publish.median,
        deliver_s=max(_LEAST_S, deliver.median - publish.median),
        dispatch_s=dispatch.median,
        body_s=body.median,
        ack_s=ack.median,
        finish_s=finish.median,
        worker_start_s=startup_s,
        relative_error=max(_LEAST_ERROR, error),
        source="just calibrated",
    )


class _Figure:
    """The median of some durations, and the half-width of its 95 % interval."""

    def __init__(self, values: Iterable[float]) -> None:
        known = sorted(float(v) for v in values if v >= 0)
        self.median = max(_LEAST_S, statistics.median(known)) if known else _LEAST_S
        quartiles = statistics.quantiles(known, n=4) if len(known) > 1 else [0.0, 0.0, 0.0]
        # The notch of a box plot: McGill, Tukey and Larsen 1978.
        self.half_width = 1.57 * (quartiles[2] - quartiles[0]) / math.sqrt(max(1, len(known)))
