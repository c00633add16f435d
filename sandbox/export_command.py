"""The command ``sandbox export``: a scenario as one script that needs no sandbox, or a notebook."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.errors import EngineError
from sandbox.export import CLAIMS, to_notebook, to_script
from sandbox.sources import scenario_of


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.command("export")
    @click.argument("scenario")
    @click.option("--script", metavar="FILE", help="Write a script: celery and redis suffice.")
    @click.option("--notebook", metavar="FILE", help="Write a notebook: model, workers, audit.")
    @click.option("--json", "as_json", metavar="FILE", help="Write the scenario itself.")
    @click.option(
        "--claim",
        type=click.Choice(CLAIMS),
        multiple=True,
        default=CLAIMS,
        help="What the script exits with 1 for: a task lost, or run twice; both by default.",
    )
    def export(
        scenario: str,
        script: str | None,
        notebook: str | None,
        as_json: str | None,
        claim: tuple[str, ...],
    ) -> None:
        """Write SCENARIO (a name, or a JSON file) for others; without an option, print a script.

        The script runs the same workers, load and faults, prints what became of each task, and
        exits with 1 when a task was lost or ran twice: fit for a bug report upstream.
        """
        described = scenario_of(scenario)
        chosen = tuple(one for one in CLAIMS if one in claim)
        if script is None and notebook is None and as_json is None:
            click.echo(to_script(described, claims=chosen), nl=False)
        if script is not None:
            _write(script, to_script(described, claims=chosen))
        if notebook is not None:
            _write(notebook, to_notebook(described))
        if as_json is not None:
            _write(as_json, described.to_json() + "\n")


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise EngineError(f"{path} cannot be written: {exc.strerror}") from None
    click.echo(f"wrote {path}")
