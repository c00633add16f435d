"""What LeadLawk's tasks do: leads that are scraped and stored, sites that are rated.

The document leaves the bodies out. A page here is made of the job's number, so that the same job
finds the same leads each time; what is written to the database is real.
"""

from __future__ import annotations

import hashlib
import resource
import time
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from sandbox.patterns.database import Database, metadata
from sandbox.patterns.idempotency import once

_ON_A_PAGE = 3
_DAY_S = 86_400.0

leads = Table(
    "leadlawk_leads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String, nullable=False, index=True),
    Column("page", Integer, nullable=False),
    Column("company", String, nullable=False),
    Column("website", String, nullable=False),
)
scores = Table(
    "leadlawk_scores",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("at", Float, nullable=False),
)


@cache
def database(url: str) -> Database:
    """Return this process's database at ``url``, its tables made when first asked."""
    return Database(url)


def page(job: str, number: int) -> list[dict[str, Any]]:
    """Return the leads on page ``number`` (0 = the first) of a job: always the same ones.

    >>> page("browser/7", 0) == page("browser/7", 0), len(page("browser/7", 0))
    (True, 3)
    """
    found = []
    for place in range(_ON_A_PAGE):
        mark = hashlib.sha256(f"{job}/{number}/{place}".encode()).hexdigest()[:8]
        found.append({"company": f"Law firm {mark}", "website": f"https://{mark}.example"})
    return found


def store_page(url: str, job: str, number: int) -> int:
    """Store the leads of a page, as the document does: again, where the page is read again."""
    with database(url).transaction() as connection:
        return _store(connection, job, number)


def store_page_once(url: str, job: str, number: int) -> bool:
    """Store the leads of a page unless an execution before this one has; return whether it did."""
    key = f"{job}/{number}"
    return once(database(url), key, lambda connection: _store(connection, job, number)).first


def _store(connection: Connection, job: str, number: int) -> int:
    rows = [lead | {"job": job, "page": number} for lead in page(job, number)]
    connection.execute(insert(leads), rows)
    return len(rows)


def store_score(url: str, job: str) -> float:
    """Store and return the speed of a job's site, from 0 to 100."""
    score = int(hashlib.sha256(job.encode()).hexdigest()[:4], 16) % 1000 / 10
    with database(url).transaction() as connection:
        connection.execute(insert(scores), {"job": job, "score": score, "at": time.time()})
    return score


def totals(url: str) -> dict[str, int]:
    """Return how many leads are stored, and of how many websites: fewer where some are twice."""
    count, websites = func.count(), func.count(func.distinct(leads.c.website))
    with database(url).reading() as connection:
        stored, different = connection.execute(select(count, websites).select_from(leads)).one()
    return {"leads": stored, "websites": different}


def recent(url: str, limit: int) -> list[dict[str, Any]]:
    """Return the leads that were stored last."""
    columns = (leads.c.id, leads.c.job, leads.c.company, leads.c.website)
    newest = select(*columns).order_by(leads.c.id.desc()).limit(limit)
    with database(url).reading() as connection:
        return [dict(row) for row in connection.execute(newest).mappings()]


def remove_old(url: str) -> int:
    """Delete the scores that are older than a day, and return how many."""
    with database(url).transaction() as connection:
        return connection.execute(delete(scores).where(scores.c.at < time.time() - _DAY_S)).rowcount


def answers(url: str) -> bool:
    """Return whether the database answers."""
    with database(url).reading() as connection:
        return bool(connection.execute(select(1)).scalar() == 1)


def memory_mb() -> float:
    """Return the most memory that this process has had (MB; Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
