"""Run rows of the grid on real workers and hold them against the model."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from dataclasses import dataclass, replace

from proof.facts import Facts, differences, facts_of
from proof.row import Row
from sandbox import workbench
from sandbox.engines import model
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.run import Run, broken_laws

ALLOWED = {"throughput_per_s": 0.05, "mean_latency_s": 0.10, "p95_latency_s": 0.15}
"""How far a time may be off, as a share of the model's value."""

NOISE = 3.0
"""… or this many standard deviations of the same row repeated live, where that is more."""

REPEATS = 3
Times = dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """One row on one broker: what is unlike the model, and how far the times are off.

    ``off`` are shares of the model's values; ``noise`` the standard deviations of the live
    values, as such shares, for rows that were repeated.
    """

    row: Row
    broker: str
    took_s: float
    facts: Facts
    unlike: tuple[str, ...]
    off: Times
    noise: Times

    @property
    def over(self) -> list[str]:
        """The times that are off by more than is allowed."""
        return [
            name
            for name, share in self.off.items()
            if abs(share) > max(ALLOWED[name], NOISE * self.noise.get(name, 0.0))
        ]

    @property
    def verdict(self) -> str:
        """``equal``, ``equal within noise``, ``differs``; with the reason for the last two."""
        if self.unlike:
            return "differs: " + "; ".join(self.unlike)
        if self.over:
            return "differs: " + ", ".join(self.over)
        wide = [name for name, share in self.off.items() if abs(share) > ALLOWED[name]]
        if wide:
            noise = ", ".join(f"{name} ± {self.noise[name]:.1%}" for name in wide)
            return f"equal, times within three times the noise ({noise})"
        return "equal"


def predicted(row: Row, overheads: Overheads) -> Run:
    """Return the model's run of a row, on the same draws."""
    with model.start(row.scenario, overheads=overheads) as session:
        session.wait()
    return session.close()


def performed(row: Row, broker: str) -> Run:
    """Return a live run of a row."""
    with tempfile.TemporaryDirectory() as folder:
        with workbench.start(row.scenario, broker=broker, runs=folder) as session:
            session.wait()
        return session.close()


def judge(
    row: Row, broker: str, overheads: Overheads, *, times: bool = True, repeats: int = REPEATS
) -> Outcome:
    """Run a row live once, more often if its times are off, and hold it against the model.

    Without ``times`` only the facts are compared.
    """
    expected = predicted(row, overheads)
    began = time.monotonic()
    run = performed(row, broker)
    outcome = _compared(row, broker, expected, run, time.monotonic() - began)
    if not times:
        return replace(outcome, off={})
    if outcome.unlike or not outcome.over or not repeats:
        return outcome
    base, values = _times(expected), [_times(run)]
    values += [_times(performed(row, broker)) for _ in range(repeats)]
    median = {name: statistics.median(v[name] for v in values) for name in base}
    spread = {name: statistics.stdev(v[name] for v in values) / base[name] for name in base}
    return replace(
        outcome,
        off={name: median[name] / base[name] - 1 for name in base},
        noise=spread,
    )


def _compared(row: Row, broker: str, expected: Run, run: Run, took_s: float) -> Outcome:
    ours, theirs = facts_of(expected, row.fixed), facts_of(run, row.fixed)
    off = {}
    if row.race is None:
        a, b = _times(expected), _times(run)
        off = {name: b[name] / a[name] - 1 for name in a}
    return Outcome(
        row, broker, took_s, theirs,
        (*broken_laws(run), *differences(ours, theirs)), off, {},
    )  # fmt: skip


def _times(run: Run) -> Times:
    """Return the times that are compared; those that a run does not define are left out."""
    found = measure(run)
    values = {name: found.value(name) for name in ALLOWED}
    # A rate of 0 (all tasks fail) has no share to be off by; the fates say as much.
    return {name: value for name, value in values.items() if value and not math.isnan(value)}
