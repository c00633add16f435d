"""The stand-in: the model's run, where this kernel's broker cannot do what a scenario asks.

The fake has no maxmemory and keeps nothing, and a broker at a URL is not ours to stop. A lab that
needs that is done all the same, and says what was run.
"""

from __future__ import annotations

import sys
from typing import Any

from sandbox import workbench
from sandbox.errors import ScenarioError
from sandbox.labs.checks import NotYet
from sandbox.run import Run
from sandbox.scenario import Scenario


def why_not(scenario: Scenario, broker: str) -> str | None:
    """Return why real workers on this broker cannot run a scenario: one sentence, or None."""
    from sandbox.engines.live.allowed import check_faults
    from sandbox.engines.live.broker import choose

    choice, kept = choose(broker), scenario.broker.persistence
    try:
        check_faults(scenario, choice)
    except ScenarioError as exc:
        return str(exc)
    if kept != "none" and choice.program is None:
        return f"broker.persistence is {kept!r}, which takes a Redis of the sandbox's own"
    return None


def run_or_model(scenario: Scenario, engine: workbench.Engine, broker: str) -> Run:
    """Run real workers; where they cannot do it, say so, and run the model."""
    why = None if engine == "model" else why_not(scenario, broker)
    if why is not None:
        sys.stdout.write(f"No real workers here: {why}. What follows judges the model's run.\n")
        engine = "model"
    return workbench.run(scenario, engine=engine, broker=broker)


def is_measured(run: Run) -> bool:
    """Whether real workers made a run."""
    return run.info.get("engine") == "live"


def measured(value: Any, run: Run) -> Any:
    """Return what was taken of a run of real workers; of a model's nothing was measured."""
    return value if is_measured(run) else NotYet()


def who(run: Run) -> str:
    """Return whose run it is, for a check that says what it judged.

    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> who(Run(one, (), {"engine": "model"})), who(Run(one, (), {"engine": "live"}))
    ("the model's run", 'the run of real workers')
    """
    return "the run of real workers" if is_measured(run) else "the model's run"
