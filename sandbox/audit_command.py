"""The command ``sandbox audit``: what became of every task of a stored run, and of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sandbox import report
from sandbox.errors import ScenarioError

if TYPE_CHECKING:
    from sandbox.audit import Audit

GUARANTEES = ("at least once", "at most once", "effectively once")


def add_to(main: click.Group) -> None:
    """Add the command to the others."""

    @main.command("audit")
    @click.argument("folder", type=click.Path(exists=True, file_okay=False))
    @click.option("--task", help="One task, such as resize/7: its whole account.")
    @click.option(
        "--late",
        type=float,
        callback=_check_late,
        metavar="SECONDS",
        help="Count tasks as late that first began later than this after they were due.",
    )
    @click.option(
        "--require",
        multiple=True,
        type=click.Choice(GUARANTEES),
        help="Exit with 1 unless this guarantee holds; repeatable.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.pass_context
    def audit(  # noqa: PLR0913, PLR0917 - one parameter an option
        context: click.Context,
        folder: str,
        task: str | None,
        late: float | None,
        require: tuple[str, ...],
        as_json: bool,
    ) -> None:
        """Say what became of every task of the stored run in FOLDER, and by what evidence.

        From the ledger that the tasks' bodies wrote, the recorder's events and the broker's last
        dump; never from the faults or a prediction.
        """
        from sandbox.audit import audit as judge
        from sandbox.run import Run

        found = judge(Run.load(folder), late_s=late)
        if as_json:
            click.echo(report.to_json(_data(found, task)))
        else:
            click.echo(found.summary() if task is None else _account(found, task))
        broken = {one.name for one in found.guarantees if one.verdict != "holds"}
        context.exit(1 if broken & set(require) else 0)


def _check_late(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not 0 <= value < float("inf"):
        raise ScenarioError(f"late is {value}; allowed: seconds, 0 or more")
    return value


def _account(found: Audit, task: str) -> str:
    """Return one task's account, and which guarantees it breaks or leaves open."""
    lines = [found.account(task).told()]
    for guarantee in found.guarantees:
        for how, causes in (("violated", guarantee.broken), ("unknown", guarantee.open)):
            told = [cause for cause, tasks in causes.items() if task in tasks]
            lines += [f"  {guarantee.name}: {how} ({cause})" for cause in told]
    return "\n".join(lines)


def _data(found: Audit, task: str | None) -> dict[str, Any]:
    data = found.to_dict()
    if task is not None:
        account = found.account(task)
        data["tasks"] = {task: data["tasks"][task]}
        data["evidence"] = [event._asdict() for event in account.evidence]
        data["effects"] = [effect._asdict() for effect in account.effects or ()]
    return data
