"""The figures of a calibration: medians, and how far each may be off."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engines.live.calibrate.plan import N_BURST, N_WARM_UP
from sandbox.journeys import Attempt
from sandbox.overheads import Overheads
from sandbox.run import Run

if TYPE_CHECKING:
    from sandbox.engines.live.calibrate.rounds import Rounds

_LEAST_S = 1e-5
_LEAST_ERROR = 0.1
"""No figure is surer than this: the next minute's machine is not quite this minute's."""

_EXIT_ERROR = 0.3
_UNSURE = 0.5
"""The error of a figure that was seen once."""


@dataclass(frozen=True)
class Figure:
    """A measured figure; ``error`` is the half-width of its 95 % interval as a share of it."""

    value: float
    error: float


def median(values: Iterable[float], *, less: float = 0.0) -> Figure | None:
    """Return the median of some durations (s), ``less`` a known part; None without any.

    The standard error of a median is about 1.25 σ/√n; σ is taken from the quartiles, which
    a single hiccup of the machine does not move, and Student's t allows for few values.

    >>> median([0.002] * 9)
    Figure(value=0.002, error=0.1)
    """
    from scipy.special import stdtrit

    known = sorted(float(value) for value in values if value >= 0)
    if not known:
        return None
    value = max(_LEAST_S, statistics.median(known) - less)
    if len(known) == 1:
        return Figure(value, _UNSURE)
    low, _, high = statistics.quantiles(known, n=4, method="inclusive")
    sigma = (high - low) / 1.349
    half = float(stdtrit(len(known) - 1, 0.975)) * 1.2533 * sigma / math.sqrt(len(known))
    return Figure(value, min(1.0, max(_LEAST_ERROR, half / value)))


def chance(hits: int, misses: int) -> Figure:
    """Return a chance from few trials and from what is known of it beforehand.

    It is the mean of a beta distribution that begins as if five trials had hit twice: of 48
    children killed one by one, idle and busy, 19 were noticed at once.

    >>> chance(0, 0).value
    0.4
    """
    from scipy.special import betaincinv

    a, b = hits + 2.0, misses + 3.0
    low, high = (float(betaincinv(a, b, share)) for share in (0.025, 0.975))
    value = a / (a + b)
    return Figure(value, (high - low) / 2 / value)


def exits(values: Sequence[float]) -> Figure | None:
    """Return how long a worker takes to exit; it looks whether it may each half second."""
    return Figure(statistics.median(values), _EXIT_ERROR) if values else None


def measure(run: Run, rounds: Rounds) -> Overheads:
    """Return the overheads that a calibration's run and its rounds show.

    A figure that the run did not show keeps its default, and the error of a default.
    """
    publish = median(_publish_gaps(run))
    figures = {
        "publish_s": publish,
        **_idle(run, publish.value if publish else 0.0),
        "finish_s": median(_finish_gaps(_of_type(run, "busy")[-N_BURST:])),
        "round_trip_s": median(rounds.round_trips),
        "child_start_s": median(rounds.child_starts),
        "worker_start_s": median(rounds.worker_starts),
        "worker_exit_s": exits(rounds.worker_exits),
        "detection_s": median(rounds.notices),
        "sweep_s": median(rounds.sweeps),
        "p_instant_detection": chance(len(rounds.notices), rounds.late),
    }
    seen = {name: figure for name, figure in figures.items() if figure is not None}
    values: dict[str, Any] = {name: figure.value for name, figure in seen.items()}
    errors = {name: figure.error for name, figure in seen.items()}
    return Overheads(errors=errors, source="just calibrated", **values)


def _of_type(run: Run, name: str) -> list[Attempt]:
    """Return the attempts of a type that were acknowledged, in the order they were sent."""
    found = [
        attempt
        for attempt in run.fold.attempts
        if attempt.task.startswith(f"{name}/") and attempt.acked_s is not None
    ]
    return sorted(found, key=lambda attempt: attempt.sent_s or 0.0)


def _between(attempts: Sequence[Attempt], first: str, second: str) -> list[float]:
    """Return the time from one moment of each attempt to another, where both are known."""
    pairs = [(getattr(attempt, first), getattr(attempt, second)) for attempt in attempts]
    return [b - a for a, b in pairs if a is not None and b is not None]


def _idle(run: Run, publish_s: float) -> dict[str, Figure | None]:
    """Return what a task costs that comes alone to an idle worker."""
    idle, threads = _of_type(run, "idle"), _of_type(run, "threads")[N_WARM_UP:]
    return {
        "deliver_s": median(_between(idle, "sent_s", "received_s"), less=publish_s),
        "dispatch_s": median(_between(idle, "received_s", "started_s")),
        "dispatch_threads_s": median(_between(threads, "received_s", "started_s")),
        "body_s": median(_between(idle, "started_s", "ended_s")),
        "body_ignored_s": median(_between(_of_type(run, "ignored"), "started_s", "ended_s")),
        "ack_s": median(_between(idle, "ended_s", "acked_s")),
    }


def _publish_gaps(run: Run) -> list[float]:
    """Return the times between two publishes of the last burst."""
    sent = [e.t_s for e in run.of_kind("sent") if (e.task or "").startswith("busy/")]
    return [b - a for a, b in itertools.pairwise(sent[-N_BURST:])]


def _finish_gaps(attempts: Sequence[Attempt]) -> list[float]:
    """Return how long each process took from one of these tasks to its next."""
    slots: dict[tuple[str, int | None], list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.started_s or 0.0):
        slots.setdefault((attempt.worker, attempt.slot), []).append(attempt)
    return [
        b.started_s - a.ended_s
        for tasks in slots.values()
        for a, b in itertools.pairwise(tasks)
        if a.ended_s is not None and b.started_s is not None
    ]
