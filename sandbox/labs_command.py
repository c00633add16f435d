"""The command ``sandbox labs``: list the course, start a lab, grade a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import click

from sandbox import labs, report
from sandbox.errors import LabError
from sandbox.labs import Lesson, lesson, notebook
from sandbox.labs.progress import Progress

Kind = Literal["exercise", "solution"]
STARTUP = Path(labs.__file__).with_name("startup.py")


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.group("labs", invoke_without_command=True)
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.pass_context
    def course(context: click.Context, as_json: bool) -> None:
        """List the labs, with their time and what is done of them in this folder."""
        if context.invoked_subcommand is None:
            rows = [_row(one, Progress(Path())) for one in lesson.all_lessons().values()]
            click.echo(report.to_json(rows) if as_json else "\n".join(map(_line, rows)))

    _add_start(course)
    _add_check(course)


def _add_start(course: click.Group) -> None:
    @course.command("start")
    @click.argument("number")
    @click.option(
        "--folder", default=".", show_default=True, help="Your own folder; made if need be."
    )
    @click.option("--no-open", is_flag=True, help="Copy the notebook, do not open JupyterLab.")
    @click.option("--again", is_flag=True, help="Replace your copy by a new one.")
    @click.option("--solution", is_flag=True, help="The solution instead, beside your copy.")
    def start(number: str, folder: str, no_open: bool, again: bool, solution: bool) -> None:
        """Copy lab NUMBER's exercise into your folder and open it in JupyterLab."""
        kind: Kind = "solution" if solution else "exercise"
        path = copied(lesson.get(number), Path(folder), again=again, kind=kind)
        click.echo(f"{path} is yours")
        if not no_open:
            sys.exit(opened(path))


def copied(one: Lesson, folder: Path, *, again: bool = False, kind: Kind = "exercise") -> Path:
    """Write a lab's notebook into a folder; one that is there already is kept, unless ``again``."""
    path = folder / f"{one.name}{'-solution' if kind == 'solution' else ''}.ipynb"
    if path.exists() and not again:
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook.text_of(one.notebook(kind)), encoding="utf-8")
    except OSError as exc:
        raise LabError(f"lab {one.number} cannot be copied to {folder}: {exc.strerror}") from None
    return path


def opened(path: Path, settings: Mapping[str, str] = MappingProxyType({})) -> int:
    """Open a notebook in JupyterLab, with some environment variables; return its exit status."""
    startup = {"PYTHONSTARTUP": str(STARTUP)}
    command = [sys.executable, "-m", "jupyterlab", str(path)]
    return subprocess.call(command, env=startup | os.environ | dict(settings))  # noqa: S603 - our own


def _add_check(course: click.Group) -> None:
    @course.command("check")
    @click.argument("folder", type=click.Path(exists=True, path_type=Path), default=".")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.pass_context
    def check(context: click.Context, folder: Path, as_json: bool) -> None:
        """Grade the labs in FOLDER: run each notebook's cells, here and with your rights.

        Exits with 1 when a check is not right.
        """
        from sandbox.labs.grade import grade, notebooks_in

        found = []
        for path in notebooks_in(folder):
            one = grade(path)
            found.append(one)
            if not as_json:
                click.echo(f"lab {one.number}, {one.title}: {one.n_right} of {len(one.checks)}")
                for answer in one.checks.values():
                    click.echo(f"  {answer['status']}: {answer['asks']}")
                if one.trouble:
                    click.echo(f"  {one.trouble}")
        if as_json:
            click.echo(report.to_json([one.to_dict() for one in found]))
        context.exit(0 if all(one.is_done for one in found) else 1)


def _row(one: Lesson, kept: Progress) -> dict[str, object]:
    checks = kept.of(one.number).get("checks", {})
    n_right = sum(status == "right" for status in checks.values())
    done = "done" if n_right == len(one.checks) else "begun" if checks else "new"
    return {
        "lab": one.number, "title": one.lab.title, "minutes": one.lab.minutes,
        "is_deep": one.lab.is_deep, "status": done, "right": n_right, "of": len(one.checks),
    }  # fmt: skip


def _line(row: dict[str, object]) -> str:
    told = f"{row['status']}, {row['right']} of {row['of']}"
    return f"{row['lab']}  {row['minutes']:>3} min  {told:<16}  {row['title']}"
