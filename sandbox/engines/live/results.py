"""Results: what Celery answers to a program that asks for a task's state while workers run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import celery.backends.redis  # noqa: F401 - sooner: importing it while workers run takes too long
from celery import Celery

from sandbox.engines.live.engine import LiveSession


def states(session: LiveSession, asks: Iterable[str]) -> dict[str, str]:
    """Ask as any program on this broker does, for each id: ``app.AsyncResult(id).state``."""
    url, prefix = session.broker.url, {"global_keyprefix": session.broker.prefix}
    with closing(Celery("asks", broker=url, backend=url, set_as_current=False)) as app:
        app.conf.update(result_backend_transport_options=prefix)
        return {one: str(app.AsyncResult(one).state) for one in asks}
