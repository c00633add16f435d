"""The verbs about the way to the broker: late answers, a link that is cut, a broker that waits."""

from __future__ import annotations

from typing import Any

from sandbox.engines.live.controls import LiveControls
from sandbox.engines.live.links import PROXY, Links
from sandbox.engines.live.skew import put_forward
from sandbox.errors import EngineError
from sandbox.faults import At, OnEvent

_HEARD_S = 0.5


class NetworkControls(LiveControls):
    """Controls of a live session whose links can be broken."""

    links: Links

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._cut_off: set[str] = set()
        self._half_open: set[str] = set()

    def latency(
        self, delay_s: float, worker: str | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each answer of the broker come ``delay_s`` later, on one link or on all."""
        arguments = _named(worker) | {"delay_s": delay_s}
        if not self._postponed("latency", arguments, when):
            self._log("latency", **arguments)
            self._operate("toxic", who=PROXY, link=worker, kind="latency", value=delay_s)

    def bandwidth(
        self,
        bytes_per_s: float | None,
        worker: str | None = None,
        *,
        when: At | OnEvent | None = None,
    ) -> None:
        """Let so many bytes a second through each way of a connection; None lifts it."""
        arguments = _named(worker) | {"bytes_per_s": bytes_per_s}
        if not self._postponed("bandwidth", arguments, when):
            self._log("bandwidth", **arguments)
            rate = bytes_per_s or 0.0
            self._operate("toxic", who=PROXY, link=worker, kind="bandwidth", value=rate)

    def cut_off(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Close a worker's connections to the broker and refuse it new ones."""
        if self._postponed("cut_off", {"worker": worker}, when):
            return
        self._reachable("cut_off")
        if worker in self._cut_off:
            raise EngineError(f"cut_off: {worker} is cut off already")
        self._able("cut_off", worker)
        self._cut_off.add(worker)
        self._log("cut_off", worker=worker)
        self._operate("disable", who=PROXY, link=worker)

    def half_open(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker's connections carry nothing more; nobody closes them, and new ones work."""
        if not self._postponed("half_open", {"worker": worker}, when):
            self._reachable("half_open")
            self._able("half_open", worker)
            self._half_open.add(worker)
            self._log("half_open", worker=worker)
            self._operate("timeout", who=PROXY, link=worker)

    def skew(self, worker: str, offset_s: float, *, when: At | OnEvent | None = None) -> None:
        """Put the clock by which a worker ages and sweeps messages forward; 0 sets it right."""
        arguments: dict[str, Any] = {"worker": worker, "offset_s": offset_s}
        if not self._postponed("skew", arguments, when):
            self._log("skew", **arguments)
            put_forward(self._record.folder, worker, offset_s)

    def mend_link(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker that is cut off connect again, when it next tries."""
        if self._postponed("mend_link", {"worker": worker}, when):
            return
        if worker not in self._cut_off:
            raise EngineError(f"mend_link: {worker} is not cut off")
        self._cut_off.remove(worker)
        self._log("mend_link", worker=worker)
        self._operate("enable", who=PROXY, link=worker)

    def pause_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP the broker: it answers nothing, and nobody notices."""
        if not self._postponed("pause_broker", {}, when):
            self._reachable("pause_broker")
            self._none_closing("pause_broker")
            self._log("pause_broker")
            self.outage.pause()

    def resume_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT the broker."""
        if self._postponed("resume_broker", {}, when):
            return
        if not self.outage.is_paused:
            raise EngineError("resume_broker: the broker is not paused")
        self._log("resume_broker")
        self.outage.resume()

    def gate(self, order: str) -> None:
        """Have the proxy refuse new connections, or accept them again."""
        if self.links.is_proxied:
            self._operate(order, who=PROXY)

    def start_worker(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Start a worker that is down, and wait until it is ready."""
        if when is None and worker in self._cut_off:
            raise EngineError(f"start_worker: {worker} is cut off; mend its link first")
        if when is None:
            self._hear_of_its_end(worker)
        if when is None and worker in self._processes.exited:
            self._half_open.discard(worker)
        super().start_worker(worker, when=when)

    def _hear_of_its_end(self, worker: str) -> None:
        """Wait a little for the supervisor's word: who acts on ``worker_exited`` can be ahead."""
        self._record.wait_until(lambda: worker in self._processes.exited, _HEARD_S)

    def _able(self, verb: str, worker: str, *, closing: bool = False) -> None:
        super()._able(verb, worker, closing=closing)
        if worker in self._cut_off:
            raise EngineError(f"{verb}: {worker} has no connection to the broker")
        if worker in self._half_open:
            raise EngineError(f"{verb}: {worker} is half open; kill it first")

    def _none_closing(self, verb: str) -> None:
        super()._none_closing(verb)
        for worker in sorted(self._half_open - self._processes.exited.keys()):
            raise EngineError(f"{verb}: {worker} is half open; kill it first")

    @property
    def _deaf(self) -> set[str]:
        return super()._deaf | self._cut_off | self._half_open


def _named(worker: str | None) -> dict[str, Any]:
    return {} if worker is None else {"worker": worker}
