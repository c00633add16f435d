"""What the AI analysis keeps: the provider's messages, and the feedback on each section."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, func, insert, select

from sandbox.engines.live import data
from sandbox.patterns import providers
from sandbox.patterns.database import Database, metadata
from sandbox.patterns.idempotency import once

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
    '90bd35df'
    """
    return hashlib.sha256(content.encode()).hexdigest()


def ask(text: str, about: str, *, key: str | None = None) -> dict[str, Any]:
    """Ask the AI service about a text, which counts as one of its messages; return its answer.

    With a ``key`` that it knows it answers again and counts nothing. Raises what a provider does.
    """
    providers.ai(database()).send(about, text, key=key)
    return dict(providers.answer(text))


def keep(task: str, content: str, found: dict[str, Any], *, key: str | None = None) -> None:
    """Store the feedback on a section; with a ``key``, once, however often it is asked to."""

    def write(connection: Connection) -> None:
        row = {"task": task, "content_hash": digest(content), "found": found}
        connection.execute(insert(feedback), row)

    if key is None:
        with database().transaction() as connection:
            write(connection)
    else:
        once(database(), key, write)


def counts(of: Database) -> tuple[int, int]:
    """Return how many messages the provider has got, and how many feedbacks are stored."""
    with of.reading() as connection:
        stored = connection.execute(select(func.count()).select_from(feedback)).scalar_one()
    return sum(providers.ai(of).counts().values()), stored
