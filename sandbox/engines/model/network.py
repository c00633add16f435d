"""The verbs about the way to the broker: late answers, a link that is cut, a broker that waits.

Compare trips.py, outage.py and standstill.py.
"""

from __future__ import annotations

from typing import Any

from sandbox.engines.model.client import Client
from sandbox.engines.model.controls import ModelControls
from sandbox.engines.model.standstill import HalfOpen, Standstill
from sandbox.engines.model.world import World
from sandbox.errors import EngineError, ScenarioError
from sandbox.faults import At, OnEvent

_NO_SIZES = "the model knows no message's size; allowed: real workers"


class NetworkControls(ModelControls):
    """Controls of the model whose links can be broken."""

    def __init__(self, world: World, client: Client) -> None:
        for i, fault in enumerate(world.scenario.faults):
            if fault.inner.kind == "bandwidth":
                raise ScenarioError(f"{fault.where(i)}.kind is 'bandwidth', but {_NO_SIZES}")
        super().__init__(world, client)

    def refusal(self, verb: str) -> str | None:
        """Return why the model has no such verb: the end of a sentence, or None."""
        return _NO_SIZES if verb == "bandwidth" else super().refusal(verb)

    def bandwidth(
        self,
        bytes_per_s: float | None,
        worker: str | None = None,
        *,
        when: At | OnEvent | None = None,
    ) -> None:
        """Refuse it: ScenarioError."""
        raise ScenarioError(f"bandwidth: {_NO_SIZES}")

    def latency(
        self, delay_s: float, worker: str | None = None, *, when: At | OnEvent | None = None
    ) -> None:
        """Have each answer of the broker come ``delay_s`` later, on one link or on all."""
        named: dict[str, Any] = {} if worker is None else {"worker": worker}
        self._order("latency", when, **named, delay_s=delay_s)

    def cut_off(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Close a worker's connections to the broker and refuse it new ones."""
        self._order("cut_off", when, worker=worker)

    def mend_link(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker that is cut off connect again, when it next tries."""
        self._order("mend_link", when, worker=worker)

    def pause_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGSTOP the broker: it answers nothing, and nobody notices."""
        self._order("pause_broker", when)

    def resume_broker(self, *, when: At | OnEvent | None = None) -> None:
        """SIGCONT the broker."""
        self._order("resume_broker", when)

    def half_open(self, worker: str, *, when: At | OnEvent | None = None) -> None:
        """Let a worker's connections carry nothing more; nobody closes them, and new ones work."""
        self._order("half_open", when, worker=worker)

    def skew(self, worker: str, offset_s: float, *, when: At | OnEvent | None = None) -> None:
        """Put the clock by which a worker ages and sweeps messages forward; 0 sets it right."""
        self._order("skew", when, worker=worker, offset_s=offset_s)

    # --- what they do ----------------------------------------------------------------

    def _do_latency(self, delay_s: float, worker: str | None = None) -> None:
        self._note("latency", worker=worker, delay_s=delay_s)
        world = self._world
        for name in world.workers if worker is None else (worker,):
            world.workers[name].trip_s = delay_s
        if worker is None:
            world.client_trip_s = delay_s
        self._slow_down()

    def _do_cut_off(self, worker: str) -> None:
        self._reachable("cut_off")
        if self._world.workers[worker].is_cut:
            raise EngineError(f"cut_off: {worker} is cut off already")
        found = self._able("cut_off", worker)
        self._note("cut_off", worker=worker)
        waits = found in self._world.broker.blocked
        self._world.broker.blocked.pop(found, None)
        found.is_cut = True
        found.reconnect(in_brpop=waits)

    def _slow_down(self) -> None:
        """Have those workers look for the broker's state who must; the others need not."""
        broker = self._world.broker
        broker.changed(is_far=self._world.client_trip_s > 0)
        for worker in self._world.workers.values():
            is_odd = broker.standstill or broker.is_full or worker.half_open or worker.skew_s
            worker.is_slow = bool(worker.trip_s or is_odd)

    def _do_pause_broker(self) -> None:
        self._none_closing("pause_broker")
        self._note("pause_broker")
        self._world.broker.standstill = Standstill()
        self._slow_down()

    def _do_resume_broker(self) -> None:
        if self._world.broker.standstill is None:
            raise EngineError("resume_broker: the broker is not paused")
        self._note("resume_broker")
        self._world.broker.go_on()
        self._slow_down()

    def _do_half_open(self, worker: str) -> None:
        self._reachable("half_open")
        found = self._able("half_open", worker)
        self._note("half_open", worker=worker)
        found.half_open = HalfOpen(found)
        self._slow_down()

    def _do_skew(self, worker: str, offset_s: float) -> None:
        self._note("skew", worker=worker, offset_s=offset_s)
        self._world.workers[worker].skew_s = offset_s
        self._world.broker.is_skewed = True
        self._slow_down()

    def _do_mend_link(self, worker: str) -> None:
        found = self._world.workers[worker]
        if not found.is_cut:
            raise EngineError(f"mend_link: {worker} is not cut off")
        self._note("mend_link", worker=worker)
        found.is_cut = False
        found.find_broker()

    def _do_start_worker(self, worker: str) -> None:
        if self._world.workers[worker].is_cut:
            raise EngineError(f"start_worker: {worker} is cut off; mend its link first")
        super()._do_start_worker(worker)
