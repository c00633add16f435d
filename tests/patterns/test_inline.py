"""The fallback without a broker: the work is done in the request, all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from celery import Celery

from sandbox.patterns import submissions
from sandbox.patterns.database import Database
from sandbox.patterns.manager import BrokerGone, Inline, TaskManager
from tests.patterns.app import NAMES, build
from tests.patterns.test_manager import NOWHERE

N_USERS = 6


def test_the_herd_that_the_queue_held_back_comes_through(database: Database) -> None:
    """A limit of one a minute, and all users' calls are in the provider at the same moment."""
    app, together = Celery(broker=NOWHERE, set_as_current=False), Barrier(N_USERS, timeout=20)

    @app.task(name="analyse", rate_limit="1/m", shared=False)
    def analyse() -> int:
        return together.wait()

    manager = TaskManager(app, database, ["analyse"])
    with ThreadPoolExecutor(N_USERS) as web:
        found = list(web.map(lambda _: manager.submit_or_run("analyse"), range(N_USERS)))
    assert sorted(one.result for one in found if isinstance(one, Inline)) == list(range(N_USERS))
    assert submissions.count(database, "not accepted") == N_USERS


def test_an_inline_failure_is_text(database: Database) -> None:
    manager = TaskManager(build(NOWHERE), database, NAMES)
    assert manager.submit_or_run("boom", ["why"]) == Inline("FAILURE", None, "ValueError: why")


def test_what_may_have_been_accepted_is_not_done_again(
    manager: TaskManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker went away while the task was published: it may run there."""

    def gone(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(type(manager.app.tasks["add"]), "apply_async", gone)
    with pytest.raises(BrokerGone, match="it may run or not") as caught:
        manager.submit_or_run("add", [1, 2])
    assert caught.value.accepted == "unknown"
    assert submissions.count(manager.database, "unknown") == 1


def test_with_a_broker_nothing_is_done_in_the_request(manager: TaskManager) -> None:
    assert isinstance(manager.submit_or_run("hold", ["k"], queue="nobody"), str)
