"""What the command line prints: tables and sentences for people, and the same as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.audit import Audit
    from sandbox.claims import ClaimVerdict
    from sandbox.comparison import Comparison
    from sandbox.overheads import Overheads
    from sandbox.prediction import Prediction
    from sandbox.run import Run
    from sandbox.scenario import Scenario
    from sandbox.systems import System


def to_json(data: Any) -> str:
    r"""Return the data as JSON, with null for what JSON has no number for.

    >>> to_json([math.nan])
    '[\n null\n]'
    """
    return json.dumps(_finite(data), indent=1, default=str, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def first_line(text: str | None) -> str:
    """Return the first line of a docstring, the empty string for none."""
    return (text or "").strip().partition("\n")[0]


def faults() -> dict[str, dict[str, str]]:
    """Return what each fault means, and on which platforms real workers show it."""
    from sandbox.faults import FAULTS

    return {
        name: {"meaning": first_line(fault.__doc__), "platforms": fault.platforms}
        for name, fault in FAULTS.items()
    }


def listing(table: Mapping[str, str | Mapping[str, str]]) -> str:
    """Return names and what is said of them, a line each, in columns.

    >>> print(listing({"done": "tasks done", "lost": "tasks lost"}))
    done  tasks done
    lost  tasks lost
    >>> print(listing({"skip": {"meaning": "Age", "platforms": "all"}}))
    skip  Age  all
    """
    rows = [
        (name, *([told] if isinstance(told, str) else told.values()))
        for name, told in table.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def sections(found: Mapping[str, Any]) -> str:
    """Return what was found, each part under its heading.

    >>> print(sections({"recorder": "complete"}))
    recorder:
      complete
    """
    lines = []
    for part, inside in found.items():
        lines.append(f"{part}:")
        items = inside.items() if isinstance(inside, dict) else [("", x) for x in _each(inside)]
        lines += [f"  {name + ': ' if name else ''}{value}" for name, value in items]
    return "\n".join(lines)


def _each(inside: Any) -> list[Any]:
    return inside if isinstance(inside, list) else [inside]


def _of(scenario: Scenario) -> str:
    """Return the workers of a scenario, such as ``worker 2 × 4``."""
    return ", ".join(f"{p.name} {p.n_workers} × {p.concurrency}" for p in scenario.workers)


def system_data(system: System) -> dict[str, Any]:
    """Return what is said of a system, part by part."""
    variants = {
        name: f"{_of(one)}; queues {', '.join(one.queues)}; "
        f"faults: {', '.join(fault.kind for fault in one.faults) or 'none'}; {one.horizon_s:g} s"
        for name, one in system.variants.items()
    }
    parts: dict[str, Any] = {
        "question": system.question,
        "document": system.document,
        "variants": variants,
        "corrections": list(system.corrections),
        "assumptions": list(system.assumptions),
        "mended": [str(change) for change in system.changes],
        "left out": dict(system.left_out),
        "claims": f"{len(system.claims)}; sandbox claims {system.name}",
    }
    return {name: inside for name, inside in parts.items() if inside}


def overheads(measured: Overheads) -> str:
    """Return a calibration's figures, times in milliseconds, and how far each may be off."""
    lines = [measured.source]
    for name in measured.figures():
        value, error = getattr(measured, name), measured.error(name)
        shown = f"{value * 1000:9.3f} ms" if name.endswith("_s") else f"{value:9.3f}   "
        lines.append(f"{name:<20} {shown} ± {error:.0%}")
    return "\n".join(lines)


def prediction(predicted: Prediction) -> str:
    """Return a prediction as a table: a metric's mean and the interval for one further run."""
    frame = predicted.to_frame()
    width = max([19, *(len(str(name)) for name in frame.index)]) + 1
    lines = [
        f"{predicted.scenario.name}: {len(predicted.replications)} replications, "
        f"overheads: {predicted.overheads.source}",
        f"{'metric':<{width}}{'predicted':>12}{'one further run (95 %)':>26}  unit",
    ]
    for name, row in frame.iterrows():
        interval = f"{row['low']:.4g} … {row['high']:.4g}"
        lines.append(f"{name:<{width}}{row['mean']:>12.4g}{interval:>26}  {row['unit'] or 'share'}")
    lines += [f"not derived: {note}" for note in predicted.scenario.not_derived]
    return "\n".join(lines)


