"""The outage: a broker of the sandbox's own is killed, and started again at the same address."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from sandbox.engines.live.broker import BrokerChoice, RunningBroker, launch
from sandbox.engines.live.processes import Processes
from sandbox.errors import EngineError

_GONE_S = 5.0
_TRIES = 3


class Outage:
    """Whether the broker is down or stands still, and how it comes to be so.

    ``keeps``: it loses no message. ``gate`` tells the proxy to refuse or accept connections.
    """

    def __init__(
        self, choice: BrokerChoice, broker: RunningBroker, processes: Processes, persistence: str
    ) -> None:
        self.choice, self._broker, self._processes = choice, broker, processes
        self._persistence = persistence
        self.keeps = persistence == "aof"
        self.is_down = self.is_paused = self.is_full = False
        self.gate: Callable[[str], None] = lambda _order: None

    def pause(self) -> None:
        """SIGSTOP the broker."""
        self.is_paused = True
        self._processes.order("signal", name="broker", signum=int(signal.SIGSTOP))

    def resume(self) -> None:
        """SIGCONT the broker."""
        self.is_paused = False
        self._processes.order("signal", name="broker", signum=int(signal.SIGCONT))

    def begin(self) -> None:
        """SIGKILL the broker and wait until it is gone; who connects meanwhile is refused."""
        self.is_down = True
        self.gate("refuse")
        self._processes.order("signal", name="broker", signum=int(signal.SIGKILL))
        deadline = time.monotonic() + _GONE_S
        while "broker" not in self._processes.exited:
            if time.monotonic() > deadline:
                raise EngineError("stop_broker: the broker did not end")
            time.sleep(0.005)

    def end(self) -> None:
        """Start it again; EngineError when somebody else has taken its port meanwhile."""
        for last in range(_TRIES):
            try:
                launch(self.choice, self._broker.url, self._processes, self._persistence)
            except EngineError as exc:
                if last == _TRIES - 1:
                    raise EngineError(f"start_broker: {exc}") from None
            else:
                self.is_down = False
                self.gate("accept")
                return
