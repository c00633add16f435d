"""Laws of the alerts: each rule fires when it is broken, and is silent when it is not."""

from __future__ import annotations

import os
import signal

import pytest
from celery import Celery
from redis import Redis

from sandbox.patterns.database import Database
from sandbox.patterns.dead_letters import DeadLetters
from sandbox.patterns.manager import TaskManager
from sandbox.service.alerts import Alert, Alerts
from tests.patterns.app import NAMES, build
from tests.patterns.conftest import running
from tests.patterns.test_manager import NOWHERE, state
from tests.waiting import until


def kinds(alerts: tuple[Alert, ...]) -> list[tuple[str, str]]:
    return [(one.kind, one.about) for one in alerts]


def test_a_failure_fires_at_once_and_once(
    worker: str, manager: TaskManager, app: Celery, client: Redis
) -> None:
    """What failed before is no news, a success none at all, and a failure is named."""
    letters = DeadLetters(app)
    alerts = Alerts(manager, letters)
    assert alerts.check() == ()
    state(manager, manager.submit("add", [1, 2]), "SUCCESS")
    assert alerts.check() == ()
    failed = manager.submit("boom", ["the printer burns"])
    (alert,) = until("the alert", alerts.check)
    assert (alert.kind, alert.about) == ("failure", "boom")
    assert alert.text.endswith(f"the last {failed}: ValueError: the printer burns")
    assert alerts.check() == ()


def test_a_backlog_fires_above_its_threshold_only(manager: TaskManager, client: Redis) -> None:
    """All priority lists count, and it is silent again once they are empty."""
    alerts = Alerts(manager, backlog={"nobody": 2, "slow": 2})
    for priority in (0, 9):
        manager.submit("hold", ["k"], queue="nobody", priority=priority)
    assert alerts.check() == ()
    manager.submit("hold", ["k"], queue="nobody", priority=9)
    (alert,) = alerts.check()
    assert alert == Alert("backlog", "nobody", "3 wait in nobody, more than 2")
    client.delete(*client.keys("nobody*"), "nobody")
    assert alerts.check() == ()


def test_a_lost_worker_fires_and_a_living_one_does_not(url: str, manager: TaskManager) -> None:
    """Killed whole, as by its machine."""
    with running(url, "other@here", "-P", "solo", "-Q", "nothing") as process:
        alerts = Alerts(manager, workers=["other@here"], missed=1)
        until("it answers", lambda: alerts.check() == ())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until("the alert", lambda: kinds(alerts.check()) == [("worker", "other@here")])


def test_one_missed_ping_is_no_loss(manager: TaskManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy worker may be late once; in between it answers, and the count begins anew."""
    answers = iter([(), ("busy@here",), (), ()])
    monkeypatch.setattr(manager, "workers", lambda: next(answers))
    alerts = Alerts(manager, workers=["busy@here"])
    assert [kinds(alerts.check()) for _ in range(4)] == [[], [], [], [("worker", "busy@here")]]


def test_a_broker_that_is_gone_is_an_alert(database: Database) -> None:
    """Whatever is asked for, silence would say that all is well."""
    app = build(NOWHERE)
    manager = TaskManager(app, database, NAMES)
    for alerts in (
        Alerts(manager, DeadLetters(app)),
        Alerts(manager, backlog={"default": 1}),
        Alerts(manager, workers=["all@here"]),
    ):
        assert kinds(alerts.check()) == [("broker", "broker")]
