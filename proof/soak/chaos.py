"""The faults of the soak: one after the other, each healed after a while, all drawn from a seed.

Each is a verb of the session's controls. What a session refuses at that moment (a worker that is
shutting down already) is counted, and the next one is tried.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from proof.soak.system import BACKLOG, FILLERS
from sandbox.engines.live.engine import LiveSession
from sandbox.errors import EngineError
from sandbox.run import Event

LEFT_OUT = {
    "fill_memory": "the scenario has retries, with which it has no meaning yet",
    "start_beat": "it cannot be ended again",
}
"""The verbs that no soak uses, and why."""
_LOOK_S = 0.1
_EXIT_S = 20.0
_UP_S = 60.0
_STILL_S = 45.0
_WEIGHTS = {
    "kill_child": 4, "child_oom": 1, "kill_worker": 3, "terminate_worker": 3, "quit_worker": 3,
    "pause_worker": 3, "deploy": 1, "drop_connections": 3, "pause_broker": 2, "latency": 2,
    "bandwidth": 2, "cut_off": 3, "half_open": 2, "stop_broker": 3, "flush": 0.5, "evict": 0.5,
    "plant_mutex": 1, "skew": 1, "sweep": 1, "skip": 2, "rate_limit": 1, "fail_dependency": 2,
    "slow_dependency": 1,
}  # fmt: skip


class Chaos:
    """Breaks and mends one session until it is told to stop; ``count`` says what it did."""

    def __init__(self, session: LiveSession, seed: int) -> None:
        self._session, self._do = session, session.controls
        self._draw = random.Random(seed)  # noqa: S311 - no secret
        self._seen, self._wait = 0, threading.Event()
        self.count: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.revived: Counter[str] = Counter()
        self.asked: set[str] = set()
        self.up = set(session.scenario.worker_names)
        self.backlog = self.unacked = 0
        self._moved_s = self._filled_s = 0.0

    # --- the system as it is ---------------------------------------------------------

    def look(self) -> None:
        """Take what has happened; keep the queue filled; start what has ended by itself."""
        self._session._trouble()  # noqa: SLF001 - a session that has ended is not waited for
        fresh = self._session.events_since(self._seen)
        self._seen += len(fresh)
        for event in fresh:
            self._take(event)

    def _take(self, event: Event) -> None:
        detail = event.detail or {}
        if event.kind == "worker_ready":
            self.up.add(event.worker or "")
        elif event.kind == "worker_exited":
            self.up.discard(event.worker or "")
        elif event.kind == "sample":
            self.backlog, self.unacked = sum(detail["queues"].values()), detail["unacked"]
            self._fill(event.t_s)
        elif event.kind in {"delivered", "worker_ready"} or not self.backlog:
            self._moved_s = event.t_s

    def _fill(self, t_s: float) -> None:
        """Publish what keeps the cores busy; a broker that is down gives no sample to see."""
        if t_s <= self._filled_s or t_s > self._session.scenario.horizon_s:
            return
        for _ in range(BACKLOG - self.backlog):
            self._do.submit(self._draw.choice(FILLERS))
        # What was just published is in the next sample but one at the latest.
        self._filled_s = t_s + 0.5

    def pause(self, seconds: float) -> None:
        """Let the system be for a while."""
        self.until(lambda: False, seconds)

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition; say whether it came true in time."""
        deadline = self._session.now_s + timeout_s
        while True:
            self.look()
            if condition():
                return True
            if self._session.now_s >= deadline:
                return False
            self._wait.wait(_LOOK_S)

    # --- breaking --------------------------------------------------------------------

    def run(self, until_s: float) -> None:
        """Break and mend until ``until_s`` of the run, then mend all for good."""
        while self._session.now_s < until_s:
            self.pause(self._draw.uniform(1.0, 4.0))
            verb = self._draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            worker = self._draw.choice(self._session.scenario.worker_names)
            try:
                getattr(self, f"_{verb}", self._plain(verb))(worker)
                self.count[verb] += 1
            except EngineError as exc:
                self.refused[f"{verb}: {exc}"] += 1
            self.mend()
        self.mend()

    def _plain(self, verb: str) -> Callable[[str], None]:
        """Return a fault that is one verb on one worker, which comes back."""

        def act(worker: str) -> None:
            self.asked.add(worker)
            getattr(self._do, verb)(worker)
            if verb in {"terminate_worker", "quit_worker"}:
                self.until(lambda: worker not in self.up, _EXIT_S)

        return act

    def _kill_child(self, worker: str) -> None:
        self._do.kill_child(worker)

    def _child_oom(self, _worker: str) -> None:
        self._do.child_oom(self._draw.choice(FILLERS), 0.5)

    def _pause_worker(self, worker: str) -> None:
        self._do.pause_worker(worker)
        # Now and then for longer than the visibility timeout: all that it holds runs twice.
        self.pause(self._draw.choice([2.0, 5.0, 35.0]))
        self._do.resume_worker(worker)

    def _deploy(self, _worker: str) -> None:
        self.asked |= self.up
        self._do.deploy(self._draw.choice([1.0, 5.0]))
        self.until(lambda: not self._do.pending, 4 * _EXIT_S)

    def _drop_connections(self, _worker: str) -> None:
        self._do.drop_connections()

    def _pause_broker(self, _worker: str) -> None:
        self._do.pause_broker()
        self.pause(self._draw.uniform(0.5, 6.0))
        self._do.resume_broker()

    def _latency(self, worker: str) -> None:
        where = self._draw.choice([worker, None])
        self._do.latency(self._draw.uniform(0.02, 0.3), where)
        self.pause(self._draw.uniform(2.0, 8.0))
        self._do.latency(0.0, where)

    def _bandwidth(self, worker: str) -> None:
        where = self._draw.choice([worker, None])
        self._do.bandwidth(20_000.0, where)
        self.pause(self._draw.uniform(2.0, 8.0))
        self._do.bandwidth(None, where)

    def _cut_off(self, worker: str) -> None:
        self._do.cut_off(worker)
        self.pause(self._draw.uniform(1.0, 8.0))
        self._do.mend_link(worker)

    def _half_open(self, worker: str) -> None:
        self._do.half_open(worker)
        self.pause(self._draw.uniform(1.0, 8.0))
        self.asked.add(worker)
        self._do.kill_worker(worker)

    def _stop_broker(self, _worker: str) -> None:
        self._do.stop_broker()
        self.pause(self._draw.uniform(0.2, 6.0))
        self._do.start_broker()

    def _flush(self, _worker: str) -> None:
        self._do.flush()

    def _evict(self, _worker: str) -> None:
        self._do.evict()

    def _plant_mutex(self, _worker: str) -> None:
        self._do.plant_mutex(self._draw.uniform(2.0, 10.0))

    def _skew(self, worker: str) -> None:
        self._do.skew(worker, self._draw.choice([-20.0, 60.0]))
        self.pause(self._draw.uniform(2.0, 6.0))
        self._do.skew(worker, 0.0)

    def _sweep(self, _worker: str) -> None:
        self._do.sweep(self._draw.uniform(1.0, 5.0))

    def _skip(self, _worker: str) -> None:
        self._do.skip(self._draw.choice([20.0, 3600.0]))

    def _rate_limit(self, _worker: str) -> None:
        self._do.rate_limit("sleep", "1/s")
        self.pause(self._draw.uniform(2.0, 6.0))
        self._do.rate_limit("sleep", None)

    def _fail_dependency(self, _worker: str) -> None:
        self._do.fail_dependency("db", self._draw.uniform(1.0, 5.0))

    def _slow_dependency(self, _worker: str) -> None:
        self._do.slow_dependency("db", 8.0)
        self.pause(self._draw.uniform(2.0, 6.0))
        self._do.slow_dependency("db", 1.0)

    # --- mending ---------------------------------------------------------------------

    def mend(self) -> None:
        """Bring back what is not as it was; RuntimeError when a worker does not come up."""
        for worker in self._session.scenario.worker_names:
            for undo in (self._do.mend_link, self._do.resume_worker):
                self._try(undo, worker)
            if not self.until(lambda name=worker: self._is_back(name), _UP_S):  # type: ignore[misc]
                raise RuntimeError(f"{worker} did not come up again in {_UP_S:.0f} s")
        self._probe()

    def _is_back(self, worker: str) -> bool:
        if worker in self.up:
            return True
        started = self._try(self._do.start_worker, worker)
        if started and worker not in self.asked:
            self.revived[f"{worker} had ended by itself"] += 1
        self.asked.discard(worker)
        return False

    def _probe(self) -> None:
        """Replace workers that take nothing while there is something to take, as a probe would."""
        if self.backlog and self._session.now_s - self._moved_s > _STILL_S:
            for worker in sorted(self.up):
                self.revived[f"{worker} stood still"] += 1
                self.asked.add(worker)
                self._try(self._do.kill_worker, worker)
            self._moved_s = self._session.now_s

    def _try(self, verb: Callable[..., Any], worker: str) -> bool:
        try:
            verb(worker)
        except EngineError:
            return False
        return True

    def drain(self, timeout_s: float) -> bool:
        """Wait until the broker holds no message, some time long; say whether it came to that."""
        quiet_s = self._session.now_s

        def is_quiet() -> bool:
            nonlocal quiet_s
            self.mend()
            if self.backlog or self.unacked:
                quiet_s = self._session.now_s
            return self._session.now_s - quiet_s > 10.0

        return self.until(is_quiet, timeout_s)
