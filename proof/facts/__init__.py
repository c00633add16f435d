"""Facts: what Celery fixes in a run, as plain JSON; each is a function of a run, by its name."""

from __future__ import annotations

from proof.facts import lives, services, tasks
from proof.facts.registry import FACTS, Fact, Facts, differences, facts_of

__all__ = ["FACTS", "Fact", "Facts", "differences", "facts_of", "lives", "services", "tasks"]
