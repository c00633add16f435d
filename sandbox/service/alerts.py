"""Alerts on failures, on a backlog and on lost workers: what fires, and why.

Each look asks the broker and the workers anew; whoever runs it decides how often. A broker that
does not answer is an alert too: silence would say that all is well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from redis import RedisError

from sandbox.patterns.dead_letters import DeadLetters
from sandbox.patterns.manager import BrokerGone, TaskManager

Kind = Literal["broker", "failure", "backlog", "worker"]


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong now. ``about``: a queue, a worker or a task; ``text``: a sentence."""

    kind: Kind
    about: str
    text: str


class Alerts:
    """The rules of one system; ``check`` says what fires.

    ``failures``: the dead letters; a task that failed for good fires in the next check, and once.
    What failed before the first check is not news. ``backlog``: how many messages may wait in a
    queue, over all its priority lists. ``workers``: the nodes that must answer; one fires when it
    has not answered ``missed`` checks in a row, since a busy one may miss a ping.

    >>> import tempfile
    >>> from celery import Celery
    >>> from sandbox.patterns.database import Database
    >>> app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"{folder}/app.db")
    ...     alerts = Alerts(TaskManager(app, database, ["send"]), backlog={"celery": 100})
    ...     found = alerts.check()
    ...     database.close()
    >>> [alert.text for alert in found]
    ['the broker does not answer']
    """

    def __init__(
        self,
        manager: TaskManager,
        failures: DeadLetters | None = None,
        *,
        backlog: Mapping[str, int] | None = None,
        workers: Collection[str] = (),
        missed: int = 2,
    ) -> None:
        self._manager = manager
        self._letters = failures
        self._backlog = dict(backlog or {})
        self._missed = missed
        self._silent = dict.fromkeys(workers, 0)
        self._seen: int | None = None

    def check(self) -> tuple[Alert, ...]:
        """Return all that fires now; the broker alone when it does not answer."""
        try:
            return (*self._failed(), *self._waiting(), *self._lost())
        except (BrokerGone, RedisError):
            return (Alert("broker", "broker", "the broker does not answer"),)

    def _failed(self) -> tuple[Alert, ...]:
        if self._letters is None:
            return ()
        failures = self._letters.counts().failures
        before, self._seen = self._seen, failures
        n = 0 if before is None else failures - before
        if n <= 0:
            return ()
        newest = next(iter(self._letters.list(1)), None)
        last = f", the last {newest.id}: {newest.error}" if newest else ""
        about = newest.task if newest else "task"
        return (Alert("failure", about, f"{n} failed for good since the last check{last}"),)

    def _waiting(self) -> tuple[Alert, ...]:
        if not self._backlog:
            return ()
        return tuple(
            Alert(
                "backlog",
                queue.name,
                f"{queue.waiting} wait in {queue.name}, more than {self._backlog[queue.name]}",
            )
            for queue in self._manager.queues(tuple(self._backlog)).queues
            if queue.waiting > self._backlog[queue.name]
        )

    def _lost(self) -> tuple[Alert, ...]:
        if not self._silent:
            return ()
        answered = self._manager.workers()
        for name, missed in self._silent.items():
            self._silent[name] = 0 if name in answered else missed + 1
        return tuple(
            Alert("worker", name, f"{name} has not answered {missed} checks in a row")
            for name, missed in self._silent.items()
            if missed >= self._missed
        )
