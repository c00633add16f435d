"""The students' Celery app: as its document writes it, corrected, hurried for claims, and mended.

The document shows the settings and a template for tasks, not their bodies: they are written here
after the template. The broker's address is set by whoever starts the app.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import Celery, Task
from celery.signals import celeryd_init

from sandbox.engines.live import data
from sandbox.engines.live.app import work
from sandbox.patterns.dead_letters import DeadLetters, keep
from sandbox.patterns.errors import RetryingTask

if TYPE_CHECKING:
    from sandbox.systems.students.school import School

BULK = 100
"""Messages of the document's bulk send."""
CHUNK = 10
"""Messages that are sent, and then told as progress, at a time."""
_FIRST_SINGLE = 50_000
"""The first phone that gets single messages, far from those of bulk sends."""
AUTO = dict.fromkeys(
    ("messaging", "notifications", "reports", "scheduled"), "tasks.celery_tasks"
)  # fmt: skip
"""The names that Celery gives to the tasks of ``tasks/celery_tasks.py``, by their kind."""
ROUTED = {kind: f"tasks.{kind}" for kind in AUTO}
"""The names that the document's routes are for."""

WRITTEN: dict[str, Any] = {
    "task_serializer": "json",
    "task_soft_time_limit": 600,
    "task_time_limit": 900,
    "result_expires": 3600,
    "task_routes": {
        "tasks.messaging.*": {"queue": "messaging"},
        "tasks.notifications.*": {"queue": "notifications"},
        "tasks.reports.*": {"queue": "reports"},
    },
    "task_rate_limit": {"tasks.messaging.send_bulk_messages": "100/m"},
}
"""The settings as the document writes them."""

RATED = {key: value for key, value in WRITTEN.items() if key != "task_rate_limit"} | {
    "task_annotations": {"tasks.messaging.send_bulk_messages": {"rate_limit": "100/m"}}
}
"""With the rate limit where Celery reads it."""

