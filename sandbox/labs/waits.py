"""Waits: which tasks began while somebody was still waiting for them, and who heard of it."""

from __future__ import annotations

from sandbox.audit import audit
from sandbox.run import Run


def began(run: Run, within_s: float) -> tuple[int, int]:
    """Return how many tasks began within ``within_s`` of being sent, and how many later.

    >>> from sandbox.run import Event
    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> sent = Event(0.0, "sent", "hi/0"), Event(0.0, "delivered", "hi/0", "w", tag="a")
    >>> began(Run(one, (*sent, Event(3.0, "started", "hi/0", "w", 0, tag="a"))), 2.5)
    (0, 1)
    """
    late = [one.late_s for one in audit(run, late_s=within_s).tasks.values() if one.n_started]
    return late.count(None), len(late) - late.count(None)


def in_time(run: Run, within_s: float) -> int:
    """Return how many tasks began within ``within_s`` of being sent."""
    return began(run, within_s)[0]


def n_raised(run: Run) -> int:
    """Return how many calls of ``apply_async`` raised: nobody knows whether the broker has them."""
    return len(run.of_kind("publish_unknown"))
