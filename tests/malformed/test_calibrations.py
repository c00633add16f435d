"""Malformed calibrations: not used, in a sentence, or overheads that the model can run on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import calibration, workbench
from sandbox.engines.model import clock
from sandbox.errors import EngineError
from sandbox.overheads import Overheads
from sandbox.run import broken_laws
from sandbox.scenario import Scenario
from tests.malformed.mutations import damaged, dumped, mutated, retyped
from tests.malformed.watch import STEPS, clear, ends, examples, nothing_left, untimed

_SCENARIO = Scenario(
    name="small",
    tasks=[{"name": "t", "acks_late": True, "reject_on_worker_lost": True}],
    workers=[{"concurrency": 2}],
    loads=[{"kind": "burst", "task": "t", "n": 4}],
    faults=[
        {"kind": "kill_child", "worker": "worker1", "when": {"on": "event", "event": "started"}},
    ],
    horizon_s=5.0,
)


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clock, "MOST_STEPS", STEPS)
    with nothing_left(tmp_path, monkeypatch):
        yield


@cache
def _whole() -> bytes:
    return calibration.store(Overheads(), "redis").read_bytes()


def _file() -> Path:
    """Return the file that the calibration of Redis is kept in, with nothing in its place."""
    path = calibration.store(Overheads(), "redis")
    path.unlink()
    return path


@st.composite
def contents(draw: st.DrawFn) -> bytes | None:
    """Draw what a calibration's file could hold; None for a folder in its place."""
    match draw(st.sampled_from(["tree", "tree", "tree", "text", "bytes", "odd"])):
        case "tree":
            text = dumped(draw(mutated(json.loads(_whole()))))
        case "text":
            text = draw(retyped(_whole().decode()))
        case "bytes":
            return draw(damaged(_whole()))
        case _:
            return draw(st.sampled_from([None, b"", b"null", b"[]", b"{}", b"0", b'"a"']))
    return text.encode("utf-8", "surrogatepass")


@untimed
@examples
@given(contents())
def test_a_calibration_is_not_used_and_says_why_or_runs_the_model(content: bytes | None) -> None:
    """Whatever the file holds: None and a sentence, or overheads of a model that ends soundly."""
    path = _file()
    with ends(content):
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        try:
            overheads, told = calibration.read("redis")
            clear(told.replace(str(path), "FILE"))
            assert isinstance(calibration.known("redis"), Overheads)
            if overheads is None:
                return
            clear(overheads.source)
            try:
                run = workbench.run(_SCENARIO, engine="model", overheads=overheads)
            except EngineError as exc:
                clear(str(exc))
                return
            assert broken_laws(run) == []
        finally:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
