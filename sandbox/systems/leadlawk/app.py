"""LeadLawk's Celery app, settings as its document writes them.

Two things the document leaves out are added, both named in ``SYSTEM.corrections``: a default
queue that is called what the document calls it, and bodies for the tasks, whose work is
drawn. The broker's address is set by whoever starts the app.
"""

from __future__ import annotations

from datetime import timedelta
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


celery_app = Celery("leadlawk", task_cls=ResilientTask, set_as_current=False)

celery_app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_track_started=True,
    task_time_limit=3600,
    task_soft_time_limit=3300,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=100,
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    task_routes={
        "celery_app.browser_automation_task": {"queue": "browser"},
        "celery_app.pagespeed_test_task": {"queue": "pagespeed"},
        "celery_app.database_task": {"queue": "database"},
    },
    beat_schedule={
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
)
celery_app.conf.task_default_queue = "default"  # corrected: Celery's own would be "celery"


@celery_app.task(bind=True, name="celery_app.browser_automation_task")
def browser_automation_task(
    self: Task,
    job_params: dict[str, Any] | None = None,  # noqa: ARG001 - the document's signature
) -> dict[str, Any]:
    """Scrape with a browser; a failure is retried by hand *and* by the base class, as written."""
    try:
        return work(self)
    except Exception as exc:
        raise self.retry(exc=exc, countdown=60 * (2**self.request.retries)) from exc


@celery_app.task(bind=True, name="celery_app.pagespeed_test_task")
def pagespeed_test_task(self: Task) -> dict[str, Any]:
    """Ask the PageSpeed API about a site."""
    return work(self)


@celery_app.task(bind=True, name="celery_app.database_task")
def database_task(self: Task) -> dict[str, Any]:
    """Write leads to the database."""
    return work(self)


@celery_app.task(bind=True, name="celery_app.health_check_task")
def health_check_task(self: Task) -> dict[str, Any]:
    """Check that the system is up; it cannot restart a worker."""
    return work(self)


@celery_app.task(bind=True, name="celery_app.cleanup_stale_jobs")
def cleanup_stale_jobs(self: Task) -> dict[str, Any]:
    """Remove jobs that are too old."""
    return work(self)


@celery_app.task(bind=True, name="celery_app.check_memory_usage")
def check_memory_usage(self: Task) -> dict[str, Any]:
    """Look at the memory of the workers."""
    return work(self)
