"""Operations: the commands of a document, run on the living system, each beside the truth.

A system's ``ops.py`` states its commands as ``OPS``; ``sandbox ops SYSTEM`` runs them while its
tasks wait and run. A command's answer is what an operator would see; the truth is read from all
lists of the broker, its ``unacked`` and the workers' own processes.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import redis

from sandbox.engines.live.engine import LiveSession
from sandbox.engines.live.processes import clean_environment
from sandbox.engines.live.stage import Stage
from sandbox.errors import ScenarioError
from sandbox.patterns.lists import BrokerLists, Keys, read
from sandbox.scenario import Scenario

_CELERY_S = 30.0
_MOST_LINES = 40


@dataclass(frozen=True)
class Here:
    """The living system that commands are run on. ``app_path``: what ``celery -A`` is given."""

    session: LiveSession
    app_path: str

    @property
    def url(self) -> str:
        """The broker's URL, past the proxy."""
        return self.session.broker.url

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of the system."""
        return self.session.scenario.queues

    @cached_property
    def redis(self) -> redis.Redis:
        """A connection to the broker."""
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)

    def lists(self) -> BrokerLists:
        """Return the lengths of all lists of the broker now, and of its ``unacked``."""
        broker = self.session.scenario.broker
        keys = Keys(prefix=self.session.broker.prefix, steps=broker.priority_steps)
        return read(self.redis, self.queues, keys)

    def backlog(self) -> str:
        """Return what the broker holds now: every list of each queue, and unacked."""
        found = self.lists()
        queues = ", ".join(f"{queue.name} {queue.waiting}" for queue in found.queues)
        return f"waiting: {queues}; taken and not acknowledged: {found.unacked}"

    def workers(self) -> str:
        """Return which workers run, by the processes themselves."""
        pids = Stage.pids(self.session)
        up = [name for name in self.session.scenario.worker_names if name in pids]
        return f"workers: {', '.join(up) or 'none'}"

    def celery(self, arguments: str) -> str:
        """Return what ``celery -A … arguments`` prints, run as an operator would run it."""
        command = [sys.executable, "-m", "celery", "-A", self.app_path, "-b", self.url]
        done = subprocess.run(  # noqa: S603 - our own module, arguments of a system's file
            command + shlex.split(arguments),
            capture_output=True,
            text=True,
            timeout=_CELERY_S,
            check=False,
            env=clean_environment(),
        )
        return _short(done.stdout.strip() or done.stderr.strip())

    def redis_cli(self, command: str) -> str:
        """Return what ``redis-cli command`` prints, without needing the program."""
        try:
            answer = self.redis.execute_command(*shlex.split(command))  # type: ignore[no-untyped-call]
        except redis.ResponseError as exc:
            return f"(error) {exc}"
        return _short(_as_cli(answer))


def _short(text: str) -> str:
    lines = text.splitlines()
    more = len(lines) - _MOST_LINES
    return "\n".join([*lines[:_MOST_LINES], *([f"… {more} more lines"] if more > 0 else [])])


def _as_cli(answer: Any) -> str:
    """Return an answer as redis-cli prints it.

    >>> _as_cli(3), _as_cli(["a"]), _as_cli(True)
    ('(integer) 3', '1) "a"', 'OK')
    """
    if answer is True:
        return "OK"
    if isinstance(answer, int):
        return f"(integer) {answer}"
    if isinstance(answer, Mapping):
        return "\n".join(f"{key}:{value}" for key, value in answer.items())
    if isinstance(answer, list | set | tuple):
        return "\n".join(f'{i}) "{one}"' for i, one in enumerate(answer, 1)) or "(empty array)"
    return str(answer)


@dataclass(frozen=True)
class Op:
    """One command of a document. ``run`` gives its answer, ``truth`` what is so; ``why`` explains.

    ``section`` is where the document has it, ``command`` its own words. A command that only a
    larger machine could run (docker-compose, brew) runs as what it amounts to here, and says so.
    ``ends``: it empties or stops what the others look at, so it comes after them.
    """

    section: str
    command: str
    run: Callable[[Here], str]
    truth: Callable[[Here], str]
    why: str
    ends: bool = False


@dataclass(frozen=True)
class Done:
    """An operation, what it answered, and what was so."""

    op: Op
    answer: str
    truth: str

    def data(self) -> dict[str, str]:
        """Return it as what JSON can hold."""
        op = self.op
        return {
            "section": op.section, "command": op.command, "answer": self.answer,
            "truth": self.truth, "why": op.why,
        }  # fmt: skip

    def __str__(self) -> str:
        """Say it in a few lines."""
        indented = "\n".join(f"    {line}" for line in self.answer.splitlines() or [""])
        return (
            f"[{self.op.section}] $ {self.op.command}\n{indented}\n"
            f"  truth: {self.truth}\n  {self.op.why}"
        )


def operate(
    ops: Iterable[Op], scenario: Scenario, *, broker: str = "auto", runs: str | Path = "runs"
) -> Iterator[Done]:
    """Start a scenario, run the operations once a task has begun, and end it again.

    Raises ScenarioError when there is nothing to run, EngineError when no task begins.
    """
    told = tuple(ops)
    if not told:
        raise ScenarioError(f"{scenario.name} has no operations")
    stage = Stage(broker, Path(runs))
    with stage.start(scenario) as session:
        stage.wait(session, lambda events: any(event.kind == "started" for event in events))
        yield from perform(told, Here(session, str(scenario.app)))


def perform(ops: Iterable[Op], here: Here) -> Iterator[Done]:
    """Run each operation on a living system, those that end something last; yield what was found.

    The truth is read right after the answer, so that both speak of the same moment.
    """
    for op in sorted(ops, key=lambda op: op.ends):
        answer = op.run(here)
        yield Done(op, answer, op.truth(here))
