"""Laws of the database: a transaction is whole, writers wait, and each wait is counted."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection as End
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select, update

from sandbox.patterns import database as module
from sandbox.patterns.database import Database, DatabaseError
from tests.patterns.forked import exit_code, forked

N_WRITERS, N_EACH = 8, 10
OWN = MetaData()
TILL = Table("till", OWN, Column("coins", Integer, nullable=False))
DEADLINE_S = 30.0


def coins(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(TILL.c.coins)).scalar_one())


def add(database: Database) -> None:
    """Read, then write what was read and one more: two at once would lose one."""
    with database.transaction() as connection:
        n = connection.execute(select(TILL.c.coins)).scalar_one()
        connection.execute(update(TILL).values(coins=n + 1))


@pytest.fixture
def till(database: Database) -> Database:
    database.create(OWN)
    with database.transaction() as connection:
        connection.execute(TILL.insert().values(coins=0))
    return database


def telling_of_waits(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    """Have every first look that finds the lock taken call ``told``."""
    begun = module._begun

    def looked(connection: Any, timeout_ms: int) -> bool:
        found = begun(connection, timeout_ms)
        if timeout_ms == 0 and not found:
            told()
        return found

    monkeypatch.setattr(module, "_begun", looked)


def write(database: Database, pipe: End) -> None:
    assert pipe.recv() == "go"
    with pytest.MonkeyPatch.context() as patch:
        telling_of_waits(patch, lambda: pipe.send("waits"))
        for _ in range(N_EACH):
            add(database)


def test_eight_writers_lose_nothing_and_their_waits_are_counted(till: Database) -> None:
    """Eight processes wait for one that has the lock; then each of them writes all it has."""
    pairs = [Pipe() for _ in range(N_WRITERS)]
    writers = [forked(partial(write, till, theirs)) for _, theirs in pairs]
    with till.transaction():
        for mine, _ in pairs:
            mine.send("go")
        for mine, _ in pairs:
            assert mine.poll(DEADLINE_S)
            assert mine.recv() == "waits"
    assert [exit_code(one) for one in writers] == [0] * N_WRITERS
    assert coins(till) == N_WRITERS * N_EACH
    waits = till.lock_waits()
    assert waits is not None
    assert waits.count >= N_WRITERS
    assert waits.total_s >= waits.longest_s > 0


def test_a_wait_whose_transaction_fails_is_counted_with_the_next(
    till: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was waited for is forgotten."""
    found_it_taken = Event()
    telling_of_waits(monkeypatch, found_it_taken.set)

    def fail() -> None:
        with pytest.raises(ZeroDivisionError), till.transaction():
            1 / 0  # noqa: B018

    other = Thread(target=fail)
    with till.transaction():
        other.start()
        assert found_it_taken.wait(DEADLINE_S)
    other.join()
    waits = till.lock_waits()
    assert waits is not None
    assert waits.count == 0
    add(till)
    waits = till.lock_waits()
    assert waits is not None
    assert waits.count == 1


def test_a_transaction_that_raises_leaves_nothing(till: Database) -> None:
    with suppress(ZeroDivisionError), till.transaction() as connection:
        connection.execute(update(TILL).values(coins=7))
        1 / 0  # noqa: B018
    assert coins(till) == 0


def test_a_reader_waits_for_no_writer(till: Database) -> None:
    """It sees what was there before."""
    with till.transaction() as connection:
        connection.execute(update(TILL).values(coins=7))
        assert coins(till) == 0
    assert coins(till) == 7


def test_a_lock_that_nobody_lets_go_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    impatient = Database(tmp_path / "other.db", busy_timeout_s=0.01)
    with (
        impatient.transaction(),
        pytest.raises(DatabaseError, match=r"locked by another writer for 0\.01 s"),
        impatient.transaction(),
    ):
        pass
    impatient.close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql://u:secret@h/db", "a 'mysql' URL; allowed: sqlite or postgresql"),
        ("sqlite://", "only in memory"),
        ("sqlite:///:memory:", "only in memory"),
        ("://", "which is no URL"),
    ],
)
def test_other_databases_are_refused(address: str, why: str) -> None:
    """No password is shown."""
    with pytest.raises(DatabaseError, match=why) as caught:
        Database(address)
    assert "secret" not in str(caught.value)
