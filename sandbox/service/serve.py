"""Serve a system: its workers and its front door, for as long as somebody wants to use them.

All processes are the sandbox's own, as in any live run: whatever ends this process ends them.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.closing import Closing
from sandbox.engines.live import fronts
from sandbox.engines.live.engine import LiveSession, start
from sandbox.errors import EngineError, ScenarioError
from sandbox.run import Run
from sandbox.scenario import Scenario

DAYS_S = 7 * 86400.0
"""How long beat's entries are planned for (s); what is served stays open longer."""


def served(scenario: Scenario, port: int = 0) -> Scenario:
    """Return a scenario as it is served: its workers, beat and door; no load, fault or visitor.

    Raises ScenarioError when it has no front door of its own.

    >>> door = {"app": "shop.front:DOOR", "requests": {"kind": "burst", "task": "hi", "n": 2}}
    >>> shop = Scenario(
    ...     name="shop", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0, front_door=door
    ... )
    >>> served(shop, 8000).front_door.requests is None
    True
    """
    door = scenario.front_door
    if door is None or door.app is None:
        raise ScenarioError(f"{scenario.name} has no front door of its own, so nothing is served")
    return scenario.but(
        front_door=door.but(requests=None, port=port),
        loads=(),
        faults=(),
        kind="terminating",
        warmup_s=0.0,
        horizon_s=DAYS_S,
        deadline_s=None,
    )


@dataclass(frozen=True)
class Served(Closing):
    """An open front door: where it is, and what opens it. Closing it ends all processes."""

    session: LiveSession
    url: str
    token: str

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request must bear."""
        return {"Authorization": f"Bearer {self.token}"}

    def curls(self) -> tuple[str, ...]:
        """Return three commands to begin with: a request, what the broker holds, the figures."""
        door = self.session.scenario.front_door
        assert door is not None
        method, path, body = fronts.own_door(str(door.app)).ask(0)
        return (
            self._curl(path, method, body),
            self._curl("/health"),
            self._curl("/metrics"),
        )

    def _curl(self, path: str, method: str = "GET", body: Any = None) -> str:
        parts = ["curl", "-sS", "-H", f"Authorization: Bearer {self.token}"]
        if method != "GET":
            parts += ["-X", method]
        if body is not None:
            parts += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return shlex.join([*parts, self.url + path])

    def close(self) -> Run:
        """End it and return the Run."""
        return self.session.close()


def serve(  # noqa: PLR0913 - all but the scenario have defaults
    scenario: Scenario,
    *,
    broker: str = "auto",
    runs: str | Path = "runs",
    ledger: str = "",
    port: int = 0,
    workers: bool = True,
) -> Served:
    """Start a system's workers and its front door, and return it open.

    ``port``: that of loopback; 0 for any free one. Without ``workers`` they are ended as soon as
    all is up: what is submitted waits. Raises ScenarioError for a system without a front door,
    EngineError for a port that is taken and when something does not come up.
    """
    described = served(scenario, port)
    if port:
        _check_free(port)
    session = start(described, broker=broker, runs=runs, ledger=ledger)
    try:
        if not workers:
            for name in described.worker_names:
                session.controls.kill_worker(name)
        at, token = session.door
    except BaseException:
        session.close()
        raise
    return Served(session, f"http://127.0.0.1:{at}", token)


def _check_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as exc:
        raise EngineError(f"port {port} cannot be had: {exc.strerror}") from None
