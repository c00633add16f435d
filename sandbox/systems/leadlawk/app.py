"""LeadLawk's Celery app: as its document writes it, corrected so that it runs, and mended.

The document leaves out the tasks' bodies: their work is drawn, and what they store is in
``store.py``. The broker's address is set by whoever starts the app.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_init, worker_process_init

from sandbox.engines.live import data
from sandbox.engines.live.app import work
from sandbox.patterns.errors import Permanent

PAGES = 4
"""How many result pages a browser job reads."""


class ResilientTask(Task):
    """The document's base class, word for word."""

    autoretry_for = (Exception,)
    retry_kwargs = {"max_retries": 5, "countdown": 60}  # noqa: RUF012 - as written
    retry_backoff = True
    retry_backoff_max = 600
    retry_jitter = True


class PatientTask(Task):
    """One policy: five retries after up to 30, 60, 120 … s; none where none can help."""

    autoretry_for = (Exception,)
    dont_autoretry_for = (Permanent, SoftTimeLimitExceeded)
    max_retries = 5
    retry_backoff = 30
    retry_backoff_max = 600
    retry_jitter = True
    default_retry_delay = 1
    """Before a task runs again whose process was killed (s)."""


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
    "task_dead_letter_exchange": "dlx",
    "task_dead_letter_routing_key": "failed",
}
"""The settings as the document writes them; Celery has no task_dead_letter_ settings."""

CORRECTED = WRITTEN | {"task_default_queue": "default"}
"""With the queue 'default' that the document draws; Celery's own would be 'celery'."""

_UNKNOWN = ("task_dead_letter_exchange", "task_dead_letter_routing_key")


def _expiring(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return a beat schedule whose messages are good until the next one comes."""
    return {
        name: entry | {"options": {"expires": entry["schedule"].total_seconds()}}
        for name, entry in schedule.items()
    }


MENDED = {key: value for key, value in CORRECTED.items() if key not in _UNKNOWN} | {
    "task_time_limit": 600,
    "task_soft_time_limit": 540,
    "task_reject_on_worker_lost": False,
    "task_retry_on_worker_lost": True,
    "worker_max_memory_per_child": 250_000,
    "beat_schedule": _expiring(WRITTEN["beat_schedule"]),
    "broker_transport_options": {
        "visibility_timeout": 900,
        "queue_order_strategy": "priority",
    },
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""


def build(settings: dict[str, Any], *, is_mended: bool = False) -> Celery:
    """Return the app with these settings and the document's tasks; ``is_mended``: mended ones."""
    base = PatientTask if is_mended else ResilientTask
    app = Celery("leadlawk", task_cls=base, set_as_current=False)
    app.conf.update(settings)
    (_add_mended_browser if is_mended else _add_browser)(app)
    _add_others(app)
    return app


@worker_init.connect
def _load(sender: Any = None, **_: Any) -> None:
    """Do once, before the processes are forked, what their first tasks would wait for.

    And have the mended app's workers keep what fails for good: only now is its broker known.
    """
    _store().answers(data.url())
    if getattr(sender, "app", None) is mended:
        from sandbox.patterns.dead_letters import DeadLetters, keep

        keep(mended, DeadLetters(mended))


@worker_process_init.connect
def _open(**_: Any) -> None:
    """Open the database before the first task, as the result backend is."""
    _store().answers(data.url())


def _add_browser(app: Celery) -> None:
    # Not shared: else each app of this process would have the tasks of all.
    @app.task(name="celery_app.browser_automation_task", bind=True, shared=False)
    def browser_automation_task(
        self: Task,
        job_params: dict[str, Any] | None = None,  # noqa: ARG001 - the document's signature
    ) -> dict[str, Any]:
        """Scrape with a browser; a failure is retried by hand *and* by the base class."""
        try:
            return work(self, lambda n: _store().store_page(data.url(), self.request.id, n), PAGES)
        except Exception as exc:
            raise self.retry(exc=exc, countdown=60 * (2**self.request.retries)) from exc


def _add_mended_browser(app: Celery) -> None:
    @app.task(name="celery_app.browser_automation_task", bind=True, shared=False)
    def browser_automation_task(
        self: Task, job_params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Scrape with a browser, say how far it is, and store each page once, however often run."""
        if job_params is not None and not str(job_params.get("query") or "").strip():
            raise Permanent("job_params has no query: no attempt will find anything")

        def read_page(number: int) -> None:
            _store().store_page_once(data.url(), self.request.id, number)
            if not self.request.called_directly:
                self.update_state(state="PROGRESS", meta={"current": number + 1, "total": PAGES})

        return work(self, read_page, PAGES)


def _add_others(app: Celery) -> None:
    task = partial(app.task, bind=True, shared=False)

    @task(name="celery_app.pagespeed_test_task")
    def pagespeed_test_task(self: Task, url: str = "") -> dict[str, Any]:  # noqa: ARG001
        """Ask the PageSpeed API about a site."""
        return work(self, lambda _: _store().store_score(data.url(), self.request.id))

    @task(name="celery_app.database_task")
    def database_task(self: Task, operation: str = "totals") -> dict[str, Any]:  # noqa: ARG001
        """Count the leads in the database."""
        found: dict[str, Any] = {}
        done = work(self, lambda _: found.update(_store().totals(data.url())))
        return done | found

    @task(name="celery_app.health_check_task")
    def health_check_task(self: Task) -> dict[str, Any]:
        """Look whether the database answers; it cannot restart a worker."""
        return work(self, lambda _: _store().answers(data.url()))

    @task(name="celery_app.cleanup_stale_jobs")
    def cleanup_stale_jobs(self: Task) -> dict[str, Any]:
        """Remove what is too old."""
        return work(self, lambda _: _store().remove_old(data.url()))

    @task(name="celery_app.check_memory_usage")
    def check_memory_usage(self: Task) -> dict[str, Any]:
        """Look at the memory of the process that runs it: of no other."""
        return work(self, lambda _: _store().memory_mb())


def _store() -> Any:
    """Return the module that needs SQLAlchemy, which who only reads this app need not have."""
    from sandbox.systems.leadlawk import store

    return store


written, celery_app = build(WRITTEN), build(CORRECTED)
mended = build(MENDED, is_mended=True)
