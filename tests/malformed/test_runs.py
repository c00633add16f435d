"""Malformed stored runs: refused with file and line, or measured, audited and compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sandbox import cli, workbench
from sandbox.audit import audit
from sandbox.engines import predicting
from sandbox.engines.model import clock
from sandbox.errors import RunError
from sandbox.metrics import measure
from sandbox.overheads import Overheads
from sandbox.run import Run, broken_laws
from sandbox.scenario import Scenario
from tests.malformed.mutations import damaged, dumped, mutated
from tests.malformed.watch import (
    STEPS,
    clear,
    ends,
    half_as_many,
    nothing_left,
    out_of_time,
    outcome,
    untimed,
)

HEAD, EVENTS = "run.json", "events.jsonl"
Files = dict[str, bytes | None]
"""What a folder holds by name; None is a folder where a file should be."""


@cache
def _sound() -> dict[str, bytes]:
    """Return the files of a small run in which most of what can happen happens."""
    task = {"name": "t", "service": {"kind": "exponential", "mean_s": 0.1}, "acks_late": True}
    limited = {"name": "u", "rate_limit": "1/s", "p_failure": 0.5, "retries": [{"kind": "auto"}]}
    scenario = Scenario(
        name="small",
        tasks=[task, limited | {"expires_s": 2.0}],
        workers=[{"n_workers": 2, "concurrency": 2}],
        loads=[
            {"kind": "burst", "task": "t", "n": 6},
            {"kind": "burst", "task": "u", "n": 4},
        ],
        faults=[
            {
                "kind": "kill_worker",
                "worker": "worker2",
                "when": {"on": "event", "event": "started"},
            },
            {"kind": "skip", "seconds": 3600.0, "when": {"on": "time", "at_s": 1.0}},
        ],
        horizon_s=4.0,
    )
    folder = workbench.run(scenario, engine="model", overheads=Overheads()).save("sound")
    files = {name: (folder / name).read_bytes() for name in (HEAD, EVENTS)}
    shutil.rmtree(folder)
    return files


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clock, "MOST_STEPS", STEPS)
    monkeypatch.setattr(predicting, "time", out_of_time())
    _sound()
    workbench.run(Run.load(_written(_sound())).scenario, engine="model").attempts  # noqa: B018 - loads pandas
    with nothing_left(tmp_path, monkeypatch):
        yield


@st.composite
def folders(draw: st.DrawFn) -> Files:
    """Draw the files of a run of which at least one is not what it was."""
    files: Files = dict(_sound())
    name = draw(st.sampled_from([HEAD, EVENTS, EVENTS]))
    whole = _sound()[name]
    match draw(st.sampled_from(["tree", "tree", "tree", "bytes", "order", "gone", "odd"])):
        case "tree" if name == HEAD:
            files[name] = _bytes(dumped(draw(mutated(json.loads(whole)))))
        case "tree":
            trees = draw(mutated([json.loads(line) for line in whole.splitlines()], most=4))
            lines = trees if isinstance(trees, list) else [trees]
            files[name] = _bytes("\n".join(map(dumped, lines)))
        case "bytes":
            files[name] = draw(damaged(whole))
        case "order":
            whole_lines = _sound()[EVENTS].splitlines(keepends=True)
            step = draw(st.integers(1, len(whole_lines)))
            files[EVENTS] = b"".join(whole_lines[step:] + whole_lines[:step])
        case "gone":
            del files[name]
        case "odd":
            files[name] = draw(st.sampled_from([None, b"", b"\n\n", b"null", b"{}", b"[]"]))
    return files


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _written(files: dict[str, Any]) -> Path:
    """Write a folder in the place of the one before."""
    folder = Path("run")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    return folder


@untimed
@half_as_many
@given(folders())
def test_a_stored_run_is_refused_in_a_sentence_or_read_by_all(files: Files) -> None:
    """RunError names the file; else laws, metrics, audit and attempts take whatever was read."""
    folder = _written(files)
    with ends(files):
        try:
            run = Run.load(folder)
        except RunError as exc:
            assert "run" in clear(str(exc))
            return
        for problem in broken_laws(run):
            clear(problem)
        measure(run).to_frame()
        found = audit(run)
        # The broker's last dump may hold messages of which no event says a word.
        assert found.tasks.keys() >= run.fold.journeys.keys()
        assert sum(found.counts().values()) == len(found.tasks)
        assert found.summary()
        assert len(run.attempts) == len(run.fold.attempts)
        again = Run.load(run.save("again"))
        assert again.events == run.events
        assert again.scenario == run.scenario


@untimed
@half_as_many
@given(folders(), st.booleans())
def test_compare_of_a_stored_run_is_a_verdict_or_a_sentence(files: Files, as_json: bool) -> None:
    """Status 0 or 1 with a report, or 2 or 3 with one sentence."""
    _written(files)
    args = ["compare", "run", *(["--json"] if as_json else [])]
    with ends(files):
        outcome(CliRunner().invoke(cli.main, args), as_json=as_json)
