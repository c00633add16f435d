"""The parts on PostgreSQL, by URL: the same laws, on a server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.patterns import submissions
from sandbox.patterns.database import Database, metadata
from sandbox.patterns.providers import sms
from tests.patterns import test_once
from tests.test_ledger_postgres import url  # noqa: F401 - a fixture

pytestmark = pytest.mark.live
N_WRITERS = 8


@pytest.fixture
def database(url: str) -> Iterator[Database]:  # noqa: F811 - the fixture
    found = Database(url)
    found.create(test_once.OWN)
    yield found
    for tables in (test_once.OWN, metadata):
        tables.drop_all(found.engine)
    found.close()


def test_effects_happen_once(database: Database) -> None:
    """Concurrent processes, and one that dies in between."""
    test_once.race(database)
    test_once.crashes(database)


def test_eight_writers_number_their_submissions_without_a_gap(database: Database) -> None:
    """Two that take the same number try again; SQLite's waits are not PostgreSQL's."""
    with ThreadPoolExecutor(N_WRITERS) as pool:
        ids = list(pool.map(lambda _: submissions.record(database, "t", [], {}), range(24)))
    assert sorted(ids, key=lambda one: int(one[2:])) == [f"t/{n}" for n in range(24)]
    submissions.mark(database, "t/3", "accepted")
    assert submissions.find(database, "t/3").accepted == "accepted"
    assert database.lock_waits() is None


def test_tables_may_be_made_by_several_at_once(url: str, database: Database) -> None:  # noqa: F811
    """As when all workers start together."""
    metadata.drop_all(database.engine)

    def make(_: int) -> bool:
        Database(url).close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(make, range(4)))


def test_a_provider_counts(database: Database) -> None:
    provider = sms(database)
    assert [provider.send("+491701234567", "hi", key="k") for _ in range(2)] == ["sms-1"] * 2
    assert provider.counts() == {"+491701234567": 1}
