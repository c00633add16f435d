"""The command ``sandbox export``: a scenario as a script or a notebook, a run as a page."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.errors import EngineError
from sandbox.export import CLAIMS, to_html, to_notebook, to_script
from sandbox.run import Run
from sandbox.sources import scenario_of


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.command("export")
    @click.argument("scenario")
    @click.option("--script", metavar="FILE", help="Write a script: celery and redis suffice.")
    @click.option("--notebook", metavar="FILE", help="Write a notebook: model, workers, audit.")
    @click.option("--html", metavar="FILE", help="Write a stored run as a page that plays offline.")
    @click.option("--json", "as_json", metavar="FILE", help="Write the scenario itself.")
    @click.option(
        "--claim",
        type=click.Choice(CLAIMS),
        multiple=True,
        default=CLAIMS,
        help="What the script exits with 1 for: a task lost, or run twice; both by default.",
    )
    def export(  # noqa: PLR0913, PLR0917 - one an option
        scenario: str,
        script: str | None,
        notebook: str | None,
        html: str | None,
        as_json: str | None,
        claim: tuple[str, ...],
    ) -> None:
        """Write SCENARIO (a name, a JSON file, a stored run) for others, or print a script of it.

        --html shows what happened in a stored run; of anything else, what happens in the model.

        The script runs the same workers, load and faults, prints what became of each task, and
        exits with 1 when a task was lost or ran twice: fit for a bug report upstream.
        """
        if html is not None:
            _write(html, to_html(_run_of(scenario)))
            if script is None and notebook is None and as_json is None:
                return
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


def _run_of(source: str) -> Run:
    """Return a stored run, or the model's run of what is no run."""
    if (Path(source) / "run.json").is_file():
        return Run.load(source)
    from sandbox import workbench

    return workbench.run(scenario_of(source), engine="model")


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise EngineError(f"{path} cannot be written: {exc.strerror}") from None
    click.echo(f"wrote {path}")
