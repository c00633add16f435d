"""Laws of the task manager: an id that was given is never unknown, and no state is made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from sandbox.patterns import lists, submissions
from sandbox.patterns.database import Database
from sandbox.patterns.manager import (
    BadArguments,
    BrokerGone,
    Progress,
    Status,
    TaskManager,
    UnknownId,
    UnknownTask,
)
from tests.patterns.app import NAMES, build
from tests.waiting import until

NOWHERE = "redis://127.0.0.1:1/0"
HOUR_S = 3600


def state(manager: TaskManager, task_id: str, *states: str) -> Status:
    """Wait until a task has one of these states."""

    def look() -> Status | None:
        found = manager.status(task_id)
        return found if found.state in states else None

    return until(f"{task_id} is {states}", look)


def active(manager: TaskManager) -> list[tuple[str, str]]:
    """Return the tasks that workers say they execute, and who."""
    return [(one.id, one.worker) for one in manager.active()]


def test_a_task_s_whole_life_is_seen(worker: str, manager: TaskManager, client: Redis) -> None:
    """Submitted, in progress, active, done; every answer can be written as JSON."""
    task_id = manager.submit("step", ["go"])
    seen = state(manager, task_id, "PROGRESS")
    assert seen.progress == Progress(3.0, 10.0)
    until("it is active", lambda: active(manager) == [(task_id, worker)])
    until("the worker answers", lambda: manager.workers() == (worker,))
    client.rpush("go", "1")
    done = state(manager, task_id, "SUCCESS")
    assert done.result == "stepped"
    assert json.loads(json.dumps(asdict(done)))["id"] == task_id


def test_a_failure_is_told_as_text(worker: str, manager: TaskManager) -> None:
    """The exception of a failed task never becomes an object on the way."""
    failed = state(manager, manager.submit("boom", ["no such\nnumber"]), "FAILURE")
    assert failed.error == "ValueError: no such\nnumber"
    assert failed.result is None


def test_numbers_continue_and_none_is_given_twice(manager: TaskManager, client: Redis) -> None:
    """Another process, or the same after a restart, goes on where the database ends."""
    first, second = (manager.submit("hold", ["k"], queue="nobody") for _ in range(2))
    number = int(first.removeprefix("hold/"))
    assert second == f"hold/{number + 1}"
    assert manager.submit("hold", ["k"], number=number + 7, queue="nobody") == f"hold/{number + 7}"
    again = TaskManager(manager.app, manager.database, NAMES)
    assert again.submit("hold", ["k"], queue="nobody") == f"hold/{number + 8}"
    with pytest.raises(submissions.NumberTaken, match=f"hold/{number + 7} was submitted before"):
        manager.submit("hold", ["k"], number=number + 7, queue="nobody")
    assert client.llen("nobody") == 4
    client.delete("nobody")


def test_the_queue_s_length_is_the_broker_s(
    manager: TaskManager, app: Celery, database: Database, client: Redis
) -> None:
    """All priority lists are counted; LLEN of the queue's name sees those of priority 0 only."""
    for priority in (0, 3, 3, 5, 9):
        manager.submit("hold", ["k"], queue="nobody", priority=priority)
    (nobody,) = TaskManager(app, database, NAMES, queues=["nobody"]).queues().queues
    assert nobody.by_priority == ((0, 1), (3, 3), (6, 0), (9, 1))
    assert (nobody.waiting, client.llen("nobody")) == (5, 1)
    client.delete(*client.keys("nobody*"), "nobody")


def test_what_a_worker_holds_is_in_unacked_and_has_an_age(
    manager: TaskManager, app: Celery, client: Redis
) -> None:
    """A consumer that takes a message without an acknowledgement."""
    manager.submit("hold", ["k"], queue="nobody")
    with app.connection_for_read() as connection, connection.SimpleQueue("nobody") as queue:
        message = queue.get(timeout=5)
        look = lists.read(client, ["nobody"])
        assert (look.waiting, look.unacked, look.backlog) == (0, 1, 1)
        assert look.oldest_unacked_s is not None
        assert look.oldest_unacked_s < HOUR_S
        assert lists.holds(client, message.headers["id"], ["nobody"])
        message.ack()
    assert not lists.holds(client, message.headers["id"], ["nobody"])
    assert lists.read(client, ["nobody"]).oldest_unacked_s is None


