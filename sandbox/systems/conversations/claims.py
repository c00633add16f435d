"""What the platform's document claims, from its top to its bottom, and what is found."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.systems.conversations import of_order, of_reliability, of_settings, of_sight, of_speed


def claims() -> tuple[Claim, ...]:
    """Return every claim, in the order of what they are about."""
    return (
        *of_speed.claims(),
        *of_order.claims(),
        *of_reliability.claims(),
        *of_sight.claims(),
        *of_settings.claims(),
    )
