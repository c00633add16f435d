"""Hold a drawn scenario against the laws, count what was drawn, export what breaks one."""

from __future__ import annotations

import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal

from hypothesis import HealthCheck, Phase, settings

from sandbox import workbench
from sandbox.audit import verdicts
from sandbox.engines.model import clock
from sandbox.errors import EngineError, ScenarioError
from sandbox.export import to_notebook, to_script
from sandbox.run import Run
from sandbox.scenario import Scenario
from tests.property.laws import LAWS, Law, paths_taken, violations
from tests.property.paths import Case

STEPS = 200_000
"""What a model may take here; poison under reject goes on without end."""
_ENDS_S = 20
_FINDINGS = Path(tempfile.gettempdir()) / "sandbox-findings"

quiet = settings(
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class LawBrokenError(AssertionError):
    """A run that broke a law; the text names law, scenario and the folder of its export."""


@dataclass
class Tally:
    """How much of the space was drawn, and what came of it."""

    runs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, run: Run) -> None:
        """Count one run."""
        self.runs += 1
        self.kinds.update(fault.kind for fault in run.scenario.faults)
        self.modes.update(mode_of(run.scenario, name) for name in run.scenario.task_names)
        self.verdicts.update(verdicts(run).values())
        self.paths.update(paths_taken(run))

    def __str__(self) -> str:
        """Say it as a table: one column a count."""
        tables = {
            "faults": self.kinds, "task types of ack mode": self.modes,
            "tasks with verdict": self.verdicts,
            "tasks lost or run twice by a listed path": self.paths, "refused": self.refused,
        }  # fmt: skip
        lines = [f"{self.runs} runs"]
        for title, counts in tables.items():
            lines.append(f"{title}:")
            lines += [f"  {n:>8}  {name}" for name, n in counts.most_common()]
        return "\n".join(lines)


def mode_of(scenario: Scenario, name: str) -> str:
    """Return the ack mode of a task type."""
    kind = scenario.task(name)
    return Case(Run(scenario, ()), kind, None, (), ()).mode  # type: ignore[arg-type] # of its type alone


@contextmanager
def ends(seconds: int = _ENDS_S) -> Iterator[None]:
    """Fail if the block has not ended in time: a model that never ends is a finding, too."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise LawBrokenError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def few_steps() -> Iterator[None]:
    """Let models take ``STEPS`` at most."""
    before, clock.MOST_STEPS = clock.MOST_STEPS, STEPS
    try:
        yield
    finally:
        clock.MOST_STEPS = before


def on_the_model(scenario: Scenario) -> Run:
    """Run a scenario twice in virtual time: the same both times."""
    with few_steps(), ends():
        run = workbench.run(scenario, engine="model")
        again = workbench.run(scenario, engine="model")
    if run.events != again.events or run.ledger != again.ledger:
        raise LawBrokenError("the same scenario and seed gave two different runs")
    return run


def hold(
    scenario: Scenario,
    engine: Callable[[Scenario], Run] = on_the_model,
    *,
    laws: tuple[Law, ...] = LAWS,
    tally: Tally | None = None,
    folder: Path | None = None,
) -> Run | None:
    """Run a scenario and hold the run against the laws; None when the engine refuses it.

    Raises LawBrokenError, after exporting the scenario: Hypothesis runs the smallest one last,
    so that this is what stays in the folder.
    """
    tally = Tally() if tally is None else tally
    try:
        run = engine(scenario)
        broken = violations(run, laws)
    except ScenarioError as exc:
        tally.refused[str(exc)[:100]] += 1
        return None
    except EngineError as exc:
        if engine is on_the_model or "allowed:" in str(exc):  # too many steps; no such broker
            tally.refused[str(exc)[:100]] += 1
            return None
        raise LawBrokenError(f"{exc}; see {export(scenario, str(exc), folder)}") from None
    except LawBrokenError as exc:
        raise LawBrokenError(f"{exc}; see {export(scenario, str(exc), folder)}") from None
    tally.add(run)
    if broken:
        raise LawBrokenError(f"{broken[0]}; see {export(scenario, broken[0], folder)}")
    return run


def export(scenario: Scenario, sentence: str, folder: Path | None = None) -> Path:
    """Write a finding: scenario.json, notebook.ipynb and, where one can show it, script.py."""
    folder = folder or Path(os.environ.get("SANDBOX_FINDINGS", _FINDINGS))
    folder.mkdir(parents=True, exist_ok=True)
    claim: Literal["lost", "twice"] = "twice" if "run twice" in sentence else "lost"
    (folder / "finding.txt").write_text(sentence + "\n", encoding="utf-8")
    (folder / "scenario.json").write_text(scenario.to_json() + "\n", encoding="utf-8")
    (folder / "notebook.ipynb").write_text(to_notebook(scenario), encoding="utf-8")
    script = folder / "script.py"
    try:
        script.write_text(to_script(scenario, claims=(claim,)), encoding="utf-8")
    except ScenarioError as exc:
        script.write_text(f'"""No script shows it: {exc}."""\n', encoding="utf-8")
    return folder
