"""The AI analysis' Celery app: as its document writes it, and mended.

The document names its tasks and leaves out their bodies: an analysis counts words and finds weak
ones, reports PROGRESS, counts a call of the provider and stores the feedback. The broker's address
is set by whoever starts the app.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import Celery, Task
from celery.signals import worker_process_init

from sandbox.engines.live.app import work
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, HURRY, TEST

WRITTEN: dict[str, Any] = {
    "task_annotations": {ANALYZE: {"rate_limit": "5/m"}, CHAT: {"rate_limit": "10/m"}},
    "task_routes": {
        ANALYZE: {"queue": "analysis"},
        CHAT: {"queue": "chat"},
        TEST: {"queue": "test"},
    },
}
"""The settings as the document writes them."""

RETRIES: dict[str, Any] = {
    "autoretry_for": (Exception,),
    "retry_backoff": True,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    "max_retries": 3,
}
"""The options that the document gives a task, word for word."""

UNLIMITED = WRITTEN | {"task_annotations": {}}
"""Without the rate limits, to see what they do."""

MENDED = WRITTEN | {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_track_started": True,
    "task_time_limit": 60,
    "task_soft_time_limit": 45,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {"visibility_timeout": 900, "socket_timeout": 5},
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""

LASTING = RETRIES | {"max_retries": 6, "retry_backoff": 2}
"""Retries that outlive a minute without the provider: 2 + 4 + … + 64 s at the longest."""


def hurried(settings: dict[str, Any], factor: int = HURRY) -> dict[str, Any]:
    """Return settings whose rates by the minute are ``factor`` times as high.

    >>> hurried(WRITTEN)["task_annotations"][ANALYZE]
    {'rate_limit': '150/m'}
    """
    faster = {
        task: {"rate_limit": f"{factor * int(options['rate_limit'].removesuffix('/m'))}/m"}
        for task, options in settings["task_annotations"].items()
    }
    return settings | {"task_annotations": faster}


def build(settings: dict[str, Any], retries: dict[str, Any] | None = None) -> Celery:
    """Return the app with these settings, and the document's tasks with these retries."""
    app = Celery("celery_config", set_as_current=False)
    app.conf.update(settings)
    _add_tasks(app, RETRIES if retries is None else retries)
    return app


def _add_tasks(app: Celery, retries: dict[str, Any]) -> None:
    # Not shared: else each app of this process would have the tasks of all.
    task = partial(app.task, bind=True, shared=False, **retries)

    @task(name=ANALYZE)
    def analyze_section_task(
        self: Task, section: str = "", content: str = ""
    ) -> dict[str, Any]:
        """Have the AI analyse a section; the feedback is stored once for each task."""
        content = content or f"Section {self.request.id} was written very quickly."
        found = _feedback(section or "Introduction", content)

        def effect(step: int) -> None:
            if step == 0:
                _tell(self, "Analyzing section...", 50)
            else:
                _store(self.request.id, content, found)

        return work(self, effect, steps=2) | {"result": found}

    @task(name=CHAT)
    def process_chat_task(self: Task, message: str = "") -> dict[str, Any]:
        """Have the AI answer a message."""
        message = message or f"What does {self.request.id} say?"
        done = work(self, lambda _: _store(self.request.id, message, {}))
        return done | {"result": {"reply": f"You asked: {message}"}}

    @task(name=TEST)
    def test_connection_task(self: Task) -> dict[str, Any]:
        """Say that a worker is there."""
        return work(self) | {"result": {"connected": True}}


def _feedback(section: str, content: str) -> dict[str, Any]:
    """Return what a real provider would be asked for, found without one."""
    words = content.split()
    weak = sorted({word.strip(".,").lower() for word in words} & {"very", "really", "quite"})
    return {"section": section, "words": len(words), "weak_words": weak}


def _tell(task: Task, status: str, progress: int) -> None:
    """Report PROGRESS, unless the task is done inside a request and nobody polls for it."""
    if not task.request.called_directly:
        task.update_state(state="PROGRESS", meta={"status": status, "progress": progress})


def _store(task_id: str, content: str, found: dict[str, Any]) -> None:
    """Count the provider's call, and store what it said unless this task has stored it before."""
    from sandbox.systems.ai_analysis import store

    with store.database().transaction() as connection:
        store.call(connection, task_id)
        if found:
            store.keep(connection, task_id, content, found)


@worker_process_init.connect
def _warm_up(**_: Any) -> None:
    """Open the database before the first task, whose time it would else be."""
    from sandbox.systems.ai_analysis import store

    store.database()


written, hurried_written = build(WRITTEN), build(hurried(WRITTEN))
unlimited = build(UNLIMITED)
mended = build(hurried(MENDED), LASTING)