def prediction_data(predicted: Prediction) -> dict[str, Any]:
    """Return a prediction as what JSON can hold."""
    frame = predicted.to_frame()
    return {
        "scenario": predicted.scenario.name,
        "overheads": predicted.overheads.source,
        "n": len(predicted.replications),
        "rows": json.loads(frame.reset_index().to_json(orient="records")),
        "not_derived": [note.model_dump() for note in predicted.scenario.not_derived],
    }


@dataclass(frozen=True)
class Judged:
    """A run held against its prediction: comparison, claims, and what should not have happened.

    ``foreseen`` is the paired run of the model, whose audit stands beside the measured one's.
    ``expected`` names the rows of which no verdict is expected, and why.
    """

    measured: Run
    foreseen: Run
    comparison: Comparison
    claims: tuple[ClaimVerdict, ...]
    expected: Mapping[str, str]

    @property
    def surprises(self) -> list[str]:
        """Rows that differ, rows unexpectedly unknown, wrong models that were not rejected."""
        surprises = [
            f"{row.name}: {row.verdict}: {row.why}"
            for row in self.comparison.rows
            if row.verdict == "differ"
            or (row.verdict == "unknown" and row.name not in self.expected)
        ]
        return surprises + [
            f"wrong model {name!r} was not rejected" for name in self.comparison.not_rejected
        ]

    @property
    def conclusion(self) -> str:
        """How many rows agree, and which unknown ones were named in advance, in one line."""
        rows = self.comparison.rows
        agree = sum(row.verdict == "agree" for row in rows)
        told = [
            f"{row.name} is unknown, as named in advance: {self.expected[row.name]}"
            for row in rows
            if row.verdict == "unknown" and row.name in self.expected
        ]
        return "; ".join([f"{agree} of {len(rows)} rows agree", *told])

    def data(self, folder: Path) -> dict[str, Any]:
        """Return all of it as what JSON can hold; ``folder`` keeps the run's record."""
        from sandbox.audit import audit

        measured, foreseen = audit(self.measured), audit(self.foreseen)
        return {
            "comparison": self.comparison.to_dict(),
            "claims": [str(verdict) for verdict in self.claims],
            "audit": measured.counts(),
            "accounts": {"predicted": _account(foreseen), "measured": _account(measured)},
            "surprises": self.surprises,
            "run": str(folder),
            "info": self.measured.info,
        }

    def text(self, folder: Path) -> str:
        """Return all of it for people; ``folder`` keeps the run's record."""
        from sandbox.audit import audit

        measured = audit(self.measured)
        return "\n".join(
            [
                self.comparison.summary(),
                self.conclusion,
                *(f"claim {verdict}" for verdict in self.claims),
                accounts(audit(self.foreseen), measured),
                measured.summary(),
                f"record: {os.path.relpath(folder)}",
                *(f"SURPRISE {surprise}" for surprise in self.surprises),
            ]
        )


def _account(found: Audit) -> dict[str, Any]:
    """Return an audit's totals, and its verdict on each guarantee."""
    return found.totals.to_dict() | {one.name: one.verdict for one in found.guarantees}


def accounts(foreseen: Audit, measured: Audit) -> str:
    """Return the totals and guarantees of two audits side by side, a line each.

    >>> from sandbox.audit import audit
    >>> from sandbox.run import Run
    >>> from sandbox.scenario import Scenario
    >>> none = Scenario(name="none", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> empty = audit(Run(none, ()))
    >>> print(accounts(empty, empty).splitlines()[-1])
    effectively once       holds       holds
    """
    rows = {"audit": ("predicted", "measured")} | {
        name: (told, _account(measured)[name]) for name, told in _account(foreseen).items()
    }
    return "\n".join(f"{name:<16}{a:>12}{b:>12}" for name, (a, b) in rows.items())


def judge(measured: Run, predicted: Prediction) -> Judged:
    """Hold a run against its prediction, with what is known of its system."""
    from sandbox import workbench

    return Judged(
        measured,
        foreseen=workbench.run(predicted.scenario, engine="model", overheads=predicted.overheads),
        comparison=workbench.compare(measured, predicted),
        claims=tuple(workbench.claims(measured, predicted)),
        expected=workbench.expected_unknown(measured.scenario),
    )
