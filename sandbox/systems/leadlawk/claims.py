"""Every claim of LeadLawk's document, from its top to its bottom."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.systems.leadlawk import (
    claims_benchmarks,
    claims_broker,
    claims_operations,
    claims_tasks,
)


def claims() -> tuple[Claim, ...]:
    """Return what the document says, each with its evidence."""
    parts = (claims_tasks, claims_broker, claims_operations, claims_benchmarks)
    return tuple(claim for part in parts for claim in part.claims())
