"""What the students' document claims: every claim, stated best practice and optimisation."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.systems.students import (
    claims_limits,
    claims_loss,
    claims_queues,
    claims_speed,
    endpoints,
    probes,
)

_TROUBLE = "Troubleshooting"


def claims() -> tuple[Claim, ...]:
    """Return them all, those that nobody can test last."""
    return (
        *claims_speed.claims(),
        *claims_limits.claims(),
        *claims_queues.claims(),
        *claims_loss.claims(),
        *endpoints.claims(),
        *probes.claims(),
        *_not_testable(),
    )


def _not_testable() -> tuple[Claim, ...]:
    told = (
        (
            "you'll receive download link soon",
            "Usage Examples 5, Export Students to CSV",
            "The document shows nothing that would send a link, or give the file; the front door "
            "here does.",
        ),
        ("better user experience", "What's New", "An opinion; no number is promised."),
        (
            "server resources: all used -> distributed",
            "Performance Impact",
            "The document names no machines; on one machine the same work takes the same.",
        ),
        (
            "return useful data: results that can be displayed to users",
            "Best Practices 4",
            "An opinion on what is useful.",
        ),
        (
            "task timeout: optimize the task code",
            f"{_TROUBLE}, Task Timeout",
            "The document shows no body that could be made quicker.",
        ),
        (
            "lost tasks: monitor Redis memory usage",
            f"{_TROUBLE}, Lost Tasks",
            "Advice without a number; `sandbox ops students` shows the memory beside the lists.",
        ),
    )
    return tuple(
        Claim(text, source, name=f"untold-{n}", verdict="not testable here", why=why)
        for n, (text, source, why) in enumerate(told, start=1)
    )
