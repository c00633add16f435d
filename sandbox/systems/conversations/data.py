"""What the conversation platform keeps: messages, webhooks and reports, in the run's database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Float, Integer, String, Table, func, insert, select

from sandbox.engines.live import data
from sandbox.patterns.database import Database, metadata
from sandbox.patterns.errors import Permanent
from sandbox.patterns.idempotency import once
from sandbox.patterns.providers import ai, answer

PLATFORMS = ("facebook", "google", "generic")
_LONGEST = 100_000
T = TypeVar("T")

messages = Table(
    "conversation_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", String, nullable=False),
    Column("author", String, nullable=False),
    Column("text", String, nullable=False),
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", String, nullable=False),
    Column("payload_hash", String, nullable=False),
)
findings = Table(
    "analysed_conversations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String, nullable=False),
    Column("conversation_id", String, nullable=False),
    Column("words", Float, nullable=False),
)


@cache
def database() -> Database:
    """Return this process's database, made at first need."""
    return Database(data.url())


def converse(task_id: str, conversation: str, text: str, *, with_key: bool) -> dict[str, Any]:
    """Store what a customer wrote and what the AI service answers; return the answer.

    ``with_key``: a task that runs again stores nothing again, and asks the service under the key
    of its first attempt. Permanent for a text that no attempt could process.
    """
    if not text.strip() or len(text) > _LONGEST:
        raise Permanent(f"the message of {conversation} has {len(text)} characters")
    key = task_id if with_key else None
    ai(database()).send(conversation, text, key=key)
    said = f"I'd be happy to help you with that: {answer(text)['words']} words."

    def store(connection: Connection) -> dict[str, Any]:
        for author, written in (("customer", text), ("ai", said)):
            row = {"conversation_id": conversation, "author": author, "text": written}
            connection.execute(insert(messages), row)
        return {"conversation_id": conversation, "ai_response": said}

    return _effect(f"message/{task_id}", store, with_key=with_key)


def receive(platform: str, payload: Mapping[str, Any], *, with_key: bool) -> dict[str, Any]:
    """Validate a platform's webhook and store the hash of its payload; return the hash.

    ``with_key``: a delivery that the platform repeats is stored once. Permanent when the payload
    has no event.
    """
    if platform not in PLATFORMS or not payload.get("event"):
        raise Permanent(f"a webhook of {platform} has no event")
    text = json.dumps(payload, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()

    def store(connection: Connection) -> dict[str, Any]:
        row = {"platform": platform, "payload_hash": digest}
        connection.execute(insert(webhooks), row)
        return {"platform": platform, "payload_hash": digest}

    return _effect(f"webhook/{platform}/{digest}", store, with_key=with_key)


def respond(task_id: str, recipient: str, text: str, *, with_key: bool) -> str:
    """Send a response to a platform; return its receipt."""
    return ai(database()).send(recipient, text, key=task_id if with_key else None)


def analyse(job: str, conversation: str, *, with_key: bool) -> None:
    """Analyse one conversation of a batch and store what was found."""
    words = float(answer(conversation)["words"])

    def store(connection: Connection) -> None:
        row = {"job": job, "conversation_id": conversation, "words": words}
        connection.execute(insert(findings), row)

    _effect(f"analysis/{job}/{conversation}", store, with_key=with_key)


def n_analysed(job: str) -> int:
    """Return how many conversations of a batch have been analysed."""
    mine = select(func.count()).select_from(findings).where(findings.c.job == job)
    with database().reading() as connection:
        return int(connection.execute(mine).scalar_one())


def report() -> dict[str, int]:
    """Count what there is: the numbers of an analytics report."""
    with database().reading() as connection:
        return {
            table.name: int(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
            for table in (messages, webhooks, findings)
        }


def _effect(key: str, store: Callable[[Connection], T], *, with_key: bool) -> T:
    if with_key:
        return once(database(), key, store).result
    with database().transaction() as connection:
        return store(connection)
