"""The rounds: kill children and workers of idle no-op workers, and watch how they recover."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import redis

from sandbox.engines.live.calibrate.plan import BUSY, VICTIMS
from sandbox.engines.live.engine import LiveSession
from sandbox.engines.live.record import Tail
from sandbox.engines.live.worker import CHILD_READY
from sandbox.errors import EngineError
from sandbox.faults import At, OnEvent

_AT_ONCE_S = 0.4
"""A death that is not noticed within this time waits for the 5 s maintenance tick."""

_UP_S = 1.5
_SWEPT_S = 1.0
_EXIT_S = 4.0
_MOST_S, _ROUNDS_S = 5.5, 3.0
_N_ROUNDS, _N_KILLS = 3, 3
_N_PINGS = 200
_SKIP_S = 7_200.0
_POLL_S = 0.002


class Rounds:
    """What the rounds have measured, in seconds.

    ``late`` counts the killed children whose death was not noticed at once.
    """

    def __init__(self, session: LiveSession) -> None:
        self._session, self._tail = session, Tail(session.folder / "raw")
        self._lines: list[dict[str, Any]] = []
        self.round_trips: list[float] = []
        self.notices: list[float] = []
        self.child_starts: list[float] = []
        self.worker_starts: list[float] = []
        self.worker_exits: list[float] = []
        self.sweeps: list[float] = []
        self.late = 0

    def run(self) -> None:
        """Let the no-op tasks run, then measure round by round until the time is up."""
        session = self._session
        self._await(lambda line: line["kind"] == "_client_done", _MOST_S)
        session.wait_for(OnEvent(event="succeeded", task="busy", nth=_total(session, "busy")))
        self._ping()
        ordered_at = self._shut_down()
        end_s = session.now_s + _ROUNDS_S
        for worker in itertools.islice(itertools.cycle(VICTIMS.worker_names), _N_ROUNDS):
            self._restart(worker)
            self._sweep()
            for _ in range(_N_KILLS):
                if session.now_s > end_s or not self._kill_child(worker):
                    break
        self._await_exits(ordered_at)

    # --- one round each --------------------------------------------------------------

    def _ping(self) -> None:
        """Time a command that only one key answers."""
        with redis.Redis.from_url(self._session.broker.url, socket_timeout=5) as client:
            for _ in range(_N_PINGS):
                began = time.perf_counter()
                client.exists(f"{self._session.broker.prefix}nothing")
                self.round_trips.append(time.perf_counter() - began)

    def _restart(self, worker: str) -> None:
        """Kill a worker, whose message stays in `unacked`, and start it again."""
        self._session.controls.kill_worker(worker)
        began = time.monotonic()
        self._session.controls.start_worker(worker)
        # A worker says that it is ready before its processes are.
        moments = [
            self._await(_is(kind, worker, began), _MOST_S) for kind in ("worker_ready", CHILD_READY)
        ]
        self.worker_starts += [max(line["t"] for line in moments if line) - began] * all(moments)

    def _sweep(self) -> None:
        """Skip past the timeout of what is in `unacked`; do not wait for the order's end."""
        ordered_at = time.monotonic()
        self._session.controls.skip(_SKIP_S, when=At(at_s=self._session.now_s))
        began = self._await(_is("skipped", None, ordered_at), _MOST_S)
        restored = began and self._await(_is("restored", None, began["t"]), _SWEPT_S)
        if began is not None and restored is not None:
            self.sweeps.append(restored["t"] - began["t"])

    def _kill_child(self, worker: str) -> bool:
        """Kill a worker's idle child; return whether its death was noticed at once."""
        began = time.monotonic()
        try:
            self._session.controls.kill_child(worker)
        except EngineError:  # on a loaded machine it is not up yet: this round tells nothing
            return False
        noticed = self._await(_is("_child_forking", worker, began), _AT_ONCE_S)
        up = noticed and self._await(_is("_child_up", worker, noticed["t"]), _UP_S)
        if noticed is None:
            self.late += 1
            return False
        self.notices.append(noticed["t"] - began)
        if up is not None:
            self.child_starts.append(up["t"] - noticed["t"])
        return up is not None

    def _shut_down(self) -> float:
        """Tell the workers that are not broken to shut down while they work; return since when."""
        began = time.monotonic()
        self._session.controls.submit("last", len(BUSY.worker_names) * BUSY.concurrency)
        for name in BUSY.worker_names:
            self._await(_is("started", name, began), _UP_S)
            self._session.controls.terminate_worker(name)
        return began

    def _await_exits(self, since: float) -> None:
        for name in BUSY.worker_names:
            gone = self._await(_is("worker_exited", name, since), _EXIT_S)
            ends = [line["t"] for line in self._lines if _is("succeeded", name, since)(line)]
            if gone is not None and ends:
                self.worker_exits.append(gone["t"] - max(ends))

    def _await(
        self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float
    ) -> dict[str, Any] | None:
        """Return the first line of the record that is wanted; None if none comes in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._lines += self._tail.read()
            found = next((line for line in self._lines if wanted(line)), None)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(_POLL_S)


def _total(session: LiveSession, task: str) -> int:
    """Return how many tasks of a type the session's scenario publishes in bursts."""
    return sum(
        load.n for load in session.scenario.loads if load.kind == "burst" and load.task == task
    )


def _is(kind: str, worker: str | None, since: float) -> Callable[[dict[str, Any]], bool]:
    def wanted(line: dict[str, Any]) -> bool:
        same = line["kind"] == kind and line["t"] >= since
        return same and (worker is None or line.get("worker") == worker)

    return wanted
