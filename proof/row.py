"""A row of the grid: one scenario, the semantics it shows, and what Celery fixes in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from proof.build import scenario
from sandbox.scenario import Scenario

CROWDED = "the end of a task on free cores, a known difference"
"""Why the times of no-ops on one process say nothing."""

NOTICE = "when an ended child is noticed"
EXIT = "how long an exit takes, in steps of half a second"
CROWD = "other load on the cores"
DEADLINE = "its end is the deadline"


@dataclass(frozen=True)
class Row:
    """``fixed`` names the facts that must be equal; ``shows`` names semantics.

    ``race``: why its times say nothing, in a few words, or None when they are compared.
    ``on_redis``: False for what a race decides on real workers, so that only the model's own
    facts are held. ``slow``: up to 15 s live instead of 5.
    """

    name: str
    scenario: Scenario
    shows: tuple[str, ...]
    fixed: tuple[str, ...]
    race: str | None = None
    on_redis: bool = True
    slow: bool = False

    @property
    def on_fake(self) -> bool:
        """Whether the fake broker can do it: it keeps nothing when it is stopped."""
        return self.on_redis and self.scenario.broker.persistence == "none"


def row(
    name: str,
    shows: tuple[str, ...],
    *fixed: str,
    race: str | None = None,
    on_redis: bool = True,
    slow: bool = False,
    **fields: Any,
) -> Row:
    """Return a row; without ``fixed`` what is fixed are the fates, and with it those as well."""
    names = fixed if "fates_by_type" in fixed else ("fates", *fixed)
    slug = "-".join(re.findall(r"[\w.]+", name))
    return Row(name, scenario(name=slug, **fields), shows, names, race, on_redis, slow)
