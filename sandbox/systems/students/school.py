"""The school's database: what the tasks of the students system really do.

Messages go to an SMS provider, which counts them: with a key for each task and phone a phone gets
its message once, without one each attempt sends it again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

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
from sandbox.patterns.providers import sms

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


class School:
    """The school's tables in a ``Database``; made, and filled with students, when first opened."""

    def __init__(self, database: Database) -> None:
        self.database, self.sms = database, sms(database)
        database.create(_TABLES)
        with database.transaction() as connection:
            _insert(connection, _students, _pupils())
            _insert(connection, _sessions, [{"id": i, "age_days": i % 60} for i in range(90)])

    def send(self, task: str, phones: Sequence[str], text: str, *, once: bool) -> None:
        """Send a message to each phone; with ``once`` not again to one that this task sent to.

        Raises BadRecipient for what is no phone number, and what else the provider raises.
        """
        for phone in phones:
            self.sms.send(phone, text, key=f"{task}>{phone}" if once else None)

    def notify(self, task: str, users: Sequence[int], title: str) -> int:
        """Create a notification for each user; return how many are new."""
        rows = [{"task": task, "user_id": user, "title": title} for user in users]
        with self.database.transaction() as connection:
            return _insert(connection, _notifications, rows)

    def has(self, student: int) -> bool:
        """Return whether a student is at this school."""
        with self.database.reading() as connection:
            return bool(_count(connection, _students, _students.c.id == student))

    def report(self, student: int) -> dict[str, Any]:
        """Return a student's statistics; LookupError for one that is not at this school."""
        with self.database.reading() as connection:
            row = connection.execute(select(_students).where(_students.c.id == student)).first()
            if row is None:
                raise LookupError(f"no student has the number {student}")
            of_user = _notifications.c.user_id == student
            n_told = _count(connection, _notifications, of_user)
        n_messages = self.messages().get(row.phone, 0)
        return {"student": row.name, "messages": n_messages, "notifications": n_told}

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

    def messages(self) -> Mapping[str, int]:
        """Return how many messages each phone got."""
        return self.sms.counts()


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
    '+447700900007'
    """
    return f"+44{7_700_900_000 + i}"


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
