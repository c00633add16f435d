"""Orders to a live session that come earlier than the words that they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.engines.live import start
from sandbox.faults import OnEvent
from tests.test_conformance import scenario


class LateWord(dict[str, Any]):
    """What the supervisor has said, of which the first two looks see nothing."""

    looks = 0

    def __contains__(self, name: object) -> bool:
        self.looks += 1
        return self.looks > 2 and super().__contains__(name)


@pytest.mark.live
def test_a_worker_can_be_started_as_soon_as_its_end_is_on_record(tmp_path: Path) -> None:
    """The supervisor writes an end into the record first: who acts on that can be ahead of it."""
    with start(scenario(loads=[], workers=[{}]), broker="fake", runs=tmp_path) as session:
        session.controls.kill_worker("worker1")
        session.wait_for(OnEvent(event="worker_exited"))
        processes = session._processes
        processes.exited = LateWord(processes.exited)
        session.controls.start_worker("worker1")
    ready = [event for event in session.close().of_kind("worker_ready") if event.t_s > 0]
    assert [event.worker for event in ready] == ["worker1"]
