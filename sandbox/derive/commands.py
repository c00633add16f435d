"""Commands: worker command lines, read by Celery's own parsers and never run.

Source: celery/bin/celery.py and celery/bin/worker.py (click), celery/apps/multi.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

from sandbox.derive.worker_command import Commands, WorkerCommand
from sandbox.errors import ScenarioError, one_of
from sandbox.notes import Notes

_MULTI_STARTS = ("start", "restart", "show", "expand", "names")
_GLOBAL = {"-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config",
           "--workdir", "-C", "--no-color", "-q", "--quiet", "--executable"}  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


def read_commands(app: Any, commands: Sequence[str], notes: Notes) -> Commands:
    """Read command lines; raises ScenarioError (one sentence) for one that Celery would refuse."""
    workers: list[WorkerCommand] = []
    n_beats = 0
    for i, text in enumerate(commands):
        where = f"commands[{i}]"
        words, environment = _celery_part(text, where)
        name, rest = _subcommand(words, where)
        if name == "worker":
            workers.append(_worker(app, rest, where, environment))
        elif name == "multi":
            workers += [_worker(app, one, where, environment) for one in _multi(rest, where)]
        elif name == "beat":
            n_beats += 1
            _note_beat(rest, where, notes)
        else:
            notes.add(where, f"celery {name} is no worker", "it changes nothing")
    n_beats += sum(worker.beats for worker in workers)
    return Commands(tuple(workers), n_beats)


def _note_beat(rest: Sequence[str], where: str, notes: Notes) -> None:
    if any(word.startswith(("-S", "--scheduler")) for word in rest):
        notes.add(where, "a scheduler of its own decides what is due", "the app's beat_schedule")


def _celery_part(text: str, where: str) -> tuple[list[str], dict[str, str]]:
    """Return the words after ``celery``, and the variables that are set before it.

    What else stands before it (env, poetry run) starts it.
    """
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ScenarioError(f"{where} cannot be read as a command line: {exc}") from None
    for i, word in enumerate(words):
        if PurePath(word).name == "celery" and not _ASSIGNMENT.fullmatch(word):
            return words[i + 1 :], _variables(words[:i])
        if " celery " in f" {word}":  # sh -c "celery …"
            inner, own = _celery_part(word, where)
            return inner, _variables(words[:i]) | own
    raise ScenarioError(
        f"{where} is {text!r}; allowed: a command such as 'celery -A proj worker -c 4'"
    )


def _variables(words: Sequence[str]) -> dict[str, str]:
    found = [word.partition("=") for word in words if _ASSIGNMENT.fullmatch(word)]
    return {name: value for name, _, value in found}


def _subcommand(words: list[str], where: str) -> tuple[str, list[str]]:
    """Skip ``celery``'s own options, and return the command after them with its words."""
    import click
    from celery.bin.celery import celery as group

    context = click.Context(group, info_name="celery")
    try:
        # The raw parser: the command's callbacks would change the folder and the environment.
        _, rest, _ = group.make_parser(context).parse_args(args=list(words))
    except click.ClickException as exc:
        raise ScenarioError(f"{where}: {_told(exc)}") from None
    names = sorted(group.commands)
    if not rest or rest[0] not in names:
        named = rest[0] if rest else ""
        raise ScenarioError(f"{where} has the command {named!r}; allowed: {one_of(named, names)}")
    return rest[0], rest[1:]


def _told(exc: Any) -> str:
    return " ".join(str(exc.format_message()).split())


def _worker(
    app: Any, words: list[str], where: str, environment: Mapping[str, str]
) -> WorkerCommand:
    """Read one worker's words as ``celery worker`` does, without starting it."""
    import click
    from celery.bin.worker import worker
    from click.core import ParameterSource

    # A copy with the app's own options, as celery/bin/celery.py adds them. A pool's name stays
    # a name: Celery would import the pool, which need not be installed here.
    named_pool = click.Option(["-P", "--pool"], type=str)
    params = [named_pool if param.name == "pool" else param for param in worker.params]
    command = click.Command("worker", params=[*params, *app.user_options.get("worker", ())])
    command.allow_extra_args = True
    try:
        context = command.make_context("worker", list(words), obj=SimpleNamespace(app=app))
        rest = context.args
        settings = app.loader.cmdline_config_parser(rest, namespace="worker") if rest else {}
    except click.exceptions.Exit:  # --help
        raise ScenarioError(f"{where} asks for help and starts no worker") from None
    except click.ClickException as exc:
        raise ScenarioError(f"{where}: {_told(exc)}") from None
    except (KeyError, ValueError) as exc:
        raise ScenarioError(f"{where} has {' '.join(rest)!r}, which is no setting: {exc}") from None
    options = dict(context.params)
    named = context.get_parameter_source("hostname") is not ParameterSource.DEFAULT
    node = str(options.get("hostname")) if named else None
    pool = _pool(options.pop("pool"), where)
    return WorkerCommand(where, node, pool, options, settings, environment)


def _pool(name: str | None, where: str) -> str | None:
    """Check a pool's name; its implementation, such as gevent, need not be installed here."""
    from celery.concurrency import get_available_pool_names

    if name is not None and name not in get_available_pool_names():
        allowed = one_of(name, get_available_pool_names())
        raise ScenarioError(f"{where} has the pool {name!r}; allowed: {allowed}")
    return name


def _multi(words: list[str], where: str) -> Iterator[list[str]]:
    """Yield the words of each worker that ``celery multi start …`` starts."""
    from celery.apps.multi import MultiParser, NamespacedOptionParser, format_opt

    class Parser(MultiParser):  # type: ignore[misc] # Celery is untyped
        """Celery's own, without its Node, which would make folders for pid files."""

        @staticmethod
        def Node(  # noqa: N802 - Celery's name
            name: str, *rest: Any
        ) -> tuple[str, Mapping[str, Any], str]:
            _cmd, _append, options, passthrough = rest
            return name, options, passthrough

    verb = next((word for word in words if not word.startswith("-")), "")
    if verb not in _MULTI_STARTS:
        allowed = one_of(verb, _MULTI_STARTS)
        raise ScenarioError(f"{where} has celery multi {verb!r}; allowed: {allowed}")
    given = list(words)
    given.remove(verb)
    parser = NamespacedOptionParser(given)
    try:
        parser.parse()
        nodes = list(Parser().parse(parser))
    except (KeyError, ValueError) as exc:
        raise ScenarioError(f"{where}: {' '.join(str(exc).split())}") from None
    for name, options, passthrough in nodes:
        kept = {key: value for key, value in options.items() if key not in _GLOBAL}
        line = " ".join(format_opt(key, value) for key, value in kept.items())
        yield [*shlex.split(f"{line} {passthrough}"), "--hostname", name]
