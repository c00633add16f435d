"""The stage: where claims that need a living system are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from sandbox.engines.live.engine import LiveSession, start
from sandbox.errors import EngineError
from sandbox.run import Event
from sandbox.scenario import Scenario

_TICK_S = 0.05


@dataclass(frozen=True)
class Stage:
    """Starts scenarios on real workers for a probe. ``broker``: its choice; ``runs``: for records.

    >>> Stage("fake", Path("runs")).broker
    'fake'
    """

    broker: str
    runs: Path

    def start(self, scenario: Scenario) -> LiveSession:
        """Start a scenario on real workers; use it with ``with``."""
        return start(scenario, broker=self.broker, runs=self.runs)

    @staticmethod
    def redis(session: LiveSession) -> redis.Redis:
        """Return a connection to a session's broker, past the proxy."""
        return redis.Redis.from_url(session.broker.url, socket_timeout=5)

    @staticmethod
    def wait(
        session: LiveSession, until: Callable[[Sequence[Event]], bool], timeout_s: float = 15.0
    ) -> None:
        """Wait until the events so far fulfil a condition; EngineError when that does not come."""
        deadline = session.now_s + timeout_s
        while not until(session.events_since(0)):
            if session.wait(timeout_s=_TICK_S) != "timeout" or session.now_s > deadline:
                if until(session.events_since(0)):
                    return
                raise EngineError(f"{session.scenario.name}: what is waited for did not come")

    @staticmethod
    def pids(session: LiveSession) -> dict[str, int]:
        """Return the main process of each part that runs now: worker1, broker, client and so on."""
        found: dict[str, int] = session._processes.order("pids")  # noqa: SLF001 - the same project
        return found
