"""Wrong models by theme; importing a theme registers its wrong models."""

from __future__ import annotations

from tests.mutants import (
    connections,
    credit,
    ends,
    holding,
    limits,
    loads,
    queues,
    retries,
    services,
    settling,
    stopping,
    timeouts,
)
from tests.mutants.registry import MUTANTS

__all__ = [
    "MUTANTS", "connections", "credit", "ends", "holding", "limits", "loads", "queues", "retries",
    "services", "settling", "stopping", "timeouts",
]  # fmt: skip
