"""What the AI analysis keeps: each call of the provider, and the feedback on each section."""

from __future__ import annotations

import hashlib
import os
import time
from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, Integer, String, Table, insert, select

from sandbox.engines.live import data
from sandbox.patterns.database import Database, metadata

calls = Table(
    "ai_calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task", String, nullable=False),
    Column("engine", Integer, nullable=False),
    Column("at", Float, nullable=False),
)
"""Each call of the provider: for which task, by whose engine, and when (s since the epoch)."""

feedback = Table(
    "ai_feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("found", JSON, nullable=False),
)


@cache
def database() -> Database:
    """Return this process's database, made at first need."""
    return Database(data.url())


def digest(content: str) -> str:
    """Return what tells one content from another.

    >>> digest("a report")[:8]
    'ad5f3f3a'
    """
    return hashlib.sha256(content.encode()).hexdigest()


def call(connection: Connection, task: str) -> None:
    """Count a call of the provider."""
    row = {"task": task, "engine": os.getpid(), "at": time.time()}
    connection.execute(insert(calls), row)


def keep(connection: Connection, task: str, content: str, found: dict[str, Any]) -> None:
    """Store the feedback on a section."""
    row = {"task": task, "content_hash": digest(content), "found": found}
    connection.execute(insert(feedback), row)


def n_calls(of: Database | None = None) -> int:
    """Return how often the provider was called."""
    with (of or database()).reading() as connection:
        return len(connection.execute(select(calls.c.id)).all())
