"""The conversation platform's Celery app: as its document writes it, and mended.

The document names eleven tasks and shows no body: what they do here is in ``data.py``. The
broker's address is set by whoever starts the app.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Celery, Task, signals

from sandbox.engines.live.app import WorkFailed, work
from sandbox.patterns.dead_letters import DeadLetters, keep
from sandbox.patterns.errors import Retryable, RetryingTask
from sandbox.patterns.lost_worker import BoundedStarts

if TYPE_CHECKING:
    from types import ModuleType

CONVERSATION, WEBHOOK, ANALYTICS = (
    f"app.tasks.{module}_tasks" for module in ("conversation", "webhook", "analytics")
)
NOTIFY = "app.tasks.notification_tasks.notify_task"
N_BATCH = 10
"""How many conversations one batch analyses, when nobody names them."""

WRITTEN: dict[str, Any] = {
    "task_routes": {
        f"{CONVERSATION}.*": {"queue": "conversations"},
        f"{WEBHOOK}.*": {"queue": "webhooks"},
        f"{ANALYTICS}.*": {"queue": "analytics"},
    },
    "task_track_started": True,
    "task_serializer": "json",
    "result_serializer": "json",
    # As the document has them: in capitals, in a module of their own.
    "TASK_SOFT_TIME_LIMIT": 300,
    "TASK_TIME_LIMIT": 600,
    "TASK_MAX_RETRIES": 3,
    "TASK_RETRY_DELAY": 60,
}
"""The settings as the document writes them."""

MENDED: dict[str, Any] = {
    "task_routes": WRITTEN["task_routes"],
    "task_default_queue": "analytics",
    "task_track_started": True,
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_soft_time_limit": 300,
    "task_time_limit": 600,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {"visibility_timeout": 900, "queue_order_strategy": "priority"},
    "beat_schedule": {
        "cleanup": {
            "task": f"{ANALYTICS}.cleanup_old_data_task",
            "schedule": timedelta(days=1),
            "options": {"expires": 3600},
        },
    },
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""


class Careful(BoundedStarts, RetryingTask):
    """Acknowledged late, and retried where that may help, the sandbox's drawn failures included.

    A message whose process was lost is started at most three times.
    """

    abstract = True
    autoretry_for = (Retryable, WorkFailed)
    retry_backoff = 1
    max_retries = 3


def build(settings: dict[str, Any], *, is_mended: bool = False, **more: Any) -> Celery:
    """Return the app with these settings and the document's tasks; ``more``: settings besides."""
    base = Careful if is_mended else Task
    app = Celery("conversations", task_cls=base, set_as_current=False)
    app.conf.update(settings | more)
    if is_mended:
        _keep_letters(app)
    # Not shared: else each app of this process would have the tasks of all.
    task = partial(app.task, bind=True, shared=False)
    _add_conversation_tasks(task, is_mended)
    _add_webhook_tasks(task, is_mended)
    _add_analytics_tasks(task)
    _add_next_step(task)
    return app


def _keep_letters(app: Celery) -> None:
    """Have the app's workers keep what fails for good; where its broker is, they know first."""

    def begin(sender: Any, **_: Any) -> None:
        if sender.app is app:
            keep(app, DeadLetters(app))

    signals.worker_init.connect(begin, weak=False, dispatch_uid=f"letters {id(app)}")


@signals.worker_init.connect
def _import_data(**_: Any) -> None:
    """Have a worker import what its processes need before it forks them."""
    _data()


@signals.worker_process_init.connect
def _open_database(**_: Any) -> None:
    """Have each process of a worker open its database before its first task pays for that."""
    with _data().database().reading():
        pass


def _data() -> ModuleType:
    # Here, since whoever only asks the app for its settings needs no database.
    from sandbox.systems.conversations import data

    return data


def _converse(self: Task, conversation: str, message: str, with_key: bool) -> dict[str, Any]:
    said: dict[str, Any] = {}
    name = conversation or f"conv_{self.request.id.rpartition('/')[2]}"
    text = message or f"I need help with product {name}."

    def effect(_part: int) -> None:
        said.update(_data().converse(self.request.id, name, text, with_key=with_key))

    work(self, effect)
    return said


