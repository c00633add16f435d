"""Evidence: what model and real workers say of claims."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sandbox import workbench
from sandbox.claims import Claim, Evidence
from sandbox.errors import EngineError
from sandbox.overheads import Overheads
from sandbox.run import Run
from sandbox.scenario import Scenario


def gather(
    claims: Iterable[Claim],
    *,
    broker: str | None = None,
    runs: str | Path = "runs",
    overheads: Overheads | None = None,
) -> Iterator[Evidence]:
    """Yield what is found on each claim, in their order.

    ``broker``: where real workers run each claim's scenarios too (redis, fake or a URL); None asks
    the model alone. What Celery's own configuration says is read in any case. Each scenario runs
    once, however many claims it shows. What goes wrong with one is told, and the next is asked.

    >>> from sandbox import systems
    >>> found = next(gather(systems.get("leadlawk").claims))
    >>> found.status
    'as stated'
    """
    known = overheads if overheads is not None else workbench.known(broker or "auto")

    @functools.cache
    def predicted(scenario: Scenario) -> Run:
        return workbench.run(scenario, engine="model", overheads=known)

    @functools.cache
    def measured(scenario: Scenario) -> Run:
        return workbench.run(scenario, broker=broker or "auto", runs=runs)

    for claim in claims:
        yield _evidence(claim, predicted, measured, broker, Path(runs))


def _evidence(
    claim: Claim,
    predicted: Callable[[Scenario], Run],
    measured: Callable[[Scenario], Run],
    broker: str | None,
    runs: Path,
) -> Evidence:
    foreseen: dict[str, float] = {}
    seen: dict[str, float] = {}
    why = _unasked(claim, broker)
    try:
        foreseen |= {label: claim.of_run(predicted(one)) for label, one in claim.shown_by.items()}
        if claim.reads is not None:
            seen[""] = float(claim.reads())
        if not why and broker is not None:
            seen |= {label: claim.of_run(measured(one)) for label, one in claim.shown_by.items()}
            seen |= _probed(claim, broker, runs)
    except (EngineError, ValueError, ArithmeticError, LookupError) as exc:
        # One claim's trouble is no reason to leave out those after it.
        return Evidence(claim, foreseen, seen, why, failed=f"{type(exc).__name__}: {exc}")
    return Evidence(claim, foreseen, seen, why)


def _probed(claim: Claim, broker: str, runs: Path) -> dict[str, float]:
    """Return what a living system shows, if the claim asks one."""
    if claim.probe is None:
        return {}
    from sandbox.engines.live.stage import Stage

    return {"": float(claim.probe(Stage(broker, runs)))}


def _unasked(claim: Claim, broker: str | None) -> str:
    """Return why real workers are not asked; "" when they are, or when nothing is to be asked."""
    if not (claim.shown_by or claim.probe):
        return ""
    if claim.not_live and claim.probe is None:
        return f"model only: {claim.not_live}"
    if broker is None:
        return "live only" if claim.probe is not None else ""
    if claim.needs and broker == "fake":
        return f"needs Redis: {claim.needs}"
    return ""