def test_a_broker_that_is_gone_is_named_and_the_task_is_recorded_as_not_accepted(
    database: Database,
) -> None:
    """One sentence, soon; and what was not accepted is never called PENDING."""
    manager = TaskManager(build(NOWHERE), database, NAMES)
    with pytest.raises(BrokerGone, match="add/0 was not accepted") as caught:
        manager.submit("add", [1, 2])
    assert caught.value.accepted == "not accepted"
    assert submissions.find(database, "add/0").accepted == "not accepted"
    looks: list[Callable[[], Any]] = [
        manager.queues,
        manager.active,
        manager.workers,
        lambda: manager.status("add/0"),
        lambda: manager.cancel("add/0"),
    ]
    for look in looks:
        with pytest.raises(BrokerGone, match="the broker does not answer"):
            look()


def test_what_was_not_accepted_stays_so(manager: TaskManager) -> None:
    """Its state once the broker is back."""
    task_id = submissions.record(manager.database, "add", [], {})
    submissions.mark(manager.database, task_id, "not accepted")
    assert manager.status(task_id).state == "NOT ACCEPTED"
    cancelled = manager.cancel(task_id)
    assert (cancelled.asked, cancelled.state_before) == (False, "NOT ACCEPTED")


@pytest.mark.parametrize(
    "task_id", ["add/5", "add/00", "add/-1", "x", "add/", "/1", "add/²", "9" * 99]
)
def test_an_id_that_was_never_given_is_unknown(tmp_path: Path, task_id: str) -> None:
    """It is not PENDING, whatever it looks like; nor is it cancelled."""
    database = Database(tmp_path / "app.db")
    submissions.record(database, "add", [], {}, 0)
    manager = TaskManager(build(NOWHERE), database, NAMES)
    for ask in (manager.status, manager.cancel):
        with pytest.raises(UnknownId, match="was ever submitted here"):
            ask(task_id)
    database.close()


def test_a_task_that_cannot_run_is_refused_and_not_recorded(database: Database) -> None:
    """One of another system, or one with arguments that it does not take."""
    manager = TaskManager(build(NOWHERE), database, NAMES)
    with pytest.raises(
        UnknownTask, match=r"task is 'celery\.backend_cleanup'; allowed: one of 'add'"
    ):
        manager.submit("celery.backend_cleanup")
    for bad in ([1], [1, {2}], [1, float("nan")]):
        with pytest.raises(BadArguments, match="the arguments of add: "):
            manager.submit("add", bad)
    assert submissions.count(database) == 0


def test_a_result_that_has_expired_is_not_pending(
    worker: str, manager: TaskManager, client: Redis, app: Celery
) -> None:
    """Its end was seen, or it was submitted longer ago than results live and no list holds it."""
    seen, unseen = manager.submit("add", [1, 2]), manager.submit("add", [3, 4])
    for task_id in (seen, unseen):
        until("the result", lambda one=task_id: client.get(f"celery-task-meta-{one}"))
    assert state(manager, seen, "SUCCESS").result == 3
    client.delete(f"celery-task-meta-{seen}", f"celery-task-meta-{unseen}")
    assert manager.status(seen).state == "EXPIRED"
    assert manager.status(unseen).state == "PENDING"
    waiting = manager.submit("hold", ["never"], queue="nobody")
    app.conf.result_expires = 1e-6
    assert manager.status(unseen).state == "EXPIRED"
    assert TaskManager(app, manager.database, NAMES, queues=["nobody"]).status(waiting).state == (
        "PENDING"
    )
    client.delete("nobody")


def test_cancelling_says_what_it_cannot_promise(
    worker: str, manager: TaskManager, client: Redis
) -> None:
    """One that ended stays as it is; one that runs goes on unless it is killed."""
    ended = manager.submit("add", [1, 2])
    state(manager, ended, "SUCCESS")
    late = manager.cancel(ended, terminate=True)
    assert (late.asked, late.uncertain) == (False, ("it had ended before: SUCCESS",))
    assert manager.status(ended).state == "SUCCESS"
    runs = manager.submit("hold", ["stay"])
    assert client.blpop(["stay-began"], timeout=10)
    asked = manager.cancel(runs)
    assert asked.asked
    assert "if it runs already, it runs to its end" in asked.uncertain
    client.rpush("stay", "1")
    assert state(manager, runs, "SUCCESS").result == "let go"


def test_a_running_task_is_killed_with_terminate_only(
    worker: str, manager: TaskManager, client: Redis
) -> None:
    """A prefork worker kills the process, and the state is REVOKED."""
    runs = manager.submit("hold", ["stuck"])
    assert client.blpop(["stuck-began"], timeout=10)
    assert any("prefork" in one for one in manager.cancel(runs, terminate=True).uncertain)
    assert state(manager, runs, "REVOKED").error is not None
    assert client.rpush("stuck", "1") == 1, "nobody takes it: the task is dead"
    client.delete("stuck")
