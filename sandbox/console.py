"""What every command shares: it ends in one sentence, shows progress, and takes a budget."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from sandbox.errors import EngineError, SandboxError, ScenarioError, one_line


class Group(click.Group):
    """A group whose commands end in one sentence, never in a traceback.

    Exit status: 2 for wrong input, 3 for what this machine cannot do, 130 when interrupted.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments before a command's name."""
        with _short_complaints():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises into a sentence and a status."""
        try:
            with _short_complaints():
                return super().invoke(ctx)
        except EngineError as exc:
            complain(str(exc))
            ctx.exit(3)
        except SandboxError as exc:
            complain(str(exc))
            ctx.exit(2)
        except OSError as exc:
            if exc.errno == errno.EPIPE:  # the reader of our output has gone: click's business
                raise
            complain(str(exc))
            ctx.exit(3)
        except KeyboardInterrupt:
            complain("interrupted")
            ctx.exit(130)


@contextmanager
def _short_complaints() -> Iterator[None]:
    """Keep click's own complaints, which repeat the arguments, on one line that ends."""
    try:
        yield
    except click.UsageError as exc:
        raise click.UsageError(one_line(exc.format_message()), exc.ctx) from None


def complain(sentence: str) -> None:
    """Say on stderr what is wrong."""
    click.echo(f"sandbox: {one_line(sentence)}", err=True)


def _check_budget(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 < value <= 3600:
        raise ScenarioError(f"budget is {value}; allowed: seconds above 0, up to 3600")
    return value


BUDGET = click.option(
    "--budget",
    default=4.0,
    show_default=True,
    callback=_check_budget,
    help="Seconds for the prediction.",
)


@contextmanager
def progress(label: str, *, hidden: bool) -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal; yield a function that takes the share that is done."""
    hide = hidden or not sys.stderr.isatty()
    with click.progressbar(length=1000, label=label, file=sys.stderr, hidden=hide) as bar:
        yield lambda share: bar.update(max(0, int(1000 * min(share, 1.0)) - bar.pos))
