"""The school's database: what the tasks of the students system really do.

A message that is sent is a row: who got it, and for which task. With a key it is sent once, since
the key is unique; without one each attempt sends it again, as an SMS provider would.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from sandbox.patterns.database import Database

N_STUDENTS = 60
_TABLES = MetaData()
_students = Table(
    "students",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    Column("phone", String, nullable=False),
    Column("is_active", Boolean, nullable=False),
)
_messages = Table(
    "messages",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("task", String, nullable=False),
    Column("phone", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("key", String, unique=True),
)
_notifications = Table(
    "notifications",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("task", String, nullable=False),
    Column("user_id", Integer, nullable=False),
    Column("title", String, nullable=False),
    UniqueConstraint("task", "user_id"),
)
_exports = Table(
    "exports",
    _TABLES,
    Column("task", String, primary_key=True),
    Column("n_rows", Integer, nullable=False),
    Column("csv", Text, nullable=False),
)
_sessions = Table(
    "sessions",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("age_days", Integer, nullable=False),
)


class Sent(NamedTuple):
    """What the provider has sent. ``most``: the most often that one phone got the same message."""

    messages: int
    phones: int
    most: int


class School:
    """The school's tables in a ``Database``; made, and filled with students, when first opened."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.create(_TABLES)
        with database.transaction() as connection:
            _insert(connection, _students, _pupils())
            _insert(connection, _sessions, [{"id": i, "age_days": i % 60} for i in range(90)])

    def send(self, task: str, phones: Sequence[str], text: str, *, once: bool) -> int:
        """Send one message to each phone; return how many went out now.

        ``once``: a phone that this task has sent to already is passed over.
        """
        rows = [
            {"task": task, "phone": phone, "text": text, "key": f"{task}>{phone}" if once else None}
            for phone in phones
        ]
        with self.database.transaction() as connection:
            return _insert(connection, _messages, rows)

    def notify(self, task: str, users: Sequence[int], title: str) -> int:
        """Create a notification for each user; return how many are new."""
        rows = [{"task": task, "user_id": user, "title": title} for user in users]
        with self.database.transaction() as connection:
            return _insert(connection, _notifications, rows)

    def report(self, student: int) -> dict[str, Any]:
        """Return a student's statistics; LookupError for one that is not at this school."""
        with self.database.reading() as connection:
            row = connection.execute(select(_students).where(_students.c.id == student)).first()
            if row is None:
                raise LookupError(f"no student has the number {student}")
            of_phone, of_user = _messages.c.phone == row.phone, _notifications.c.user_id == student
            return {
                "student": row.name,
                "messages": _count(connection, _messages, of_phone),
                "notifications": _count(connection, _notifications, of_user),
            }

    def export(self, task: str, *, active_only: bool) -> int:
        """Write the students as CSV, to be fetched by the task's id; return the number of rows."""
        wanted = [_students.c.is_active] if active_only else []
        with self.database.transaction() as connection:
            rows = connection.execute(select(_students).where(*wanted).order_by(_students.c.id))
            text = io.StringIO()
            writer = csv.writer(text)
            writer.writerow(rows.keys())
            found = rows.fetchall()
            writer.writerows(found)
            connection.execute(delete(_exports).where(_exports.c.task == task))
            row = {"task": task, "n_rows": len(found), "csv": text.getvalue()}
            connection.execute(insert(_exports), row)
        return len(found)

    def csv_of(self, task: str) -> str | None:
        """Return the CSV that a task has written; None before it has."""
        with self.database.reading() as connection:
            wanted = select(_exports.c.csv).where(_exports.c.task == task)
            found = connection.execute(wanted).scalar()
        return None if found is None else str(found)

    def clean_up(self, older_than_days: int = 30) -> int:
        """Delete old sessions; return how many."""
        with self.database.transaction() as connection:
            old = delete(_sessions).where(_sessions.c.age_days > older_than_days)
            return connection.execute(old).rowcount

    def sent(self, task: str | None = None) -> Sent:
        """Return what was sent, of all tasks or of one."""
        of_task = [] if task is None else [_messages.c.task == task]
        times = (
            select(func.count().label("n"))
            .where(*of_task)
            .group_by(_messages.c.task, _messages.c.phone)
            .subquery()
        )
        with self.database.reading() as connection:
            told = select(func.sum(times.c.n), func.count(), func.max(times.c.n))
            return Sent(*(int(n or 0) for n in connection.execute(told).one()))


@cache
def school(url: str) -> School:
    """Return this process's school at a database's URL."""
    return School(Database(url))


def _pupils() -> list[dict[str, Any]]:
    return [
        {"id": i, "name": f"student {i}", "phone": phone(i), "is_active": i % 5 != 0}
        for i in range(1, N_STUDENTS + 1)
    ]


def phone(i: int) -> str:
    """Return the i-th number of those set aside for fiction.

    >>> phone(7)
    '+44 7700 900007'
    """
    return f"+44 7700 {900_000 + i:06d}"


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that break no constraint of the table; return how many."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    before = _count(connection, table)
    if rows:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))
    return _count(connection, table) - before


def _count(connection: Connection, table: Table, *where: Any) -> int:
    found = connection.execute(select(func.count()).select_from(table).where(*where))
    return int(found.scalar_one())
