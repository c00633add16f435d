"""The Celery app of a scenario: generated from its task types, or the system's own."""

from __future__ import annotations

import importlib
import logging
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from celery import Celery, Task

from sandbox.draws import draw_s, jitter_seed, uniform
from sandbox.engines.live import calls, ledger, oom, subtask
from sandbox.errors import ScenarioError
from sandbox.scenario import AutoRetry, Scenario, SelfRetry, TaskType

logging.getLogger("kombu").setLevel(logging.WARNING)

Effect = Callable[[int], object]
"""The real work of one part of a task, by the part's number."""


class Link(NamedTuple):
    """Where the broker is and which keys belong to this run ("" when the broker is ours).

    ``ledger``: the URL of the database that effects are written to; "" for the run's folder.
    ``straight`` is the way past the proxy, for who only looks.
    """

    url: str
    prefix: str = ""
    ledger: str = ""
    straight: str = ""


class WorkFailed(Exception):  # noqa: N818 - what a reader of a task's result sees
    """The failure that a task type's ``p_failure`` draws; an ordinary exception to Celery."""


class _Work:
    """The drawn work of the scenario that this process runs; set once, before the worker starts."""

    scenario: Scenario | None = None


def work(task: Task, effect: Effect | None = None, steps: int = 1) -> dict[str, Any]:
    """Do the work drawn for this task and attempt: wait or burn for its time, perhaps fail.

    Its effect, a row in the run's ledger, is the last thing that it does.

    A system's own tasks call it with their real work as ``effect``: it is called after each of
    ``steps`` equal parts of the drawn time with the number of the part, and what it takes is taken
    off the next part, so that real work is padded to the drawn time. What it raises ends the task.
    The drawn failure, if any, strikes before the last effect. Raises
    WorkFailed as often as the type's ``p_failure`` says, CallFailed or CallTimedOut when the
    dependency that the type calls does not serve it, and SubtaskFailed when the task fails that
    it waits for.
    """
    scenario = _Work.scenario
    if scenario is None:
        raise RuntimeError("no scenario is loaded: this task runs only in the sandbox")
    kind, retry, number = scenario.task(task.name), task.request.retries, _number(task.request.id)
    stream = f"{kind.name}/service"
    service_s = draw_s(kind.service, scenario.seed, stream, number, retry=retry)
    fails = uniform(scenario.seed, f"{kind.name}/failure", number, retry=retry) < kind.p_failure
    killed_s = oom.runs_out_s(kind.name, service_s)
    spend = _burn if kind.work == "cpu" else time.sleep
    if killed_s is not None:
        spend(killed_s)
        os.kill(os.getpid(), signal.SIGKILL)
    padded = _Padded(kind.name, service_s / steps, spend)
    for step in range(steps - 1):
        padded.do(step, effect)
    padded.spend()
    # Celery takes the jitter of a retry from the global generator, right after this body. Not
    # sooner: real work draws from it, too, such as what publishes a task's progress.
    random.seed(jitter_seed(scenario.seed, task.request.id, retry))
    if kind.calls is not None:
        stream = f"{kind.name}/call"
        call_s = draw_s(kind.calls.service, scenario.seed, stream, number, retry=retry)
        calls.call(kind.calls, call_s, task=task.request.id, retry=retry)
    if kind.crash == "child":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind.crash == "memory":
        raise MemoryError(f"{task.request.id} takes more than there is")
    if kind.waits_for is not None:
        subtask.wait_for(scenario.task(kind.waits_for), scenario, task, number)
    if fails:
        raise WorkFailed(f"attempt {retry + 1} of {task.request.id} was drawn to fail")
    padded.apply(steps - 1, effect)
    ledger.apply(task.request)
    return {"service_s": service_s}


