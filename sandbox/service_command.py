"""The commands ``sandbox serve``, ``load`` and ``ops``: a system's door, its load, its care."""

from __future__ import annotations

import signal
import threading

import click

from sandbox import report, systems
from sandbox.console import BUDGET

_BROKER = click.option(
    "--broker", default="auto", show_default=True, help="auto, redis, bundled, fake, or a URL."
)
_RUNS = click.option(
    "--runs", default="runs", show_default=True, help="Folder that keeps the record."
)
_LOOK_S = 0.25


def add_to(main: click.Group) -> None:
    """Add the commands to the others."""
    _add_serve(main)
    _add_load(main)
    _add_ops(main)


def _add_serve(main: click.Group) -> None:
    @main.command("serve")
    @click.argument("system")
    @click.option(
        "--variant", default="after", show_default=True, help="One of the system's variants."
    )
    @_BROKER
    @click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        show_default=True,
        help="Port on loopback; 0 for any.",
    )
    @click.option("--workers-off", is_flag=True, help="Accept requests that nobody works on.")
    @_RUNS
    @click.option("--json", "as_json", is_flag=True, help="Print where it is as one JSON object.")
    def serve(  # noqa: PLR0913, PLR0917 - one parameter an option
        system: str,
        variant: str,
        broker: str,
        port: int,
        workers_off: bool,
        runs: str,
        as_json: bool,
    ) -> None:
        """Open SYSTEM's front door: its workers and an HTTP server, until Ctrl-C or SIGTERM."""
        from sandbox.service.serve import serve as open_door

        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        scenario = systems.get(system).variant(variant)
        with open_door(
            scenario, broker=broker, runs=runs, port=port, workers=not workers_off
        ) as door:
            told = {"url": door.url, "token": door.token, "curls": list(door.curls())}
            lines = [f"url: {door.url}", f"token: {door.token}", *door.curls()]
            click.echo(report.to_json(told) if as_json else "\n".join(lines))
            click.echo("open until Ctrl-C", err=as_json)
            while not stop.wait(_LOOK_S):
                door.session.check()
        click.echo(f"closed; the record is in {door.session.folder}", err=as_json)


def _add_load(main: click.Group) -> None:
    @main.command("load")
    @click.argument("system")
    @_BROKER
    @BUDGET
    @_RUNS
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def load(system: str, broker: str, budget: float, runs: str, as_json: bool) -> None:
        """Drive SYSTEM's front door without and with a queue behind it; predicted and measured."""
        from sandbox import workbench
        from sandbox.service.load import SIDES
        from sandbox.service.load import load as drive

        sides = {name: systems.get(system).variant(name) for name in SIDES}
        found = drive(
            sides, broker=broker, runs=runs, overheads=workbench.known(broker), budget_s=budget
        )
        click.echo(report.to_json(found.data()) if as_json else str(found))


def _add_ops(main: click.Group) -> None:
    @main.command("ops")
    @click.argument("system")
    @_BROKER
    @_RUNS
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def ops(system: str, broker: str, runs: str, as_json: bool) -> None:
        """Run every operations command of SYSTEM's document on it, each beside the truth."""
        from sandbox.service.ops import operate

        named = systems.get(system)
        found = []
        for done in operate(named.operate(), named.operated, broker=broker, runs=runs):
            found.append(done.data())
            if not as_json:
                click.echo(f"{done}\n")
        click.echo(report.to_json(found) if as_json else f"{len(found)} commands")
