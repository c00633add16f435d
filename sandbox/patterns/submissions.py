"""What a front door has promised: one row for each task submitted, written before it is published.

An id without a row was never submitted: PENDING, Celery's word for all it does not know, is not
said of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from sandbox.errors import SandboxError, shown
from sandbox.patterns.database import Database, metadata

Acceptance = Literal["recorded", "accepted", "not accepted", "unknown"]

_TRIES = 20
_rows = Table(
    "submissions",
    metadata,
    Column("task", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("args", JSON, nullable=False),
    Column("kwargs", JSON, nullable=False),
    Column("at", Float, nullable=False),
    Column("accepted", String, nullable=False),
    Column("ended", String),
)


class UnknownId(SandboxError, LookupError):  # noqa: N818 - what is wrong, in the words of the one who reads it
    """An id that was never submitted here."""


class NumberTaken(SandboxError, ValueError):  # noqa: N818 - what is wrong, in the words of the one who reads it
    """A number that a task of this name already has."""


@dataclass(frozen=True)
class Submission:
    """A task that was submitted. ``ended``: the final state that was seen of it, if any."""

    task: str
    number: int
    at: float
    accepted: Acceptance
    ended: str | None

    @property
    def id(self) -> str:
        """The task's id."""
        return f"{self.task}/{self.number}"

    @property
    def age_s(self) -> float:
        """Seconds since it was submitted."""
        return max(0.0, time.time() - self.at)


def record(
    database: Database,
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    number: int | None = None,
) -> str:
    """Write a submission and return its id; NumberTaken for a number that was given before.

    Without a number it takes the next; writers to PostgreSQL that take the same one try again.
    """
    row = {"task": task, "args": list(args), "kwargs": dict(kwargs), "accepted": "recorded"}
    for _ in range(_TRIES if number is None else 1):
        with suppress(IntegrityError), database.transaction() as connection:
            taken = _next(connection, task) if number is None else number
            connection.execute(insert(_rows), row | {"number": taken, "at": time.time()})
            return f"{task}/{taken}"
    raise NumberTaken(f"{task}/{taken} was submitted before")


def _next(connection: Connection, task: str) -> int:
    last = connection.execute(select(func.max(_rows.c.number)).where(_rows.c.task == task)).scalar()
    return 0 if last is None else last + 1


def mark(database: Database, task_id: str, accepted: Acceptance) -> None:
    """Write what became of a publication."""
    with database.transaction() as connection:
        connection.execute(update(_rows).where(*_is(task_id)).values(accepted=accepted))


def end(database: Database, task_id: str, state: str) -> None:
    """Write the final state that was seen, so that a result that expires is not taken for none."""
    with database.transaction() as connection:
        connection.execute(update(_rows).where(*_is(task_id)).values(ended=state))


def find(database: Database, task_id: str) -> Submission:
    """Return a submission; UnknownId when there is none."""
    columns = (_rows.c.task, _rows.c.number, _rows.c.at, _rows.c.accepted, _rows.c.ended)
    with database.reading() as connection:
        row = connection.execute(select(*columns).where(*_is(task_id))).one_or_none()
    if row is None:
        raise _unknown(task_id)
    return Submission(*row)


def count(database: Database, accepted: Acceptance | None = None) -> int:
    """Return how many there are, or how many of one acceptance."""
    wanted = [] if accepted is None else [_rows.c.accepted == accepted]
    with database.reading() as connection:
        return int(
            connection.execute(select(func.count()).select_from(_rows).where(*wanted)).scalar_one()
        )


def _is(task_id: str) -> tuple[Any, Any]:
    task, _, number = task_id.rpartition("/")
    # Only as it was given: no zeros before it, no digits of other scripts, none too long to store.
    if not task or len(number) > 9 or not number.isdecimal() or str(int(number)) != number:
        raise _unknown(task_id)
    return _rows.c.task == task, _rows.c.number == int(number)


def _unknown(task_id: str) -> UnknownId:
    return UnknownId(f"no task with the id {shown(task_id)} was ever submitted here")
