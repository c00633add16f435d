"""A database by URL: SQLite in a file by default, PostgreSQL where one is given.

Every write is one transaction that takes the lock at its beginning, so that two writers wait for
each other instead of failing half-way. How often and how long they waited is counted.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from sandbox.errors import SandboxError, shown

metadata = MetaData()
"""All tables of the parts; a system may add its own."""

_waits = Table(
    "lock_waits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("writer", Integer, nullable=False),
    Column("waited_s", Float, nullable=False),
)
_CREATE_TRIES = 20


class DatabaseError(SandboxError, ValueError):
    """A database that cannot be used: an unknown kind of URL, or a lock that nobody lets go."""


@dataclass(frozen=True)
class LockWaits:
    """How often a writer found the database locked, and for how long, in seconds."""

    count: int
    total_s: float
    longest_s: float


class Database:
    """A database that processes share, its tables made.

    ``address`` is the path of an SQLite file (``app.db`` or ``sqlite:///app.db``) or a
    ``postgresql://`` URL. ``busy_timeout_s``: how long a writer waits for the others.

    It may be made before a fork, but no process forks while it writes. DatabaseError for another
    kind of database, or one that is only in memory, which no worker could see.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"{folder}/app.db")
    ...     with database.transaction() as connection:
    ...         found = connection.exec_driver_sql("select 1 + 1").scalar()
    ...     database.close()
    >>> found
    2
    """

    def __init__(self, address: str | Path, *, busy_timeout_s: float = 30.0) -> None:
        self.url = _url(str(address))
        self.busy_timeout_s = busy_timeout_s
        self._pending: list[float] = []
        self.engine = _engine(self.url)
        _not_inherited(self.engine)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare)
        self.create(metadata)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file: its writers wait for the whole of it, not for a row."""
        return self.url.startswith("sqlite")

    def create(self, tables: MetaData) -> None:
        """Make the tables that are not there yet; several processes may do so at once."""
        for last in reversed(range(_CREATE_TRIES)):
            try:
                with self.transaction() as connection:
                    tables.create_all(connection)
            except Exception:
                # PostgreSQL: another process made it between our look and our CREATE.
                if last == 0 or self.is_sqlite:
                    raise
            else:
                return

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write: all of the block or, if it raises, nothing. DatabaseError when locked too long."""
        with self.engine.connect() as connection:
            with connection.begin():
                if self.is_sqlite:
                    self._lock(connection)
                recorded = self._record_waits(connection)
                yield connection
            del self._pending[:recorded]

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read, waiting for no writer."""
        with self.engine.connect() as connection:
            yield connection

    def lock_waits(self) -> LockWaits | None:
        """Return the waits of all processes so far.

        None on PostgreSQL, whose writers wait for a row and not for the database. A wait is
        written with the transaction that waited; one that fails hands it to the next.
        """
        if not self.is_sqlite:
            return None
        waited = _waits.c.waited_s
        with self.reading() as connection:
            count, total, longest = connection.execute(
                select(func.count(), func.sum(waited), func.max(waited))
            ).one()
        return LockWaits(count, total or 0.0, longest or 0.0)

    def close(self) -> None:
        """Close this process's connections."""
        self.engine.dispose()

    def _lock(self, connection: Connection) -> None:
        """Take the write lock; note the wait if somebody else has it."""
        if _begun(connection, 0):
            return
        began = time.monotonic()
        if not _begun(connection, round(1000 * self.busy_timeout_s)):
            raise DatabaseError(
                f"the database was locked by another writer for {self.busy_timeout_s:g} s"
            )
        self._pending.append(time.monotonic() - began)

    def _record_waits(self, connection: Connection) -> int:
        waits = list(self._pending)
        if waits and connection.dialect.has_table(connection, _waits.name):
            me = os.getpid()
            connection.execute(insert(_waits), [{"writer": me, "waited_s": w} for w in waits])
            return len(waits)
        return 0


def _url(address: str) -> str:
    if "://" not in address:
        return f"sqlite:///{address}"
    try:
        url = make_url(address)
    except ArgumentError:
        raise DatabaseError(f"the database is {shown(address)}, which is no URL") from None
    kind = url.get_backend_name()
    if kind == "postgresql":
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if kind != "sqlite":
        raise DatabaseError(f"the database is a {kind!r} URL; allowed: sqlite or postgresql")
    if not url.database or url.database == ":memory:":
        raise DatabaseError("the database is only in memory, where no worker sees it; give a file")
    return address


def _engine(url: str) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except ModuleNotFoundError:
        raise DatabaseError(
            "the database is PostgreSQL, but psycopg is not installed: "
            "pip install 'celery-sandbox-lab[postgres]'"
        ) from None


def _not_inherited(engine: Engine) -> None:
    """Have no child inherit a connection.

    One of PostgreSQL would be a socket with two readers. One of SQLite brings its view of the
    locks: a child that is forked within a transaction finds the database locked for ever.
    """
    mine = weakref.ref(engine)

    def close(*, really: bool) -> None:
        if (here := mine()) is not None:
            here.dispose(close=really)

    os.register_at_fork(
        before=partial(close, really=True), after_in_child=partial(close, really=False)
    )


def _prepare(connection: Any, _record: object) -> None:
    """Have SQLite let readers read while one writes, and leave BEGIN to us."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begun(connection: Connection, timeout_ms: int) -> bool:
    connection.exec_driver_sql(f"PRAGMA busy_timeout={timeout_ms}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as exc:
        if "locked" not in str(exc.orig):
            raise
        return False
    return True
