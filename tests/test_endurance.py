"""What a long session must not do: keep what it has done with, or wait for what cannot come."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.engines.live import hooks, start
from sandbox.engines.live.record import Record
from sandbox.engines.live.writer import Writer
from sandbox.errors import EngineError
from tests.test_conformance import scenario
from tests.waiting import comes_true

ALONE = scenario(loads=[], workers=[{"pool": "solo"}])


@pytest.mark.live
def test_a_worker_that_was_replaced_leaves_no_descriptor(tmp_path: Path) -> None:
    """Its standard input was the supervisor's to close."""
    with start(ALONE, broker="fake", runs=tmp_path) as session:
        supervisor = Path(f"/proc/{session._processes.pid}/fd")
        if not supervisor.exists():
            pytest.skip("looks into Linux's /proc")
        before = len(list(supervisor.iterdir()))
        for _ in range(2):
            session.controls.kill_worker("worker1")
            session.controls.start_worker("worker1")
        assert comes_true(lambda: len(list(supervisor.iterdir())) == before, 5.0)


@pytest.mark.live
def test_a_record_that_cannot_be_read_ends_the_session_in_a_sentence(tmp_path: Path) -> None:
    """Else everybody would wait until the deadline for events that nobody reads any more."""
    with start(ALONE, broker="fake", runs=tmp_path) as session:
        with (session.folder / "raw" / "worker1.jsonl").open("a") as file:
            file.write('{"t":0.0,"kind":"succeeded","worker":"worker1"}\n')
        with pytest.raises(EngineError, match="the record cannot be read: KeyError"):
            assert comes_true(lambda: session.wait(0.1) and False, 10.0)


def restored(tmp_path: Path, headers: dict[str, Any]) -> list[str]:
    """Return the kinds on record after a message with these headers was given back."""
    channel = SimpleNamespace(sandbox_restored=None)

    def original(qos: Any, tag: Any, **_rest: Any) -> None:
        qos.channel.sandbox_restored = {"headers": headers}

    wrapped = hooks.Hooks(Writer(tmp_path / "x.jsonl"))._wrap_restore_by_tag(original)
    wrapped(SimpleNamespace(channel=channel), b"a")
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines]


def test_only_a_task_s_message_that_was_given_back_is_on_record(tmp_path: Path) -> None:
    """A reply to an inspection can be, as well, when its connection is closed: it has no id."""
    assert restored(tmp_path, {"ticket": "an inspection's"}) == []
    assert restored(tmp_path, {"id": "job/7"}) == ["restored"]


def test_what_a_recorder_remembers_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay: a worker may live for millions of tasks."""
    monkeypatch.setattr(hooks, "_MOST_REMEMBERED", 3)
    known: dict[str, str] = {}
    for key in ("a", "b", "c", "a", "d"):
        hooks.remember(known, key, "1")
    assert list(known) == ["c", "a", "d"]


def test_a_record_keeps_each_word_and_each_equal_sample_once(tmp_path: Path) -> None:
    """They make two thirds of what a live session's events take."""
    writer = Writer(tmp_path / "x.jsonl", worker="worker1")
    for _ in range(2):
        writer.write("sample", detail={"queues": {"celery": 1}, "unacked": 2})
        writer.write("delivered", task="job/7", tag="a-tag-of-its-own", queue="celery")
    record = Record(tmp_path)
    record.t0 = 0.0
    record.pump(settle_s=-1.0)
    samples = [event for event in record.events if event.kind == "sample"]
    others = [event for event in record.events if event.kind == "delivered"]
    assert samples[0].detail == {"queues": {"celery": 1}, "unacked": 2}
    assert samples[0].detail is samples[1].detail
    for one in ("task", "tag", "queue", "worker"):
        assert getattr(others[0], one) is getattr(others[1], one)