MENDED: dict[str, Any] = {
    "task_serializer": "json",
    "task_soft_time_limit": 60,
    "task_time_limit": 90,
    "result_expires": 86400,
    "task_track_started": True,
    "task_acks_late": True,
    "task_retry_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_routes": WRITTEN["task_routes"] | {"tasks.scheduled.*": {"queue": "reports"}},
    # 10 tasks of 10 messages a minute are 100 messages a minute; the scenarios' messages are
    # sent 50 times as fast as the document's.
    "task_annotations": {"tasks.messaging.send_bulk_messages": {"rate_limit": "500/m"}},
    "broker_transport_options": {"visibility_timeout": 300},
    "most_in_task": CHUNK,  # our own: the front door makes a task of so many messages
    "beat_schedule": {
        "cleanup": {"task": "tasks.scheduled.cleanup_old_sessions", "schedule": 86400.0}
    },
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""


LATE = WRITTEN | {"task_acks_late": True}
"""With the document's advice on lost tasks."""


class Hurried(Task):
    """A base class for which a second of the document is a millisecond, also in its countdowns.

    One of its messages stands for ten.
    """

    def retry(self, *args: Any, countdown: float = 180.0, **more: Any) -> Any:
        """Retry, a thousand times as soon."""
        return super().retry(*args, countdown=countdown / 1000, **more)


HURRIED = {"task_soft_time_limit": 0.6, "task_time_limit": 0.9}


class Repeatable(RetryingTask):
    """The base of the mended tasks: only what may pass is tried again, and each effect is once."""

    abstract = True
    default_retry_delay = 5


def build(
    settings: dict[str, Any], names: dict[str, str], base: type[Task] = Task, size: int = BULK
) -> Celery:
    """Return the app with these settings and the document's tasks, called by ``names``.

    ``size``: how many phones a bulk send has that is not told any.
    """
    app = Celery("students", task_cls=base, set_as_current=False)
    app.conf.update(settings)
    app.conf.messages_in_bulk = size
    is_mended = base is Repeatable
    for body, kind in _BODIES.items():
        # Not shared: else each app of this process would have the tasks of all.
        app.task(
            body if is_mended else _retried(body),
            bind=True,
            shared=False,
            name=f"{names[kind]}.{body.__name__}",
        )
    if not is_mended:
        app.task(my_task, bind=True, shared=False, name="tasks.custom.my_task")
    return app


def _retried(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a body as the document's template has it: every exception is retried after 60 s."""

    def body(self: Task, *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(self, *args, **kwargs)
        except Exception as exc:
            raise self.retry(exc=exc, countdown=60, max_retries=3) from exc

    # Celery checks a call against the signature; its source is to be read as it stands above.
    body.__name__, body.__doc__ = plain.__name__, plain.__doc__
    body.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
    return body


def my_task(self: Task, param1: Any = None, param2: Any = None) -> Any:  # noqa: ARG001
    """Do what the document's template for new tasks does, line by line."""
    try:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)

        async def do_work() -> Any:
            return result

        result = loop.run_until_complete(do_work())
        loop.close()
        return result  # noqa: TRY300 - as written
    except Exception as exc:
        raise self.retry(exc=exc, countdown=60, max_retries=3) from exc


# --- what the tasks do -----------------------------------------------------------------------


def send_bulk_messages(
    self: Task,
    phone_numbers: list[str] | None = None,
    message: str = "Your homework is ready to submit",
    message_type: str = "text",
) -> dict[str, Any]:
    """Send messages to multiple users, ten at a time, and tell how far it is."""
    phones = (
        _phones(self, self.app.conf.messages_in_bulk) if phone_numbers is None else phone_numbers
    )
    parts = [phones[i : i + CHUNK] for i in range(0, len(phones), CHUNK)] or [[]]
    text, once = f"{message_type}: {message}", isinstance(self, Repeatable)

    def send(part: int) -> None:
        _school().send(self.request.id, parts[part], text, once=once)
        meta = {"current": min(len(phones), CHUNK * (part + 1)), "total": len(phones)}
        self.update_state(state="PROGRESS", meta=meta)

    work(self, send, steps=len(parts))
    return {"sent": len(phones)}


def send_template_message(
    self: Task, phone_number: str | None = None, template: str = "welcome"
) -> dict[str, Any]:
    """Send template message to single user."""
    phones = [phone_number or _phones(self, 1, _FIRST_SINGLE)[0]]
    once = isinstance(self, Repeatable)
    work(self, lambda _: _school().send(self.request.id, phones, template, once=once))
    return {"sent": 1}


def send_bulk_notifications(
    self: Task,
    user_ids: list[int] | None = None,
    title: str = "New Assignment",
    message: str = "Your homework is ready to submit",
) -> dict[str, Any]:
    """Create notifications for multiple users."""
    users = [1, 2, 3, 4, 5] if user_ids is None else user_ids
    work(self, lambda _: _school().notify(self.request.id, users, f"{title}: {message}"))
    return {"created": len(users)}


def generate_student_report(self: Task, student_id: int | None = None) -> dict[str, Any]:
    """Generate detailed student report."""
    from sandbox.systems.students.school import N_STUDENTS

    student = _number(self) % N_STUDENTS + 1 if student_id is None else student_id
    found: dict[str, Any] = {}
    work(self, lambda _: found.update(_school().report(student)))
    return found


def export_students_csv(self: Task, filters: dict[str, Any] | None = None) -> dict[str, Any]:
    """Export all students to CSV file."""
    is_active = bool((filters or {}).get("is_active", False))
    rows: list[int] = []
    work(self, lambda _: rows.append(_school().export(self.request.id, active_only=is_active)))
    return {"rows": rows[-1]}


def cleanup_old_sessions(self: Task) -> dict[str, Any]:
    """Delete sessions that are too old; beat runs it daily, if it is told to."""
    deleted: list[int] = []
    work(self, lambda _: deleted.append(_school().clean_up()))
    return {"deleted": deleted[-1]}


_BODIES: dict[Callable[..., Any], str] = {
    send_bulk_messages: "messaging",
    send_template_message: "messaging",
    send_bulk_notifications: "notifications",
    generate_student_report: "reports",
    export_students_csv: "reports",
    cleanup_old_sessions: "scheduled",
}


def _phones(self: Task, n: int, first: int = 0) -> list[str]:
    """Return the phones of a task that is told none: it is its number that tells them."""
    from sandbox.systems.students.school import phone

    return [phone(first + _number(self) * n + i) for i in range(n)]


@celeryd_init.connect
def _make_ready(instance: Any, **_: Any) -> None:
    """Make the database before processes are forked, not in a first task; keep dead letters."""
    _school()
    if instance.app is mended:
        keep(mended, DeadLetters(mended))


def _number(self: Task) -> int:
    return int(self.request.id.rpartition("/")[2])


def _school() -> School:
    # The database is loaded by who works, not by who only asks the app for its settings.
    from sandbox.systems.students.school import school

    return school(data.url())


written = build(WRITTEN, AUTO)
celery_app = build(WRITTEN, ROUTED)
mended = build(MENDED, ROUTED, Repeatable)

# For claims: the corrected app with one thing changed.
rated = build(RATED, ROUTED)
late = build(LATE, ROUTED)
hurried = build(WRITTEN | HURRIED, ROUTED, Hurried, size=70)
patient = build(WRITTEN | HURRIED | {"task_time_limit": 9.0}, ROUTED, Hurried, size=70)
split = build(WRITTEN | HURRIED, ROUTED, Hurried, size=10)
