"""What the dashboard's tasks really do: store events with their hash, count, send mail.

With a ``key`` an effect happens once, however often its task is executed; without one, as the
document has it, each execution has its effect.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, String, Table, func, insert, select

from sandbox.engines.live import data
from sandbox.patterns.database import Database, metadata
from sandbox.patterns.errors import Permanent, retryable
from sandbox.patterns.idempotency import once
from sandbox.patterns.providers import smtp

VALID = ("valid", "invalid")
"""What the front door's validation may have found."""

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("app_id", String, nullable=False),
    Column("event_name", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("payload_hash", String, nullable=False),
    Column("status", String, nullable=False),
    Column("at", Float, nullable=False),
)
statistics = Table(
    "statistics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("app_id", String, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("n_events", Integer, nullable=False),
    Column("n_invalid", Integer, nullable=False),
)


@cache
def database(url: str = "") -> Database:
    """Return this process's database: the run's, or the one at ``url``."""
    return Database(url or data.url())


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a payload, whatever the order of its keys.

    >>> payload_hash({"a": 1, "b": 2}) == payload_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(_text(payload).encode()).hexdigest()


def store_event(event: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
    """Store an event; return its id and hash. Permanent when no validation has such a status."""
    if event["validation_status"] not in VALID:
        raise Permanent(f"validation_status is {event['validation_status']!r}; allowed: {VALID}")
    row = {
        "app_id": str(event["app_id"]),
        "event_name": event["event_name"],
        "payload": _text(event["payload"]),
        "payload_hash": payload_hash(event["payload"]),
        "status": event["validation_status"],
        "at": time.time(),
    }

    def effect(connection: Connection) -> dict[str, Any]:
        made = connection.execute(insert(events).values(**row).returning(events.c.id))
        return {"id": made.scalar_one(), "payload_hash": row["payload_hash"]}

    return _written(effect, key)


def aggregate(app_id: object, hours: int, key: str | None = None) -> dict[str, Any]:
    """Count an app's events of the last ``hours``, store the statistics and return them."""
    asked = {"app_id": str(app_id), "hours": hours}
    since = time.time() - 3600 * hours
    query = (
        select(events.c.status, func.count().label("n"))
        .where(events.c.app_id == asked["app_id"], events.c.at > since)
        .group_by(events.c.status)
    )

    def effect(connection: Connection) -> dict[str, Any]:
        found = {row.status: row.n for row in connection.execute(query)}
        row = {"n_events": sum(found.values()), "n_invalid": found.get("invalid", 0)}
        connection.execute(insert(statistics), asked | row)
        return row

    return _written(effect, key)


def send_mail(email: str, subject: str, html_body: str, key: str | None = None) -> dict[str, Any]:
    """Send a mail by the stand-in for SMTP; Permanent for an address that is none."""
    return {"receipt": smtp(database()).send(email, f"{subject}\n{html_body}", key=key)}


def stored_hashes(url: str) -> Counter[str]:
    """Return how often each payload's hash is stored in the database at ``url``."""
    found = Database(url)
    with found.reading() as connection:
        hashes = Counter(connection.execute(select(events.c.payload_hash)).scalars())
    found.close()
    return hashes


def _written(effect: Any, key: str | None) -> dict[str, Any]:
    from sqlalchemy.exc import OperationalError

    done: dict[str, Any]
    with retryable(OperationalError):
        if key is not None:
            done = once(database(), key, effect).result
        else:
            with database().transaction() as connection:
                done = effect(connection)
    return done


def _text(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)
