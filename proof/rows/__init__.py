"""The rows of the grid by subject; a new row is one entry in one of these files."""

from __future__ import annotations

from proof.row import Row
from proof.rows import (
    broker,
    credit,
    faults,
    holding,
    hosts,
    limits,
    loads,
    paired,
    retries,
    services,
    settling,
    stopping,
)

ALL: tuple[Row, ...] = (
    *credit.ROWS,
    *retries.ROWS,
    *limits.ROWS,
    *loads.ROWS,
    *faults.ROWS,
    *paired.ROWS,
    *settling.ROWS,
    *holding.ROWS,
    *stopping.ROWS,
    *broker.ROWS,
    *services.ROWS,
    *hosts.ROWS,
)
ROWS: dict[str, Row] = {one.name: one for one in ALL}
