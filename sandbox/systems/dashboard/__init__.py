"""The live-validation dashboard: events of mobile apps, stored in the request or by workers."""

from __future__ import annotations

from typing import Any

from sandbox.draws import LogNormal
from sandbox.scenario import Scenario
from sandbox.systems import System

_PROCESS = "app.tasks.process_event_async"
_COMMANDS = [
    "celery -A app.tasks worker -l info -c 4 -Q default,emails -n events@%h",
    "celery -A app.tasks worker -l info -c 2 -Q batch_processing -n batch@%h",
]


def _scenario(mode: str) -> Scenario:
    """Return 500 requests a minute for 12 s; the document has 4 web workers before and after."""
    from sandbox.systems._deriving import derived

    door: dict[str, Any] = {
        "requests": {"kind": "poisson", "task": _PROCESS, "rate_per_s": 500 / 60},
        "mode": mode,
        "n_web_workers": 4,
        "poll_every_s": 1.0,
        "app": "sandbox.systems.dashboard.front:DOOR",
    }
    return derived(
        "sandbox.systems.dashboard.app:mended", "dashboard", _COMMANDS,
        tasks={_PROCESS: {"service": LogNormal(mean_s=0.1, cv=0.3)}},
        horizon_s=12.0, deadline_s=60.0, seed=5, front_door=door,
    )  # fmt: skip


SYSTEM = System(
    name="dashboard",
    question="Is the API ten times as fast, and is the work done any sooner?",
    document="Async Event Processing with Celery & Redis",
    make=lambda: {"after": _scenario("async"), "before": _scenario("sync")},
    assumptions=("Stated: 100 ms per event, 4 Flask workers, 500 requests a minute.",),
)
