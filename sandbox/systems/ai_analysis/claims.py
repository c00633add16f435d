"""The AI analysis' claims: every one that its document makes, with what shows it."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.systems.ai_analysis import claims_door, claims_limits, claims_workers


def claims() -> tuple[Claim, ...]:
    """Return them all: the front door, limits and retries, workers and deployment.

    >>> len({claim.name for claim in claims()}) == len(claims())
    True
    """
    return (*claims_door.claims(), *claims_limits.claims(), *claims_workers.claims())
