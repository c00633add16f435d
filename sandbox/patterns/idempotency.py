"""An effect that happens once, however often its task is executed.

Celery does not deduplicate: a redelivered message runs again, whatever its id. The key's unique
constraint decides, and it is written in the same transaction as the effect, so there is no moment
in which one of them is there without the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import JSON, Column, Connection, Float, String, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sandbox.patterns.database import Database, metadata

T = TypeVar("T")
_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String, primary_key=True),
    Column("result", JSON),
    Column("at", Float, nullable=False),
)


@dataclass(frozen=True)
class Once(Generic[T]):
    """The result of the effect; ``first`` where it happened now, not before."""

    result: T
    first: bool


def once(database: Database, key: str, effect: Callable[[Connection], T]) -> Once[T]:
    """Have the effect unless the key is known; return its result, or the first one's.

    ``effect`` writes through the connection it is given; what it returns can be JSON. It holds
    SQLite's write lock while it works. If it raises, or the process dies, neither effect nor key
    remains. A second caller with the same key waits for the first to end. What goes out of the
    database, such as a message to a provider, cannot be undone: give the provider the key too.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"{folder}/app.db")
    ...     first = once(database, "invoice/7", lambda connection: "paid")
    ...     second = once(database, "invoice/7", lambda connection: "paid again")
    ...     database.close()
    >>> first.result, second.result, second.first
    ('paid', 'paid', False)
    """
    with database.transaction() as connection:
        insert = sqlite.insert if database.is_sqlite else postgresql.insert
        row = insert(_keys).values(key=key, at=time.time()).on_conflict_do_nothing()
        mine = _keys.c.key == key
        # Not its rowcount, which is -1 for an INSERT on PostgreSQL.
        if connection.execute(row.returning(_keys.c.key)).first() is None:
            return Once(connection.execute(select(_keys.c.result).where(mine)).scalar_one(), False)
        result = effect(connection)
        connection.execute(update(_keys).where(mine).values(result=result))
    return Once(result, True)
