"""Claims on settings: what Celery makes of the document's configuration, asked by its own code."""

from __future__ import annotations

import math
import timeit
from functools import partial
from typing import Any

from sandbox.claims import Claim

_MOST_MS = 5


def _conf(name: str) -> Any:
    """Return a setting as the document's configuration has it, read as the document shows."""
    from sandbox.systems.dashboard.app import WRITTEN, build

    return build(WRITTEN, namespace=None).conf.get(name)


def _broker_is_redis() -> float:
    from sandbox.systems.dashboard.app import WRITTEN, build

    app = build(WRITTEN, namespace=None)
    return float(app.connection_for_write().as_uri().startswith("redis://"))


def _is_setting(name: str) -> float:
    """Return whether Celery knows a setting, under this name or with any prefix of its groups."""
    from celery.app.defaults import SETTING_KEYS

    return float(name in SETTING_KEYS)


def _seconds(name: str) -> float:
    found = _conf(name)
    return math.inf if found is None else float(found)


def _node_names() -> float:
    """Return how many names the document's two workers on one machine have."""
    from celery.utils.nodenames import default_nodename

    from sandbox.derive.commands import read_commands
    from sandbox.notes import Notes
    from sandbox.systems.dashboard.app import celery_app
    from sandbox.systems.dashboard.scenarios import TWO

    found = read_commands(celery_app, TWO, Notes()).workers
    return float(len({default_nodename(worker.node) for worker in found}))


def _validation_ms() -> float:
    """Return what validating one event takes at best; the rest of the time is the machine's."""
    from sandbox.systems.dashboard.front import Event

    given = {"eventName": "user_login", "userId": 123, "timestamp": "2025-12-10"}
    return 1000 * min(timeit.repeat(lambda: Event.model_validate(given), number=100)) / 100


def _events_are_on() -> float:
    return float(bool(_conf("worker_send_task_events")))


SETTINGS = (
    Claim(
        text="CELERY_BROKER_URL = 'redis://localhost:6379/0' sets the broker",
        source="Configuration, celery_config.py",
        reads=_broker_is_redis,
        holds=lambda is_redis: is_redis == 1,
        name="broker-url",
        verdict="wrong",
        why="Without namespace='CELERY' the name is unknown and passed over in silence: the app "
        "looks for AMQP at localhost:5672.",
        rows=("1.2 #1",),
    ),
    Claim(
        text="CELERY_TASK_TIME_LIMIT = 600 limits a task to 10 minutes",
        source="Configuration, celery_config.py",
        reads=partial(_seconds, "task_time_limit"),
        unit="s",
        holds=lambda limit_s: limit_s == 600,
        name="time-limit",
        verdict="wrong",
        why="Read without the namespace there is no limit.",
        rows=("1.2 #1",),
    ),
    Claim(
        text="timeout: 5 minutes (soft)",
        source="Async Tasks Implemented, 1. process_event_async",
        reads=partial(_seconds, "task_soft_time_limit"),
        unit="s",
        holds=lambda limit_s: limit_s == 300,
        name="soft-limit",
        verdict="wrong",
        why="Only the text has it: no setting of the configuration says so.",
    ),
    Claim(
        text="CELERY_TASK_MAX_RETRIES = 3 retries failed tasks",
        source="Configuration, celery_config.py",
        reads=partial(_is_setting, "task_max_retries"),
        holds=lambda is_one: is_one == 1,
        name="max-retries",
        verdict="wrong",
        why="Celery has no such setting: max_retries is an attribute of a task, and does nothing "
        "unless the task retries.",
        rows=("1.2 #2",),
    ),
    Claim(
        text="CELERY_RESULT_BACKEND = 'redis://localhost:6379/1' sets the result backend",
        source="Configuration, celery_config.py",
        reads=lambda: float(_conf("result_backend") == "redis://localhost:6379/1"),
        holds=lambda is_set: is_set == 1,
        name="result-backend",
        verdict="right",
        why="Of the four it alone is read, as an old name of Celery 3's; a database of its own "
        "keeps results from the queues, but not from the same server's memory.",
        rows=("1.2 #1",),
    ),
    Claim(
        text="you can run multiple workers on one machine: worker 1, worker 2",
        source="Running the System, 3. Start Celery Worker(s)",
        reads=_node_names,
        unit="names of 2 workers",
        holds=lambda names: names == 2,
        name="node-names",
        verdict="wrong",
        why="Without -n both are celery@host: inspect, ping and control see one of them.",
        rows=("1.2 #27",),
    ),
    Claim(
        text="celery events: monitor in real time",
        source="Monitoring, Check Worker Status",
        reads=_events_are_on,
        holds=lambda are_on: are_on == 1,
        name="events",
        verdict="wrong",
        why="Workers send no task events unless started with -E, or told by `celery control "
        "enable_events`: the screen shows workers and no tasks.",
    ),
    Claim(
        text="validate event: fast, ~5 ms",
        source="Architecture Flow, After",
        reads=_validation_ms,
        unit="ms",
        holds=lambda ms: ms <= _MOST_MS,
        name="validation",
        verdict="right",
        why="A schema's check of a small body takes microseconds.",
    ),
)
