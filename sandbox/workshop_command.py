"""The command ``sandbox workshop``: join one, see how it goes, end it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from sandbox import report
from sandbox.labs import lesson
from sandbox.labs.guesses import histogram
from sandbox.labs.room import Room
from sandbox.labs_command import copied, opened

_ROOM_HELP = "ROOM is the shared Redis and the workshop's name, redis://host:6379/0#monday."


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.group("workshop")
    def workshop() -> None:
        """Labs together: one Redis, each learner under a prefix of their own."""

    _add_join(workshop)
    _add_show(workshop)
    _add_end(workshop)


def _add_join(workshop: click.Group) -> None:
    @workshop.command("join", epilog=_ROOM_HELP)
    @click.argument("room")
    @click.option("--as", "learner", default="", help="Your name; default: user@machine.")
    @click.option("--lab", "number", default="01", show_default=True, help="Lab to begin with.")
    @click.option("--folder", default=".", show_default=True, help="Your own folder.")
    @click.option("--only-guesses", is_flag=True, help="Run workers on a broker of your own.")
    @click.option("--no-open", is_flag=True, help="Print the settings, do not open JupyterLab.")
    def join(  # noqa: PLR0913, PLR0917 - one parameter an option
        room: str, learner: str, number: str, folder: str, only_guesses: bool, no_open: bool
    ) -> None:
        """Open a lab in JupyterLab, with guesses pooled and workers on the shared Redis."""
        one = Room.at(room, learner)
        one.reach()
        path = copied(lesson.get(number), Path(folder))
        settings = settings_of(one, only_guesses=only_guesses)
        if no_open:
            for name, value in settings.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            return
        click.echo(f"you are {one.learner} in {one.name}; {path} is yours")
        sys.exit(opened(path, settings))


def settings_of(one: Room, *, only_guesses: bool = False) -> dict[str, str]:
    """Return the environment of a learner's JupyterLab.

    >>> sorted(settings_of(Room.at("redis://host/0#monday", "anna")))
    ['SANDBOX_BROKER', 'SANDBOX_LEARNER', 'SANDBOX_ROOM']
    """
    room = {"SANDBOX_ROOM": f"{one.url}#{one.name}", "SANDBOX_LEARNER": one.learner}
    return room if only_guesses else room | {"SANDBOX_BROKER": one.url}


def _add_show(workshop: click.Group) -> None:
    @workshop.command("show", epilog=_ROOM_HELP)
    @click.argument("room")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def show(room: str, as_json: bool) -> None:
        """Show everybody's guesses, as histograms, and who has how many checks right."""
        one = Room.at(room)
        one.reach()
        guesses, progress = one.guesses(), one.progress()
        if as_json:
            click.echo(report.to_json({"guesses": guesses, "progress": progress}))
        else:
            click.echo("\n".join(lines_of(guesses, progress)) or f"{one.name}: nobody yet")


def lines_of(
    guesses: dict[str, dict[str, float]], progress: dict[str, dict[str, str]]
) -> list[str]:
    """Return the room as text: a histogram each question, a line each learner.

    >>> lines_of({"Lost?": {"anna": 4.0}}, {"anna": {"03": "3/4"}})
    ['Lost?', '  4  ######################## 1', 'anna: lab 03 3/4']
    """
    found: list[str] = []
    for question, by_learner in guesses.items():
        found += [question, *(f"  {line}" for line in histogram(list(by_learner.values())))]
    for learner, labs in progress.items():
        found.append(f"{learner}: {', '.join(f'lab {lab} {told}' for lab, told in labs.items())}")
    return found


def _add_end(workshop: click.Group) -> None:
    @workshop.command("end", epilog=_ROOM_HELP)
    @click.argument("room")
    def end(room: str) -> None:
        """Delete what the room noted; after a day it goes by itself."""
        one = Room.at(room)
        one.reach()
        click.echo(f"{one.name}: {one.clear()} keys deleted")
