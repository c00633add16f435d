"""The AI analysis' Celery app: as its document writes it, and mended.

The document names its tasks and leaves out their bodies: here an analysis reports PROGRESS, asks a
stand-in for the AI provider, which counts its messages, and stores the feedback. The broker's
address is set by whoever starts the app.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from celery import Celery, Task
from celery.signals import worker_init, worker_process_init

from sandbox.engines.live.app import Effect, WorkFailed, work
from sandbox.patterns import lists
from sandbox.patterns.dead_letters import DeadLetters
from sandbox.patterns.dead_letters import keep as keep_letters
from sandbox.patterns.errors import RetryingTask, policy_for, retryable
from sandbox.patterns.global_rate import GlobalRate, postponed
from sandbox.patterns.lost_worker import BoundedStarts
from sandbox.systems.ai_analysis.names import ANALYZE, CHAT, HURRY, LIMIT, MINUTE_S, TEST

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
    "task_track_started": True,
    "task_time_limit": 60,
    "task_soft_time_limit": 45,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {"visibility_timeout": 900, "socket_timeout": 5},
}
"""What the findings ask for: each is in ``SYSTEM.changes`` with its reason."""

BURST = 3
"""Tokens of the limit for all workers: one worker alone, whose own limit spaces the calls out, does
not wait for them, although calls take now longer, now shorter."""


class Mended(BoundedStarts, RetryingTask):
    """Late acknowledgement, three starts at most, and retries of what may pass."""

    abstract = True


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


def build(settings: dict[str, Any], *, mend: bool = False) -> Celery:
    """Return the app with these settings and the document's tasks, as written or mended."""
    app = Celery("celery_config", set_as_current=False)
    app.conf.update(settings)
    # Not shared: else each app of this process would have the tasks of all.
    options = {"base": Mended, **policy_for(60)} if mend else RETRIES
    task = partial(app.task, bind=True, shared=False, **options)
    _add_tasks(task, _carefully if mend else _plainly)
    return app


def _add_tasks(task: Any, do: Callable[..., dict[str, Any]]) -> None:
    @task(name=ANALYZE)
    def analyze_section_task(self: Task, section: str = "", content: str = "") -> dict[str, Any]:
        """Have the AI analyse a section; the feedback is stored."""
        return do(self, section or "Introduction", content or _text_of(self), steps=2)

    @task(name=CHAT)
    def process_chat_task(self: Task, message: str = "") -> dict[str, Any]:
        """Have the AI answer a message."""
        return do(self, "chat", message or _text_of(self))

    @task(name=TEST)
    def test_connection_task(self: Task) -> dict[str, Any]:
        """Say that a worker is there."""
        return work(self) | {"result": {"connected": True}}


def _text_of(task: Task) -> str:
    return f"{task.request.id} was written very quickly. It has two sentences."


def _plainly(task: Task, about: str, text: str, steps: int = 1) -> dict[str, Any]:
    """Do it as the document's sketch would: what is done twice is asked and stored twice."""
    return _asking(task, about, text, steps, lambda: None)


def _carefully(task: Task, about: str, text: str, steps: int = 1) -> dict[str, Any]:
    """Do it once, whatever is delivered twice, and never above the provider's own limit.

    Celery's rate limit, a worker's own, spaces the calls out; the one in Redis holds for all
    workers together, such as while a deployment has two generations of them.
    """

    def admit() -> None:
        if task.request.called_directly or task.name != ANALYZE:
            return
        wait_s = _limit(task.app).acquire("ai", LIMIT / MINUTE_S, BURST)
        if wait_s:
            raise postponed(task, wait_s)

    key = None if task.request.called_directly else task.request.id
    with retryable(WorkFailed):
        return _asking(task, about, text, steps, admit, key)


def _asking(  # noqa: PLR0913, PLR0917 - what both ways of doing it have
    task: Task,
    about: str,
    text: str,
    steps: int,
    admit: Callable[[], None],
    key: str | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def effect(step: int) -> None:
        if step < steps - 1:
            _tell(task, "Analyzing section...", 50)
            return
        from sandbox.systems.ai_analysis import store

        admit()
        found.update(store.ask(text, about, key=key))
        if task.name == ANALYZE:
            store.keep(task.request.id, text, found, key=key)

    does: Effect = effect
    return work(task, does, steps) | {"result": found}


def _tell(task: Task, status: str, progress: int) -> None:
    """Report PROGRESS, unless the task is done inside a request and nobody polls for it."""
    if not task.request.called_directly:
        task.update_state(state="PROGRESS", meta={"status": status, "progress": progress})


@cache
def _limit(app: Celery) -> GlobalRate:
    return GlobalRate(lists.shared_client(app), lists.Keys.of(app).prefix)


@worker_init.connect
def _keep_failures(sender: Any, **_: Any) -> None:
    """Keep what the mended app fails at for good; its broker is known by now."""
    if sender.app is mended:
        keep_letters(mended, DeadLetters(mended))


@worker_process_init.connect
def _warm_up(**_: Any) -> None:
    """Open the database before the first task, whose time it would else be."""
    from sandbox.systems.ai_analysis import store

    store.database()


written, hurried_written = build(WRITTEN), build(hurried(WRITTEN))
unlimited = build(UNLIMITED)
mended = build(hurried(MENDED), mend=True)