def _add_conversation_tasks(task: Any, with_key: bool) -> None:
    @task(name=f"{CONVERSATION}.process_conversation_message_task")
    def process_conversation_message_task(
        self: Task, conversation_id: str = "", message: str = ""
    ) -> dict[str, Any]:
        """Process what a customer has written."""
        return _converse(self, conversation_id, message, with_key)

    @task(name=f"{CONVERSATION}.process_manipulator_interaction_task")
    def process_manipulator_interaction_task(
        self: Task, conversation_id: str = "", message: str = ""
    ) -> dict[str, Any]:
        """Process what a manipulator has written."""
        return _converse(self, conversation_id, message, with_key)

    @task(name=f"{CONVERSATION}.continue_conversation_async_task")
    def continue_conversation_async_task(
        self: Task, conversation_id: str = "", message: str = ""
    ) -> dict[str, Any]:
        """Continue a conversation."""
        return _converse(self, conversation_id, message, with_key)

    @task(name=f"{CONVERSATION}.batch_conversation_analysis_task")
    def batch_conversation_analysis_task(
        self: Task, conversation_ids: list[str] | None = None
    ) -> dict[str, Any]:
        """Analyse many conversations, one after the other."""
        job = self.request.id
        names = conversation_ids or [f"conv_{n}" for n in range(N_BATCH)]

        def effect(part: int) -> None:
            _data().analyse(job, names[part], with_key=with_key)
            if with_key and not self.request.called_directly:
                meta = {"current": part + 1, "total": len(names)}
                self.update_state(state="PROGRESS", meta=meta)

        work(self, effect, len(names))
        return {"analysed": len(names)}


def _receive(self: Task, platform: str, payload: dict[str, Any] | None, with_key: bool) -> Any:
    stored: dict[str, Any] = {}
    given = payload or {"event": "message", "number": self.request.id.rpartition("/")[2]}

    def effect(_part: int) -> None:
        stored.update(_data().receive(platform, given, with_key=with_key))

    work(self, effect)
    return stored


def _add_webhook_tasks(task: Any, with_key: bool) -> None:
    @task(name=f"{WEBHOOK}.process_facebook_webhook_task")
    def process_facebook_webhook_task(
        self: Task, payload: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Process a webhook of Facebook."""
        return dict(_receive(self, "facebook", payload, with_key))

    @task(name=f"{WEBHOOK}.process_google_webhook_task")
    def process_google_webhook_task(
        self: Task, payload: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Process a webhook of Google."""
        return dict(_receive(self, "google", payload, with_key))

    @task(name=f"{WEBHOOK}.process_generic_webhook_task")
    def process_generic_webhook_task(
        self: Task, payload: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Process a webhook of any other platform."""
        return dict(_receive(self, "generic", payload, with_key))

    @task(name=f"{WEBHOOK}.send_webhook_response_task")
    def send_webhook_response_task(
        self: Task, recipient: str = "", text: str = ""
    ) -> dict[str, Any]:
        """Send the response to a webhook."""
        sent: list[str] = []
        name = recipient or f"customer_{self.request.id.rpartition('/')[2]}"

        def effect(_part: int) -> None:
            sent.append(_data().respond(self.request.id, name, text or "ok", with_key=with_key))

        work(self, effect)
        return {"receipt": sent[-1]}


def _add_analytics_tasks(task: Any) -> None:
    @task(name=f"{ANALYTICS}.generate_conversation_analytics_task")
    def generate_conversation_analytics_task(self: Task) -> dict[str, Any]:
        """Count what conversations there are."""
        return _report(self)

    @task(name=f"{ANALYTICS}.generate_performance_report_task")
    def generate_performance_report_task(self: Task) -> dict[str, Any]:
        """Report how much has been done."""
        return _report(self)

    @task(name=f"{ANALYTICS}.cleanup_old_data_task")
    def cleanup_old_data_task(self: Task) -> dict[str, Any]:
        """Look for data that is too old."""
        return _report(self)


def _report(self: Task) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def effect(_part: int) -> None:
        found.update(_data().report())

    work(self, effect)
    return found


def _add_next_step(task: Any) -> None:
    @task(name=NOTIFY)
    def notify_task(self: Task) -> dict[str, Any]:
        """Notify a customer: the document's next step, for which it states no route."""
        return work(self)


written, mended = build(WRITTEN), build(MENDED, is_mended=True)
written_quick = build(WRITTEN, TASK_SOFT_TIME_LIMIT=0.5, TASK_TIME_LIMIT=1.0)
"""As written, with limits so short that a claim about them need not take ten minutes."""
