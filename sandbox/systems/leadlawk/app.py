"""LeadLawk's Celery app: as its document writes it, corrected so that it runs, and mended.

The document leaves out the tasks' bodies: their work is drawn. The broker's address is set by
whoever starts the app.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from celery import Celery, Task

from sandbox.engines.live.app import work


class ResilientTask(Task):
    """The document's base class, word for word."""

    autoretry_for = (Exception,)
    retry_kwargs = {"max_retries": 5, "countdown": 60}  # noqa: RUF012 - as written
    retry_backoff = True
    retry_backoff_max = 600
    retry_jitter = True


WRITTEN: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_track_started": True,
    "task_time_limit": 3600,
    "task_soft_time_limit": 3300,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 100,
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_serializer": "json",
    "task_routes": {
        "celery_app.browser_automation_task": {"queue": "browser"},
        "celery_app.pagespeed_test_task": {"queue": "pagespeed"},
        "celery_app.database_task": {"queue": "database"},
    },
    "beat_schedule": {
        "health-check": {
            "task": "celery_app.health_check_task",
            "schedule": timedelta(seconds=30),
        },
        "cleanup-stale-jobs": {
            "task": "celery_app.cleanup_stale_jobs",
            "schedule": timedelta(minutes=15),
        },
        "memory-check": {
            "task": "celery_app.check_memory_usage",
            "schedule": timedelta(minutes=5),
        },
    },
}
"""The settings as the document writes them."""

CORRECTED = WRITTEN | {"task_default_queue": "default"}
"""With the queue 'default' that the document draws; Celery's own would be 'celery'."""

MENDED = CORRECTED | {
    "task_time_limit": 600,
    "task_soft_time_limit": 540,
    "broker_transport_options": {"visibility_timeout": 900},
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""


def build(settings: dict[str, Any]) -> Celery:
    """Return the app with these settings and the document's tasks."""
    app = Celery("leadlawk", task_cls=ResilientTask, set_as_current=False)
    app.conf.update(settings)
    _add_tasks(app)
    return app


def _add_tasks(app: Celery) -> None:
    # Not shared: else each app of this process would have the tasks of all.
    task = partial(app.task, bind=True, shared=False)

    @task(name="celery_app.browser_automation_task")
    def browser_automation_task(
        self: Task,
        job_params: dict[str, Any] | None = None,  # noqa: ARG001 - the document's signature
    ) -> dict[str, Any]:
        """Scrape with a browser; a failure is retried by hand *and* by the base class."""
        try:
            return work(self)
        except Exception as exc:
            raise self.retry(exc=exc, countdown=60 * (2**self.request.retries)) from exc

    @task(name="celery_app.pagespeed_test_task")
    def pagespeed_test_task(self: Task) -> dict[str, Any]:
        """Ask the PageSpeed API about a site."""
        return work(self)

    @task(name="celery_app.database_task")
    def database_task(self: Task) -> dict[str, Any]:
        """Write leads to the database."""
        return work(self)

    @task(name="celery_app.health_check_task")
    def health_check_task(self: Task) -> dict[str, Any]:
        """Check that the system is up; it cannot restart a worker."""
        return work(self)

    @task(name="celery_app.cleanup_stale_jobs")
    def cleanup_stale_jobs(self: Task) -> dict[str, Any]:
        """Remove jobs that are too old."""
        return work(self)

    @task(name="celery_app.check_memory_usage")
    def check_memory_usage(self: Task) -> dict[str, Any]:
        """Look at the memory of the workers."""
        return work(self)


written, celery_app, mended = build(WRITTEN), build(CORRECTED), build(MENDED)
