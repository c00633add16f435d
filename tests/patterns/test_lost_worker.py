"""Law of bounded starts: a message that kills its worker is started so often, then kept aside."""

from __future__ import annotations

import pytest
from celery import Celery
from redis import Redis

from sandbox.patterns.dead_letters import DeadLetters
from sandbox.patterns.lost_worker import LostTooOften
from sandbox.patterns.manager import TaskManager
from tests.patterns.test_manager import state
from tests.waiting import until


def test_a_task_that_kills_its_worker_ends_among_the_dead_letters(
    worker: str, manager: TaskManager, client: Redis, app: Celery
) -> None:
    """Its message is requeued once, not for ever, and acknowledged in the end."""
    client.delete("doomed-starts")
    task_id = manager.submit("doomed")
    failed = state(manager, task_id, "FAILURE")
    assert failed.error is not None
    assert failed.error.startswith("LostTooOften: ")
    assert client.get("doomed-starts") == b"1"
    until("nothing is held", lambda: manager.queues().backlog == 0)
    assert [one.id for one in DeadLetters(app).list(task="doomed")] == [task_id]
    assert not client.keys("starts:doomed*"), "the count is forgotten with the message"


def test_starts_that_ended_are_not_counted(app: Celery, client: Redis) -> None:
    """Only those after which nothing came; each ordinary retry begins anew."""
    task = app.tasks["doomed"]
    for retries in (0, 1):
        task.push_request(id="doomed/1", retries=retries)
        for _ in range(3):
            task.before_start("doomed/1", (), {})
            task.after_return("SUCCESS", None, "doomed/1", (), {}, None)
        task.before_start("doomed/1", (), {})
        with pytest.raises(LostTooOften, match="doomed/1 was started 1 times"):
            task.before_start("doomed/1", (), {})
        task.pop_request()
    client.delete(*client.keys("starts:*"))
