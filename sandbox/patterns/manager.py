"""A task manager for a front door: submit, follow and cancel tasks; what waits, runs and answers.

All methods block: a coroutine calls them in a thread. The app must have the same
``visibility_timeout`` as the workers' (the shortest of any client of a broker wins), and
``socket_timeout`` in its ``broker_transport_options``, without which a broker that is half gone
holds a publisher for ever.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any

from celery import Celery
from celery.states import READY_STATES
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from sandbox.errors import SandboxError, one_of, shown
from sandbox.patterns import lists, submissions
from sandbox.patterns.database import Database
from sandbox.patterns.status import (
    ActiveTask,
    Cancelled,
    Inline,
    Progress,
    Status,
    told,
    uncertain,
)
from sandbox.patterns.submissions import Acceptance, UnknownId

__all__ = [
    "Acceptance",
    "ActiveTask",
    "BadArguments",
    "BrokerGone",
    "Cancelled",
    "Inline",
    "Progress",
    "Status",
    "TaskManager",
    "UnknownId",
    "UnknownTask",
]
_GONE = (OperationalError, RedisError, OSError)


class UnknownTask(SandboxError, ValueError):  # noqa: N818 - what is wrong, in the words of the one who reads it
    """A task that this system does not have."""


class BadArguments(SandboxError, ValueError):  # noqa: N818 - as above
    """Arguments that the task does not take, or that no message can carry."""


class BrokerGone(SandboxError, ConnectionError):  # noqa: N818 - what is wrong, in the words of the one who reads it
    """The broker does not answer. ``accepted``: what became of the task that was submitted."""

    def __init__(self, sentence: str, accepted: Acceptance = "not accepted") -> None:
        super().__init__(sentence)
        self.accepted = accepted


class TaskManager:
    """Submits and follows the ``tasks`` of one app, remembering each submission in ``database``.

    ``timeout_s`` bounds a look at the broker; ``reply_s`` is how long workers may take to answer
    a broadcast, and how long ``workers`` and ``active`` take when one does not.

    >>> import tempfile
    >>> app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"{folder}/app.db")
    ...     manager = TaskManager(app, database, ["send"])
    ...     try:
    ...         manager.submit("sned")
    ...     except UnknownTask as error:
    ...         print(error)
    ...     database.close()
    task is 'sned'; allowed: 'send' (did you mean 'send'?)
    """

    def __init__(  # noqa: PLR0913 - the last three are for the few who need them
        self,
        app: Celery,
        database: Database,
        tasks: Collection[str],
        *,
        queues: Sequence[str] | None = None,
        timeout_s: float = 2.0,
        reply_s: float = 1.0,
    ) -> None:
        self.app = app
        self.database = database
        self.tasks = frozenset(tasks)
        self.timeout_s = timeout_s
        self.reply_s = reply_s
        self._queues = tuple(queues) if queues is not None else None

    # --- submitting ---------------------------------------------------------------------------

    def submit(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        number: int | None = None,
        **options: Any,
    ) -> str:
        """Publish a task; return its id, ``task/number``.

        It is recorded before it is published, so an id that was given is never unknown.
        ``number`` continues from the database. ``options`` go to ``apply_async``. UnknownTask
        for one outside the system; BadArguments for what it does not take; BrokerGone when the
        broker did not take it, or may not have; NumberTaken for a number given before.
        """
        self.check(task, args, kwargs or {})
        task_id = submissions.record(self.database, task, args, dict(kwargs or {}), number)
        self._publish(task, task_id, args, dict(kwargs or {}), options)
        submissions.mark(self.database, task_id, "accepted")
        return task_id

    def check(
        self, task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """UnknownTask unless it is one of this system's, BadArguments unless it takes these."""
        if task not in self.tasks:
            raise UnknownTask(f"task is {shown(task)}; allowed: {one_of(task, self.tasks)}")
        try:
            json.dumps([args, kwargs], allow_nan=False)
            one = self.app.tasks.get(task)
            if one is not None and one.typing:
                one.__header__(*args, **(kwargs or {}))
        except (TypeError, ValueError, RecursionError) as exc:
            raise BadArguments(f"the arguments of {task}: {exc}") from None

    def _publish(
        self, task: str, task_id: str, args: Any, kwargs: Any, options: dict[str, Any]
    ) -> None:
        one = self.app.tasks[task] if task in self.app.tasks else self.app.signature(task)
        try:
            self._client.ping()
        except _GONE:
            submissions.mark(self.database, task_id, "not accepted")
            raise BrokerGone(f"the broker does not answer: {task_id} was not accepted") from None
        try:
            # The publisher is told to ignore the result, the worker is not: else every process
            # that publishes would subscribe to each result and keep the subscription.
            ignored = bool(options.pop("ignore_result", getattr(one, "ignore_result", False)))
            headers = {**options.pop("headers", {}), "ignore_result": ignored}
            one.apply_async(
                args=list(args),
                kwargs=kwargs,
                task_id=task_id,
                retry=False,
                ignore_result=True,
                headers=headers,
                **options,
            )
        except _GONE:
            submissions.mark(self.database, task_id, "unknown")
            raise BrokerGone(
                f"the broker went away while {task_id} was published: it may run or not", "unknown"
            ) from None

    def submit_or_run(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str | Inline:
        """Submit and return the id; without a broker, do the work here and now, in the request.

        This is the documents' fallback, and its danger: when the broker is gone, *every* request
        does its work at once, in the web server, with no limit but its threads. Rate limit,
        concurrency and queue are bypassed, retries follow each other without their waits, and the
        provider meets the herd that the queue was there to hold back. The web server's threads
        are busy, so health checks wait too. Only what was certainly not accepted is run here:
        BrokerGone when it may be in the queue already, since it would be done twice.
        """
        try:
            return self.submit(task, args, kwargs, **options)
        except BrokerGone as gone:
            if gone.accepted != "not accepted":
                raise
        return self.run_inline(task, args, kwargs)

    def run_inline(
        self, task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Inline:
        """Execute a task in this thread, without a message or a stored result."""
        self.check(task, args, kwargs)
        done = self.app.tasks[task].apply(args=list(args), kwargs=dict(kwargs or {}))
        error = None if done.successful() else f"{type(done.result).__name__}: {done.result}"
        return Inline(done.state, done.result if error is None else None, error)

    # --- following ----------------------------------------------------------------------------

    def status(self, task_id: str) -> Status:
        """Return what is known of a task. UnknownId for one never submitted; BrokerGone."""
        known = submissions.find(self.database, task_id)
        with self._asking():
            meta = self._meta(task_id)
            if meta is None:
                return Status(task_id, self._state_without_result(known))
        if meta["status"] in READY_STATES and known.ended is None:
            submissions.end(self.database, task_id, meta["status"])
        return told(task_id, meta)

    def _meta(self, task_id: str) -> dict[str, Any] | None:
        """Return a task's result as it is stored: an exception is text in it, not an object."""
        stored = self._results.get(self.app.backend.get_key_for_task(task_id))
        return None if stored is None else json.loads(stored)

    def _state_without_result(self, known: submissions.Submission) -> str:
        if known.accepted == "not accepted":
            return "NOT ACCEPTED"
        if known.ended is not None:
            return "EXPIRED"
        if known.accepted == "accepted" and known.age_s < self._kept_s:
            return "PENDING"
        if lists.holds(self._client, known.id, self.queue_names, self._keys):
            return "PENDING"
        return "EXPIRED" if known.accepted == "accepted" else "UNKNOWN"

    @property
    def _kept_s(self) -> float:
        """How long a result is kept, in seconds; infinite where it never expires."""
        kept = self.app.conf.result_expires
        if isinstance(kept, timedelta):
            return kept.total_seconds()
        return float(kept) if kept else float("inf")

    # --- cancelling ---------------------------------------------------------------------------

    def cancel(self, task_id: str, *, terminate: bool = False) -> Cancelled:
        """Ask all workers to drop a task, and with ``terminate`` to kill it if it runs.

        A task that has ended is left as it is. UnknownId, BrokerGone.
        """
        before = self.status(task_id).state
        if before in READY_STATES or before in {"EXPIRED", "NOT ACCEPTED"}:
            return Cancelled(task_id, before, False, (), (f"it had ended before: {before}",))
        with self._asking():
            replies = self.app.control.revoke(
                task_id, terminate=terminate, reply=True, timeout=self.reply_s
            )
        heard = tuple(sorted(name for reply in replies or () for name in reply))
        return Cancelled(task_id, before, True, heard, tuple(uncertain(before, heard, terminate)))

    # --- looking ------------------------------------------------------------------------------

    def queues(self, names: Sequence[str] | None = None) -> lists.BrokerLists:
        """Return what the broker holds of some queues, or all: their lists, and ``unacked``.

        Every priority list counts. BrokerGone.
        """
        with self._asking():
            return lists.read(self._client, names or self.queue_names, self._keys)

    def active(self) -> tuple[ActiveTask, ...]:
        """Return what workers say that they execute now: never the backlog. BrokerGone."""
        with self._asking():
            replies = self.app.control.inspect(timeout=self.reply_s).active() or {}
        return tuple(
            ActiveTask(one["id"], one["name"], worker, one.get("time_start"))
            for worker, tasks in sorted(replies.items())
            for one in tasks
        )

    def workers(self) -> tuple[str, ...]:
        """Return the workers that answer a ping; two of one name are seen as one. BrokerGone."""
        with self._asking():
            replies = self.app.control.ping(timeout=self.reply_s) or []
        return tuple(sorted(name for reply in replies for name in reply))

    @cached_property
    def queue_names(self) -> tuple[str, ...]:
        """The queues that the tasks are routed to, unless others were named."""
        return self._queues or lists.queues_of(self.app, self.tasks)

    @cached_property
    def _client(self) -> Redis:
        return lists.client_of(self.app, self.timeout_s)

    @cached_property
    def _results(self) -> Redis:
        return lists.bounded(self.app.backend.as_uri(include_password=True), self.timeout_s)

    @property
    def _keys(self) -> lists.Keys:
        return lists.Keys.of(self.app)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """BrokerGone, in one sentence, when it does not answer; a broadcast waits for no broker."""
        try:
            self._client.ping()
            yield
        except _GONE:
            raise BrokerGone("the broker does not answer") from None
