"""Laws of what happens once: the key and the effect are there together or not at all."""

from __future__ import annotations

import os
from multiprocessing import Pipe
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select

from sandbox.patterns.database import Database
from sandbox.patterns.idempotency import once
from tests.patterns.forked import exit_code, forked

OWN = MetaData()
PAID = Table("paid", OWN, Column("id", Integer, primary_key=True), Column("by", Integer))
N_PROCESSES = 5


def pay(connection: Connection) -> int:
    connection.execute(insert(PAID).values(by=os.getpid()))
    return os.getpid()


def crash(connection: Connection) -> int:
    pay(connection)
    os._exit(7)


def payments(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(PAID)).scalar_one())


def race(database: Database) -> None:
    """Law: of many processes with one key, one has the effect and all have its result."""
    mine, theirs = Pipe(duplex=False)

    def try_it() -> None:
        found = once(database, "invoice/1", pay)
        theirs.send((found.first, found.result))

    children = [forked(try_it) for _ in range(N_PROCESSES)]
    assert [exit_code(one) for one in children] == [0] * N_PROCESSES
    found = [mine.recv() for _ in children]
    assert sum(first for first, _ in found) == 1
    assert len({result for _, result in found}) == 1
    assert payments(database) == 1


def crashes(database: Database) -> None:
    """Law: a process that dies between the effect and its end leaves neither."""
    assert exit_code(forked(lambda: once(database, "invoice/2", crash))) == 7
    before = payments(database)
    assert once(database, "invoice/2", pay).first
    assert payments(database) == before + 1


@pytest.fixture
def paying(database: Database) -> Database:
    database.create(OWN)
    return database


def test_many_processes_have_one_effect(paying: Database) -> None:
    race(paying)


def test_a_crash_in_between_leaves_neither_key_nor_effect(paying: Database) -> None:
    crashes(paying)


def test_an_effect_that_raises_may_be_tried_again(paying: Database, tmp_path: Path) -> None:
    """The key is not spent on a failure."""

    def fail(connection: Connection) -> None:
        pay(connection)
        raise OSError("no paper")

    with pytest.raises(OSError, match="no paper"):
        once(paying, "k", fail)
    assert payments(paying) == 0
    assert once(paying, "k", pay).first
    assert not once(paying, "k", pay).first
    assert payments(paying) == 1
