"""The command ``sandbox what-if``: a scenario with other values of its fields, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sandbox import report
from sandbox.console import BUDGET, progress
from sandbox.errors import ScenarioError, shown
from sandbox.scenario import Scenario

if TYPE_CHECKING:
    from sandbox.capacity import WhatIf


def add_to(main: click.Group, read: Callable[[str], Scenario]) -> None:
    """Add the command to the others; ``read`` makes a scenario of its name or file."""

    @main.command("what-if")
    @click.argument("scenario")
    @click.option(
        "--set",
        "changes",
        multiple=True,
        required=True,
        metavar="PATH=VALUE,…",
        help="A field and its values, such as workers.worker.concurrency=1,2,4; repeatable.",
    )
    @click.option("--until", help="Search the smallest value with, say, 'p95_latency_s < 30'.")
    @click.option("--metric", "metrics", multiple=True, help="What to show; repeatable.")
    @click.option(
        "--replications",
        type=click.IntRange(2, 10_000),
        help="Runs a point; without it, until precise.",
    )
    @BUDGET
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def what_if(  # noqa: PLR0913, PLR0917 - one parameter an option
        scenario: str,
        changes: tuple[str, ...],
        until: str | None,
        metrics: tuple[str, ...],
        replications: int | None,
        budget: float,
        as_json: bool,
    ) -> None:
        """Predict SCENARIO (a system's name or a JSON file) with other values of its fields.

        Every combination of the values is run in the model on the same draws; no worker starts.
        """
        from sandbox import capacity

        chosen: dict[str, Any] = {"metrics": metrics} if metrics else {}
        with progress("what if", hidden=as_json) as tell:
            found = capacity.what_if(
                read(scenario), assignments(changes), until=until, replications=replications,
                budget_s=budget, on_progress=tell, **chosen,
            )  # fmt: skip
        click.echo(report.to_json(_data(found)) if as_json else found)


def assignments(texts: tuple[str, ...]) -> dict[str, list[Any]]:
    """Read ``path=value,value``: each value is JSON, or a word as it stands.

    >>> assignments(("workers.w.concurrency=1,2", "tasks.*.acks_late=true", "tasks.t.queue=slow"))
    {'workers.w.concurrency': [1, 2], 'tasks.*.acks_late': [True], 'tasks.t.queue': ['slow']}
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        path, sign, values = text.partition("=")
        if not sign or not path or not values:
            raise ScenarioError(f"--set is {shown(text)}; allowed: a path, =, and its values")
        if path in found:
            raise ScenarioError(f"--set names {path} twice; allowed: all its values at once")
        found[path] = _values(values)
    return found


def _values(text: str) -> list[Any]:
    """Read a JSON list's inside as a whole, so that a value may itself be a list or an object."""
    try:
        return list(json.loads(f"[{text}]"))
    except (ValueError, RecursionError):
        return [_value(part) for part in text.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _data(found: WhatIf) -> dict[str, Any]:
    """Return what a program wants to know: the rows with their units, and the answer."""
    answer = found.answer
    return {
        "scenario": found.scenario.name,
        "stopped": found.stopped,
        "points": found.to_frame().to_dict(orient="records"),
        "answer": None
        if answer is None
        else {
            "goal": str(answer.goal),
            "path": answer.path,
            "value": answer.value,
            "perhaps": answer.perhaps,
            "verdict": answer.verdict,
            "sentence": str(answer),
        },
    }
