"""Malformed command lines: a result, or one sentence and status 2 or 3; never a live worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sandbox import cli, systems, workbench
from sandbox.engines import predicting
from sandbox.engines.live import LiveSession
from sandbox.engines.model import clock
from sandbox.errors import EngineError
from tests.malformed.mutations import NUMBERS, TEXTS, dumped, mutated, retyped
from tests.malformed.watch import (
    STEPS,
    ends,
    examples,
    nothing_left,
    out_of_time,
    outcome,
    untimed,
)

COMMANDS = sorted(cli.main.commands)
_SCENARIO = {
    "schema_version": 1,
    "name": "small",
    "tasks": [{"name": "t"}],
    "workers": [{}],
    "loads": [{"kind": "burst", "task": "t", "n": 3}],
    "horizon_s": 2.0,
}
_FILE = "drawn.json"
_PLACES = [
    _FILE, "empty.json", "folder.json", "folder", "secret.json", "pipe.json", "loop.json", "run",
    "zero.json", "missing.json", "\udcff.json", "nam\né.json", "x" * 300 + ".json", "/",
    "/dev/null", ".", "a/b/c.json",
]  # fmt: skip
_WORDS = [
    *COMMANDS, "leadlawk", "leadlwk", "systems", "faults", "metrics", "live", "model", "auto",
    "fake", "redis", "redis://", "redis://[::1", "redis://a:b:c@d:99999999/x", "amqp://x", "--",
]  # fmt: skip


def _options() -> list[str]:
    known = {o for command in cli.main.commands.values() for p in command.params for o in p.opts}
    odd = {"-h", "--version", "--nope", "-x", "--json=1", "--budget=", "--seed=-1"}
    return sorted(known | odd)


def _words() -> st.SearchStrategy[str]:
    odd = st.sampled_from([str(value)[:200] for value in NUMBERS] + TEXTS)
    return st.one_of(
        st.sampled_from(_PLACES),
        st.sampled_from(_WORDS),
        st.sampled_from(_options()),
        odd,
        st.text(max_size=8),
    ).filter(_can_be_passed)


def _can_be_passed(word: str) -> bool:
    """Whether a system can hand the word to a program: any bytes but NUL."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


_USUAL = [
    ["predict", _FILE],
    ["predict", "leadlawk", "--budget", "0.001"],
    ["run", _FILE, "--engine", "model"],
    ["run", "leadlawk", "--engine", "model", "--seed", "7"],
    ["schema", _FILE],
    ["schema"],
    ["compare", "run", "--budget", "1"],
    ["list", "faults", "--json"],
    ["demo", "--broker", "fake", "--runs", "folder"],
    ["calibrate", "--broker", "fake"],
]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Draw a command line: a usual one with words put in, taken out and changed, or any words."""
    if draw(st.integers(0, 4)) == 0:
        return [draw(st.sampled_from(COMMANDS)), *draw(st.lists(_words(), max_size=5))]
    line = list(draw(st.sampled_from(_USUAL)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        match draw(st.sampled_from(["insert", "replace", "remove", "option"])):
            case "insert":
                line.insert(at, draw(_words()))
            case "replace":
                line[at : at + 1] = [draw(_words())]
            case "remove":
                del line[at : at + 1]
            case _:
                line[at:at] = [draw(st.sampled_from(_options())), draw(_words())]
    return line


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*args: Any, **more: Any) -> None:
        raise EngineError("no real worker is started here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(LiveSession, "__init__", refuse)
    monkeypatch.setattr(clock, "MOST_STEPS", STEPS)
    monkeypatch.setattr(predicting, "time", out_of_time())
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.json").touch(mode=0)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    scenario = systems.load("leadlawk")
    workbench.run(scenario, engine="model").save(tmp_path / "run")
    for command in COMMANDS:  # loads what a command imports
        CliRunner().invoke(cli.main, [command, "leadlawk", "--budget", "0.001"])
    with nothing_left(tmp_path, monkeypatch):
        yield


@untimed
@examples
@given(lines(), mutated(_SCENARIO).map(dumped).flatmap(retyped))
def test_a_command_line_ends_in_a_result_or_in_a_sentence(line: list[str], text: str) -> None:
    """Whatever the words and the file: a report on stdout, or one sentence on stderr."""
    Path(_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    with ends(line):
        outcome(CliRunner().invoke(cli.main, line))


def test_the_usual_lines_name_commands_that_there_are() -> None:
    """A command that is renamed is renamed here too, or it would be tried no more."""
    assert {line[0] for line in _USUAL} <= set(COMMANDS)


_KNOWN = [
    (["predict", "pipe.json"], "is no file"),
    (["schema", "zero.json"], "is no file"),
    (["schema", "folder.json"], "is no file"),
    (["schema", "loop.json"], "symbolic links"),
    (["schema", "x" * 300 + ".json"], "too long"),
    (["predict", "x" * 100_000], "system is 'xxx"),
    (["list", "a\nb" * 1000], "is not one of 'systems'"),
    (["doctor", "\x08" * 250], "unexpected extra argument"),
    (["predict", "--" + "y" * 100_000], "No such option"),
    (["z" * 100_000], "No such command"),
    (["predict", "leadlawk", "--budget", "9" * 100_000], "budget"),
    (["predict", "leadlawk", "--seed", "9" * 10_000], "is not a valid integer"),
    (["compare", "folder"], "folder is not a stored run: No such file"),
]


@pytest.mark.parametrize(("line", "says"), _KNOWN, ids=lambda case: str(case)[:40])
def test_a_known_trap_is_one_short_sentence(line: list[str], says: str) -> None:
    """What can be waited for or read without end, and arguments of a hundred thousand letters."""
    with ends(line):
        result = CliRunner().invoke(cli.main, line)
    assert result.exit_code == 2, result.output
    outcome(result)
    assert says in result.stderr
