"""The dashboard's Celery app: an event is hashed and stored, which takes its drawn time.

The broker's address and the database's are set by whoever starts the app.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from celery import Celery, Task
from sqlalchemy import Column, Integer, String, Table, insert

from sandbox.engines.live import data
from sandbox.engines.live.app import work
from sandbox.patterns.database import Database, metadata

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("app_id", String, nullable=False),
    Column("event_name", String, nullable=False),
    Column("payload_hash", String, nullable=False),
    Column("status", String, nullable=False),
)


@cache
def database() -> Database:
    """Return this process's database, made at first need."""
    return Database(data.url())


mended = Celery("dashboard", set_as_current=False)
mended.conf.update(
    task_time_limit=600,
    task_soft_time_limit=300,
    task_routes={"app.tasks.process_event_async": {"queue": "default"}},
    task_default_queue="default",
)


@mended.task(bind=True, name="app.tasks.process_event_async")
def process_event_async(  # noqa: PLR0913, PLR0917 - the document's signature
    self: Task,
    app_id: str,
    event_name: str,
    payload: dict[str, Any],
    validation_status: str,
    validation_results: dict[str, Any],  # noqa: ARG001 - as above
) -> dict[str, Any]:
    """Store an event with the hash of its payload."""
    digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    row = {"app_id": app_id, "event_name": event_name, "payload_hash": digest}
    stored: list[int] = []

    def store(_part: int) -> None:
        with database().transaction() as connection:
            done = connection.execute(insert(events), row | {"status": validation_status})
            stored.extend(done.inserted_primary_key or ())

    work(self, store)
    return {"id": stored[0], "payload_hash": digest}
