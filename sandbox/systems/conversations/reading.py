"""What Celery's own configuration, and an event loop, say of the platform's settings."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

from sandbox.systems.conversations.deploy import MESSAGE

_PATIENCE_S = 0.3
_ABOUT_ALERTS = ("alert", "notif", "email", "threshold", "backlog")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def from_environment(setting: str, wanted: str, **variables: str) -> float:
    """Return 1 when an app that is told nothing but the variables has a setting as wanted."""
    from celery import Celery

    with _environment(variables):
        app = Celery("conversations", set_as_current=False)
        return float(str(getattr(app.conf, setting)) == wanted)


def capitals(setting: str) -> float:
    """Return what the app as written has of a setting; 0 for None."""
    from sandbox.systems.conversations.app import written

    return float(written.conf[setting] or 0)


def retry_delay_s() -> float:
    """Return the delay (s) before a retry of a message's task as written."""
    from sandbox.systems.conversations.app import written

    return float(written.tasks[MESSAGE].default_retry_delay)


def beat_entries() -> float:
    """Return how many entries beat has as written."""
    from sandbox.systems.conversations.app import written

    return float(len(written.conf.beat_schedule))


def alert_settings() -> float:
    """Return how many of Celery's settings are about telling somebody."""
    from celery.app.defaults import NAMESPACES, flatten

    names = [name for name, _ in flatten(NAMESPACES)]
    return float(sum(any(word in name for word in _ABOUT_ALERTS) for name in names))


def unknown_is_told() -> float:
    """Return 1 when Celery tells the state of an id that was never submitted from PENDING."""
    from celery import Celery

    app = Celery("conversations", backend="cache+memory://", set_as_current=False)
    return float(app.AsyncResult("async_task_456").state != "PENDING")


def loop_stands_s() -> float:
    """Return how long an event loop stands still (s) whose endpoint publishes.

    The broker accepts connections and never answers; the publisher gives up after 0.3 s.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with ThreadPoolExecutor(1) as thread:  # whoever asks may have a loop of its own
            return thread.submit(lambda: asyncio.run(_longest_gap_s(port))).result()


async def _longest_gap_s(port: int) -> float:
    from celery import Celery

    patience = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
    app = Celery("conversations", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    app.conf.update(broker_transport_options=patience | {"max_retries": 0})
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - began)

    async def endpoint() -> Any:
        with suppress(Exception):  # that it fails in the end is not what is asked
            app.send_task(MESSAGE, retry=False, ignore_result=True)

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0.03)
    await endpoint()
    await asyncio.sleep(0.03)
    ticking.cancel()
    return max(gaps)
