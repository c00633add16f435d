"""The command ``sandbox claims``: what the documents say, judged by model and real workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from sandbox import report, systems
from sandbox.claims import Claim, Evidence
from sandbox.comparison import shown
from sandbox.errors import ScenarioError, one_of


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.command("claims")
    @click.argument("names", metavar="[SYSTEM[:CLAIM]]...", nargs=-1)
    @click.option("--live", is_flag=True, help="Ask real workers, too: minutes, not seconds.")
    @click.option("--broker", help="auto, redis, bundled, fake, or a redis:// URL; with --live.")
    @click.option("--runs", default="runs", show_default=True, help="Folder for the records.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.pass_context
    def claims(  # noqa: PLR0913, PLR0917 - one parameter an option
        context: click.Context,
        names: tuple[str, ...],
        live: bool,
        broker: str | None,
        runs: str,
        as_json: bool,
    ) -> None:
        """Judge every claim of the SYSTEMs' documents, by the model and with --live by workers.

        Each has a verdict (right, wrong, depends, not testable here), the predicted and the
        measured number, and one sentence why. Exits with 1 when the evidence contradicts a verdict.
        """
        from sandbox.evidence import gather

        asked = _asked(names)
        where = _where(broker) if live or broker else None
        found = []
        for evidence in gather(asked, broker=where, runs=runs):
            found.append(evidence)
            if not as_json:
                click.echo(line(evidence))
        click.echo(report.to_json([data(one) for one in found]) if as_json else _sum(found))
        context.exit(0 if all(one.is_as_stated for one in found) else 1)


def _asked(names: tuple[str, ...]) -> list[Claim]:
    """Return the claims that are named: all, a system's, or one of a system."""
    found: list[Claim] = []
    for name in names or tuple(systems.all_systems()):
        system, _, claim = name.partition(":")
        known = {one.name: one for one in systems.get(system).claims}
        if claim and claim not in known:
            allowed = one_of(claim, known)
            raise ScenarioError(f"claim of {system} is {claim!r}; allowed: {allowed}")
        found += [known[claim]] if claim else known.values()
    return found


def _where(broker: str | None) -> str:
    """Return the broker's choice by what it is, so that "auto" is known to be the fake."""
    from sandbox.engines.live.broker import choose

    choice = choose(broker or "auto")
    return choice.kind if broker in {None, "auto"} else str(broker)


def line(found: Evidence) -> str:
    """Return a claim and its evidence as three lines."""
    claim = found.claim
    numbers = [
        f"{which} {numbers_of(numbers)} {claim.unit_shown}".rstrip()
        for which, numbers in (("predicted", found.predicted), ("measured", found.measured))
        if numbers
    ]
    told = "; ".join([*numbers, found.status])
    return (
        f"{found.verdict.upper()}  {claim.text!r} [{claim.source}] {claim.name}\n"
        f"    {told}\n    {claim.why}"
    )


def numbers_of(numbers: Mapping[str, float]) -> str:
    """Return labelled numbers in words.

    >>> numbers_of({"": 3.0}), numbers_of({"1 worker": 5.0, "2 workers": 10.0})
    ('3', '5 (1 worker), 10 (2 workers)')
    """
    return ", ".join(
        f"{shown(number)} ({label})" if label else shown(number)
        for label, number in numbers.items()
    )


def data(found: Evidence) -> dict[str, Any]:
    """Return a claim and its evidence as what JSON can hold."""
    claim = found.claim
    return {
        "name": claim.name,
        "claim": claim.text,
        "source": claim.source,
        "rows": claim.rows,
        "verdict": found.verdict,
        "predicted": found.predicted,
        "measured": found.measured,
        "unit": claim.unit_shown,
        "why": claim.why,
        "scenarios": {label: one.name for label, one in claim.shown_by.items()},
        "status": found.status,
    }


def _sum(found: list[Evidence]) -> str:
    """Return how many claims have which verdict, and how many are contradicted."""
    verdicts = [one.verdict for one in found]
    counts = ", ".join(f"{verdicts.count(one)} {one}" for one in sorted(set(verdicts)))
    contradicted = sum(not one.is_as_stated for one in found)
    measured = sum(bool(one.measured) for one in found)
    return (
        f"{len(found)} claims: {counts}; measured {measured}; "
        f"contradicted by the evidence {contradicted}"
    )
