"""The dashboard's claims, in the order of its document; each with the scenario that shows it."""

from __future__ import annotations

from sandbox.claims import Claim
from sandbox.systems.dashboard.claims_of_settings import SETTINGS
from sandbox.systems.dashboard.claims_of_speed import speed
from sandbox.systems.dashboard.claims_of_tools import TOOLS
from sandbox.systems.dashboard.claims_of_workers import workers

_NOT_HERE = (
    Claim(
        text="Flower's web UI shows the task queue's status",
        source="Monitoring, Check Task Queue Status",
        name="flower",
        verdict="not testable here",
        why="Flower is an optional extra, never in the default environment; `sandbox ops` and "
        "/metrics tell what it would.",
    ),
    Claim(
        text="deploy workers in different regions for redundancy",
        source="Next Steps, 4. Multi-region",
        name="multi-region",
        verdict="not testable here",
        why="One machine and one Redis have no regions; a Redis that only one region can reach "
        "makes its workers no redundancy.",
    ),
    Claim(
        text="API servers behind Nginx are stateless",
        source="Scaling Strategy, Multi-Server",
        name="stateless",
        verdict="not testable here",
        why="There is one machine and no Nginx; what the door keeps here is in the database.",
    ),
    Claim(
        text="about 100 ms per event in PostgreSQL",
        source="Performance Impact, Database Writes",
        name="write-time",
        verdict="not testable here",
        why="It is the time of their database on their disk; here it is an assumption.",
    ),
)


def claims() -> tuple[Claim, ...]:
    """Return every claim, stated practice and optimisation of the document."""
    return (*speed(), *workers(), *SETTINGS, *TOOLS, *_NOT_HERE)