class _Padded:
    """Parts of a task's time, each shorter by what the real work of its type took the last time."""

    _took_s: ClassVar[dict[str, float]] = {}

    def __init__(self, name: str, part_s: float, spend: Callable[[float], None]) -> None:
        self._name, self._part_s, self._spend = name, part_s, spend

    def spend(self) -> None:
        """Let a part's time go by, but for what its effect will take."""
        self._spend(max(0.0, self._part_s - self._took_s.get(self._name, 0.0)))

    def apply(self, step: int, effect: Effect | None) -> None:
        """Do the real work of a part."""
        if effect is not None:
            began = time.monotonic()
            effect(step)
            self._took_s[self._name] = time.monotonic() - began

    def do(self, step: int, effect: Effect | None) -> None:
        """Do a whole part."""
        self.spend()
        self.apply(step, effect)


def _number(task_id: str) -> int:
    """Return the number in a key ``type/number``."""
    return int(task_id.rpartition("/")[2])


def _burn(seconds: float) -> None:
    """Use the processor for ``seconds`` of processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def build(scenario: Scenario, link: Link) -> Celery:
    """Return the app that client and workers of this run share, with its broker set.

    Raises ScenarioError when ``scenario.app`` cannot be imported.
    """
    app = _own_app(scenario.app) if scenario.app else _generated_app(scenario)
    options = scenario.broker.transport_options | {"global_keyprefix": link.prefix}
    app.conf.update(
        broker_url=link.url,
        result_backend=link.url,
        broker_transport_options=options,
        result_backend_transport_options={"global_keyprefix": link.prefix},
        broker_connection_retry_on_startup=True,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        worker_hijack_root_logger=True,
    )
    found = app.connection_for_write().as_uri(include_password=True)
    if not found.startswith(link.url.rstrip("/")):
        raise ScenarioError("app has a broker of its own that overrides the sandbox's")
    _Work.scenario = scenario
    return app


def _own_app(path: str) -> Celery:
    module, _, name = path.partition(":")
    try:
        app = getattr(importlib.import_module(module), name or "app")
    except (ImportError, AttributeError) as exc:
        raise ScenarioError(f"app is {path!r}, which cannot be imported: {exc}") from None
    if not isinstance(app, Celery):
        raise ScenarioError(f"app is {path!r}, which is no Celery app")
    return app


def _generated_app(scenario: Scenario) -> Celery:
    app = Celery(scenario.name, set_as_current=False)
    app.conf.task_routes = {kind.name: {"queue": kind.queue} for kind in scenario.tasks}
    app.conf.task_default_queue = scenario.queues[0]
    for kind in scenario.tasks:
        _register(app, kind)
    return app


def _register(app: Celery, kind: TaskType) -> None:
    """Register a task with the options that its type states, as a decorator would."""
    own = kind.self_retry

    def body(self: Task, *_results: Any) -> dict[str, Any]:  # a chord's body is given its header's
        if own is None:
            return work(self)
        try:
            return work(self)
        except Exception as exc:
            raise self.retry(exc=exc, countdown=own.countdown(self.request.retries)) from exc

    app.task(body, bind=True, name=kind.name, **_options(kind, own))


def _options(kind: TaskType, own: SelfRetry | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "acks_late": kind.acks_late,
        "acks_on_failure": kind.acks_on_failure,
        "acks_on_timeout": kind.acks_on_timeout,
        "reject_on_worker_lost": kind.reject_on_worker_lost,
        "retry_on_worker_lost": kind.retry_on_worker_lost,
        "default_retry_delay": kind.default_retry_delay_s,
        "rate_limit": kind.rate_limit,
        "soft_time_limit": kind.soft_time_limit_s,
        "time_limit": kind.time_limit_s,
        "ignore_result": kind.ignore_result,
        "max_retries": kind.lost_max_retries if own or kind.retry_on_worker_lost else 0,
    }
    auto = next((policy for policy in kind.retries if isinstance(policy, AutoRetry)), None)
    if auto is not None:
        options |= {
            "autoretry_for": (Exception,),
            "retry_kwargs": {"max_retries": auto.max_retries, "countdown": auto.countdown_s},
            "retry_backoff": auto.backoff_s or False,
            "retry_backoff_max": auto.backoff_max_s,
            "retry_jitter": auto.jitter,
        }
    return options


def scenario_of(folder: Path) -> Scenario:
    """Read the scenario that a run's folder holds."""
    return Scenario.from_file(folder / "scenario.json")
