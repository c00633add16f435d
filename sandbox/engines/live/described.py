"""What a live run says of itself before it starts: versions, machine, commands, notes."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sandbox.engines.live import beats
from sandbox.engines.live import worker as workers
from sandbox.faults import chances
from sandbox.scenario import Scenario

_PACKAGES = ("celery", "kombu", "redis", "fakeredis", "simpy")


def described(scenario: Scenario) -> dict[str, Any]:
    """Return the ``info`` of a live run of ``scenario`` on this machine.

    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> described(one)["engine"], len(described(one)["commands"])
    ('live', 1)
    """
    return {
        "engine": "live",
        "versions": {name: version(name) for name in _PACKAGES},
        "machine": {"cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commands": [
            workers.command(pool, name, scenario.app or scenario.name)
            for pool in scenario.workers
            for name in pool.worker_names
        ]
        + beats.commands(scenario),
        "notes": _notes(scenario),
    }


def _notes(scenario: Scenario) -> list[str]:
    threads = {pool.pool for pool in scenario.workers} - {"prefork"}
    notes = chances(scenario.faults, scenario.seed)
    notes += [f"a {pool} pool ignores time limits and cannot lose a child" for pool in threads]
    if sys.platform != "linux" and any(host.cores for host in scenario.hosts):
        notes.append("the cores of a host limit nothing on this platform")
    return notes
