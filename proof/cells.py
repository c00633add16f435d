"""Cells of the table of faults: one case, one ack mode, one engine; run it and judge it."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from proof.build import scenario
from proof.damage import ROLES, Case
from proof.seen import Seen, seen
from sandbox import workbench
from sandbox.engines.live.engine import LiveSession
from sandbox.errors import SandboxError
from sandbox.overheads import Overheads
from sandbox.run import Run, broken_laws

Verdict = Literal["proven", "differs", "not possible"]
ENGINES = ("model", "fake", "redis")
"""… and ``url``: a Redis that is not the sandbox's own."""

_UNTIL_S, _LAST_WORDS_S = 20.0, 0.2


@dataclass(frozen=True)
class Cell:
    """What one cell came to. ``told``: a refusal in the engine's own words, or what differs."""

    case: Case
    mode: str
    engine: str
    verdict: Verdict
    found: Seen | None
    told: str
    took_s: float

    @property
    def name(self) -> str:
        """The cell's address in the table."""
        return address(self.case, self.mode, self.engine)


def address(case: Case, mode: str, engine: str) -> str:
    """Return a cell's address in the table."""
    return f"{case.title} / {mode} @ {engine}"


def judge(case: Case, mode: str, engine: str, expected: Seen | None = None) -> Cell:
    """Run a cell; ``expected`` is what the model showed, whose numbers must be the same.

    *Not possible* is what an engine refuses, in its own words, where it is declared to.
    """
    began = time.monotonic()
    verdict, told, found = "proven", "", None
    try:
        run = performed(case, mode, engine)
    except SandboxError as exc:
        told = str(exc)
    else:
        told = refusal(run)
        found = None if told else seen(run, case)
    if (found is None) != (engine in case.refused_by):
        verdict, told = "differs", told or f"declared as refused by {engine}"
    elif found is None:
        verdict = "not possible"
    else:
        told = "; ".join([*broken_laws(run), *_unlike(case, mode, found, expected)])
        verdict = "differs" if told else "proven"
    return Cell(case, mode, engine, verdict, found, told, time.monotonic() - began)


def performed(case: Case, mode: str, engine: str) -> Run:
    """Return a run of a cell, on the model or on real workers with a broker."""
    described = case.build(mode)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if engine == "model":
            session = workbench.start(described, engine="model", overheads=Overheads())
        else:
            broker = _somebody_elses(stack, folder) if engine == "url" else engine
            session = workbench.start(described, broker=broker, runs=folder)
        with session:
            if mode in case.until:
                session.wait_for(case.until[mode], _UNTIL_S)
                session.wait(_LAST_WORDS_S)
            else:
                session.wait()
        return session.close()


def _somebody_elses(stack: ExitStack, folder: str) -> str:
    """Start a Redis, and return its URL: who is given one does not own the broker."""
    owner = stack.enter_context(workbench.start(scenario(loads=[]), broker="redis", runs=folder))
    assert isinstance(owner, LiveSession)
    return owner.broker.url


def refusal(run: Run) -> str:
    """Return why a verb was refused in a run: one sentence; empty when none was."""
    errors = [(event.detail or {}).get("error") for event in run.of_kind("control")]
    return next((str(error) for error in errors if error), "")


def _unlike(case: Case, mode: str, found: Seen, expected: Seen | None) -> list[str]:
    """Return what is not as declared, or not as many as in the model."""
    declared = case.harms[mode]
    wrong = []
    for role in (*ROLES, "exits"):
        if not found.is_as(declared, role):
            wrong.append(f"{role}: {found.told(role) or 'none'}, declared {declared.told(role)}")
        elif expected is not None and found.told(role) != expected.told(role):
            wrong.append(f"{role}: {found.told(role)}, in the model {expected.told(role)}")
    return wrong
