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

SUBJECTS: dict[str, tuple[Row, ...]] = {
    (subject.__doc__ or "").strip(".\n"): subject.ROWS
    for subject in (
        credit, retries, limits, loads, faults, paired, settling, holding, stopping, broker,
        services, hosts,
    )
}  # fmt: skip
"""Each file's rows under the first line of its docstring."""

ALL: tuple[Row, ...] = tuple(row for rows in SUBJECTS.values() for row in rows)
ROWS: dict[str, Row] = {one.name: one for one in ALL}
