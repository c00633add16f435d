"""An app with a beat_schedule of its own, and with a task that is started so often only."""

from __future__ import annotations

from typing import Any

from celery import Celery, Task

from sandbox.engines.live.app import work
from sandbox.patterns import lists
from sandbox.patterns.lost_worker import BoundedStarts

EVERY_S = 0.5
RUNS = "doomed-runs"

app = Celery("own_app", set_as_current=False)
app.conf.beat_schedule = {
    "each half second": {"task": "tick", "schedule": EVERY_S, "args": ("beat",)},
    "fresh or never": {"task": "fresh", "schedule": EVERY_S, "options": {"expires": EVERY_S}},
}


@app.task(bind=True, name="tick", shared=False)
def tick(self: Task, by: str = "hand") -> str:
    """Work, and say who has called."""
    work(self)
    return by


@app.task(bind=True, name="fresh", shared=False)
def fresh(self: Task) -> dict[str, Any]:
    """Work that is worth nothing when it comes late."""
    return work(self)


@app.task(bind=True, name="doomed", base=BoundedStarts, max_starts=2, shared=False)
def doomed(self: Task) -> dict[str, Any]:
    """Work, after noting that the body has begun."""
    lists.shared_client(self.app).incr(RUNS)
    return work(self)
