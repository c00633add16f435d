"""The recorder: lines that json reads back, complete whatever happens to their writer."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engines.live.hooks import HOOKS, missing_hooks
from sandbox.engines.live.record import Record, Tail
from sandbox.engines.live.writer import Writer
from sandbox.run import KINDS
from tests.waiting import comes_true

_FIELDS = st.sampled_from(["task", "tag", "slot", "queue", "retry", "detail"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@given(
    fields=st.dictionaries(_FIELDS, _JSON),
    at=st.floats(0, 1e9),
    worker=st.none() | st.text(min_size=1),
)
def test_a_line_holds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    fields: dict[str, Any],
    at: float,
    worker: str | None,
) -> None:
    """Law: json reads back each field that is not None, whatever text or value it holds."""
    path = tmp_path_factory.mktemp("raw") / "a.jsonl"
    writer = Writer(path, worker=worker)
    writer.write("sent", at=at, **fields)
    writer.close()
    known = {name: value for name, value in fields.items() if value is not None}
    named = {} if worker is None else {"worker": worker}
    assert lines(path) == [{"t": at, "kind": "sent"} | named | known]


def test_a_line_without_a_time_is_of_now(tmp_path: Path) -> None:
    """All processes of a host share the monotonic clock that stamps it."""
    writer = Writer(tmp_path / "a.jsonl")
    before = time.monotonic()
    writer.write("sent", task="job/0")
    after = time.monotonic()
    writer.close()
    assert before <= lines(tmp_path / "a.jsonl")[0]["t"] <= after


def test_a_closed_writer_writes_nothing(tmp_path: Path) -> None:
    """Its file's number may be another file's by then: a late line must not land there."""
    writer = Writer(tmp_path / "a.jsonl")
    writer.close()
    other = Writer(tmp_path / "b.jsonl")
    writer.write("sent")
    other.close()
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl") == []


def test_a_killed_writer_leaves_complete_lines(tmp_path: Path) -> None:
    """SIGKILL at any moment tears no line, and two writers of one file mix none."""
    path = tmp_path / "a.jsonl"
    pids = []
    for name in ("one", "two"):
        pid = os.fork()
        if pid == 0:
            writer = Writer(path, worker=name)
            while True:
                writer.write("sent", task="job/0", tag="x" * 200)
        pids.append(pid)
    both = {b'"one"', b'"two"'}
    comes_true(lambda: path.exists() and both <= set(re.split(b"[,:]", path.read_bytes())), 20.0)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert path.read_bytes().endswith(b"\n")
    assert {line["worker"] for line in lines(path)} == {"one", "two"}


def test_a_child_goes_on_in_a_file_of_its_own(tmp_path: Path) -> None:
    """What its parent writes stays in the parent's; the tail reads both."""
    writer = Writer(tmp_path / "worker.1.jsonl", worker="worker.1")
    writer.write("worker_ready", at=1.0)
    pid = os.fork()
    if pid == 0:
        writer.branch("0")
        writer.write("started", at=2.0)
        os._exit(0)
    os.waitpid(pid, 0)
    writer.write("acked", at=3.0)
    writer.close()
    assert [line["t"] for line in lines(tmp_path / "worker.1.jsonl")] == [1.0, 3.0]
    assert [line["t"] for line in lines(tmp_path / "worker.1.0.jsonl")] == [2.0]
    assert sorted(line["t"] for line in Tail(tmp_path).read()) == [1.0, 2.0, 3.0]


def test_the_tail_gives_each_complete_line_once(tmp_path: Path) -> None:
    """Half a line waits for its other half."""
    path = tmp_path / "a.jsonl"
    tail = Tail(tmp_path)
    path.write_bytes(b'{"t":1.0,"kind":"sent"}\n{"t":2.0,')
    assert tail.read() == [{"t": 1.0, "kind": "sent"}]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b'"kind":"sent"}\n')
    assert tail.read() == [{"t": 2.0, "kind": "sent"}]


def test_notes_are_no_events(tmp_path: Path) -> None:
    """A kind with an underscore is kept apart: the run of a user holds only what KINDS names."""
    writer = Writer(tmp_path / "a.jsonl", worker="worker1")
    record = Record(tmp_path)
    record.t0 = time.monotonic()
    writer.write("_child_up")
    writer.write("worker_ready", detail={"pid": 1})
    record.pump(settle_s=-1.0)
    assert [event.kind for event in record.events] == ["worker_ready"]
    assert [note["kind"] for note in record.notes] == ["_child_up"]
    writer.close()


@pytest.mark.parametrize(
    ("kind", "is_settled"), [("sweep", True), ("sample", True), ("acked", False)]
)
def test_what_never_ends_is_not_waited_for(tmp_path: Path, kind: str, is_settled: bool) -> None:
    """Workers that sweep often always have a sweep under way; a task's event is waited for."""
    record = Record(tmp_path)
    record.t0 = time.monotonic()
    writer = Writer(tmp_path / "a.jsonl", worker="worker1")
    writer.write(kind, at=time.monotonic() + 60.0)
    record.pump()
    assert record.settled == is_settled
    writer.close()


def test_every_hook_gives_events_or_notes_and_this_version_has_it() -> None:
    """No kind is misspelt; the pinned Celery and kombu have every hooked method."""
    kinds = {kind for given_kinds in HOOKS.values() for kind in given_kinds}
    assert {kind for kind in kinds if not kind.startswith("_")} <= KINDS.keys()
    assert missing_hooks() == {}


@given(task=st.text(), tag=st.text(), at=st.floats(1e-3, 1e9))
def test_the_short_way_writes_the_same_line(
    tmp_path_factory: pytest.TempPathFactory, task: str, tag: str, at: float
) -> None:
    """Law: what happens to every task is written as ``write`` would have written it."""
    path = tmp_path_factory.mktemp("raw") / "a.jsonl"
    writer = Writer(path, worker="worker1")
    writer.write("acked", at=at, task=task, tag=tag, slot=3)
    writer.write_task("acked", task, tag, ',"slot":3', at)
    writer.close()
    first, second = path.read_bytes().splitlines()
    assert first == second
