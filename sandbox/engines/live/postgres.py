"""A ledger in PostgreSQL: each effect is a transaction of its own, under a unique constraint.

Only for who asks for it by a URL; psycopg is an optional extra. The SQL is plain.
"""

from __future__ import annotations

import os
import time
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import EngineError, one_line, shown
from sandbox.ledger import Effect

SCHEMES = ("postgresql", "postgres")
_TABLES = (
    "CREATE TABLE IF NOT EXISTS sandbox_effects (number BIGSERIAL PRIMARY KEY, run TEXT NOT NULL, "
    "task TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, worker TEXT NOT NULL, pid INTEGER NOT NULL, "
    "tag TEXT NOT NULL, retry INTEGER NOT NULL, effective INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS sandbox_one_effective ON sandbox_effects (run, task) "
    "WHERE effective = 1",
)
_WRITE = (
    "INSERT INTO sandbox_effects (run, task, at, worker, pid, tag, retry, effective) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_READ = (
    "SELECT task, at, worker, pid, tag, retry, effective FROM sandbox_effects "
    "WHERE run = %s ORDER BY at, number"
)
_CONNECT_S = 5


class PostgresBook:
    """One connection a process, opened at its first effect; a row is there when it is committed."""

    def __init__(self, url: str, run: str, worker: str) -> None:
        self._url, self._run, self._worker = url, run, worker
        self._pid = 0
        self._base: Any = None

    def write(self, task: str, tag: str, retry: int) -> None:
        """Apply one effect, now; the first of its task is the effective one."""
        pid = os.getpid()
        if self._pid != pid:
            self._pid, self._base = pid, _connect(self._url)
        row = (self._run, task, time.monotonic(), self._worker, pid, tag, retry)
        with self._base.transaction(), self._base.cursor() as cursor:
            cursor.execute(_WRITE, (*row, 1))
            if not cursor.rowcount:
                cursor.execute(_WRITE, (*row, 0))


def prepare(url: str) -> None:
    """Make the tables; EngineError for what is no URL of a PostgreSQL that can be reached."""
    if urlsplit(url).scheme not in SCHEMES:
        scheme = url.partition(":")[0]
        raise EngineError(f"ledger is a {shown(scheme)} URL; allowed: postgresql://… or nothing")
    with _reached(url) as base:
        for table in _TABLES:
            base.execute(table)


def read(url: str, run: str) -> list[Effect]:
    """Return the effects of a run in the order of their times, which are monotonic ones."""
    with _reached(url) as base:
        rows = base.execute(_READ, (run,)).fetchall()
    return [Effect(*row)._replace(effective=bool(row[-1])) for row in rows]


def _reached(url: str) -> Any:
    psycopg = _library()
    try:
        return _connect(url)
    except psycopg.Error as exc:
        raise EngineError(
            f"the ledger's database cannot be reached: {one_line(str(exc))}"
        ) from None


def _connect(url: str) -> Any:
    return _library().connect(url, autocommit=True, connect_timeout=_CONNECT_S)


def _library() -> ModuleType:
    try:
        return import_module("psycopg")
    except ImportError:
        raise EngineError(
            "a ledger in PostgreSQL needs psycopg: pip install 'celery-sandbox-lab[postgres]'"
        ) from None
