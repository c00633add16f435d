"""The dashboard's Celery app: as its document writes it, corrected so that it runs, and mended.

The tasks take the document's arguments; those left out follow from the task's number, as the
sandbox's client publishes none. The broker's address is set by whoever starts the app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import Celery, Task, signals

from sandbox.engines.live.app import WorkFailed, work
from sandbox.patterns.dead_letters import DeadLetters, keep
from sandbox.patterns.errors import RetryingTask, retryable
from sandbox.systems.dashboard.scenarios import BATCH, EMAIL, PROCESS

WRITTEN: dict[str, Any] = {
    "CELERY_BROKER_URL": "redis://localhost:6379/0",
    "CELERY_RESULT_BACKEND": "redis://localhost:6379/1",
    "CELERY_TASK_TIME_LIMIT": 600,  # 10 minutes
    "CELERY_TASK_MAX_RETRIES": 3,  # Retry failed tasks
}
"""The document's ``celery_config.py``, word for word. It shows no ``namespace`` to read it by."""

ROUTES = {
    PROCESS: {"queue": "default"},
    EMAIL: {"queue": "emails"},
    BATCH: {"queue": "batch_processing"},
}

CORRECTED = WRITTEN | {"CELERY_TASK_ROUTES": ROUTES, "CELERY_TASK_SOFT_TIME_LIMIT": 300}
"""Read by ``namespace="CELERY"``, with the routes and the soft limit that its text describes."""

MENDED: dict[str, Any] = {
    "CELERY_BROKER_URL": "redis://localhost:6379/0",
    "CELERY_RESULT_BACKEND": "redis://localhost:6379/1",
    "CELERY_TASK_ROUTES": ROUTES,
    "CELERY_TASK_DEFAULT_QUEUE": "default",
    "CELERY_TASK_SOFT_TIME_LIMIT": 20,
    "CELERY_TASK_TIME_LIMIT": 30,
    "CELERY_TASK_ACKS_LATE": True,
    "CELERY_TASK_REJECT_ON_WORKER_LOST": False,
    "CELERY_TASK_RETRY_ON_WORKER_LOST": True,
    "CELERY_TASK_TRACK_STARTED": True,
    "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
    "CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 120, "socket_timeout": 30},
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""


class MendedTask(RetryingTask):
    """Retries what may pass, soon enough for an event; a lost process counts as one attempt."""

    abstract = True
    max_retries = 5
    retry_backoff = 1
    retry_backoff_max = 60
    default_retry_delay = 1


def build(settings: Mapping[str, Any], namespace: str | None = "CELERY") -> Celery:
    """Return the app with these settings, as ``config_from_object`` reads them, and its tasks."""
    is_mended = settings is MENDED
    kind = MendedTask if is_mended else Task
    app = Celery("dashboard", task_cls=kind, set_as_current=False)
    app.config_from_object(settings, namespace=namespace)
    _add_tasks(app, keyed=is_mended)
    return app


def _add_tasks(app: Celery, *, keyed: bool) -> None:
    # Not shared: else each app of this process would have the tasks of all.
    task = partial(app.task, bind=True, shared=False)

    @task(name=PROCESS)
    def process_event_async(  # noqa: PLR0913, PLR0917 - the document's signature
        self: Task,
        app_id: int | str = 1,
        event_name: str = "user_login",
        payload: dict[str, Any] | None = None,
        validation_status: str = "valid",
        validation_results: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store an event with the hash of its payload."""
        event = {
            "app_id": app_id,
            "event_name": event_name,
            "payload": {"user_id": _number(self)} if payload is None else payload,
            "validation_status": validation_status,
            "validation_results": validation_results,
        }
        return _do(self, lambda: _store().store_event(event, _key(self, keyed)))

    @task(name=EMAIL)
    def send_email_async(
        self: Task, email: str = "", subject: str = "Your OTP", html_body: str = ""
    ) -> dict[str, Any]:
        """Send a mail by SMTP."""
        to = email or f"user{_number(self)}@example.com"
        body = html_body or f"<h1>OTP: {_number(self):06d}</h1>"
        return _do(self, lambda: _store().send_mail(to, subject, body, _key(self, keyed)))

    @task(name=BATCH)
    def batch_process_events(self: Task, app_id: int | str = 1, hours: int = 24) -> dict[str, Any]:
        """Aggregate the events of the last hours for the dashboard."""
        return _do(self, lambda: _store().aggregate(app_id, hours, _key(self, keyed)))


def _do(task: Task, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the real work, padded to the drawn time; return what it returns.

    A failure that is drawn may pass, as a database's does: Celery retries it where it is told to.
    """
    found: dict[str, Any] = {}
    with retryable(WorkFailed):
        work(task, lambda _: found.update(effect()))
    return found


def _store() -> Any:
    """Return the module of the real work: SQLAlchemy is loaded by who works, not by who asks."""
    from sandbox.systems.dashboard import store

    return store


@signals.worker_init.connect
def _load(sender: Any, **_: Any) -> None:
    """Load what the children work with before they are forked; mended, keep dead letters."""
    _store()
    if sender.app is mended:
        keep(mended, DeadLetters(mended))


@signals.worker_process_init.connect
def _open(**_: Any) -> None:
    """Open the database before the first event, which would wait for it."""
    with _store().database().reading():
        pass


def _number(task: Task) -> int:
    """Return the number in the task's id, ``type/number``."""
    return int(str(task.request.id).rpartition("/")[2])


def _key(task: Task, keyed: bool) -> str | None:
    return str(task.request.id) if keyed else None


written = build(WRITTEN, namespace=None)
celery_app = build(CORRECTED)
mended = build(MENDED)
