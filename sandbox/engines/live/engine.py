"""The live engine: real Celery workers on a real or a fake Redis, as a Session."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.closing import Closing
from sandbox.engines.commands import Trigger
from sandbox.engines.live import allowed, beats, data, fronts, links, postgres
from sandbox.engines.live import broker as brokers
from sandbox.engines.live import ledger as ledgers
from sandbox.engines.live import worker as workers
from sandbox.engines.live.calls import DOWNSTREAM, address
from sandbox.engines.live.described import described
from sandbox.engines.live.folder import close_to_others, log_tail, run_folder
from sandbox.engines.live.fronts import FRONT
from sandbox.engines.live.leftovers import Claim, sweep_aside
from sandbox.engines.live.links import PROXY
from sandbox.engines.live.nowhere import given_up
from sandbox.engines.live.outage import Outage
from sandbox.engines.live.processes import Processes, warm_up
from sandbox.engines.live.record import Record
from sandbox.engines.live.writer import Writer
from sandbox.errors import EngineError
from sandbox.faults import OnEvent, commands_of
from sandbox.run import Event, Run
from sandbox.scenario import Scenario

_PUMP_S = 0.01
_STARTUP_S = 20.0
_open: weakref.WeakSet[LiveSession] = weakref.WeakSet()


def start(
    scenario: Scenario, *, broker: str = "auto", runs: str | Path = "runs", ledger: str = ""
) -> LiveSession:
    """Start broker, workers and client; return once all workers are ready, which is t = 0.

    ``broker``: auto, redis, bundled, fake or a redis:// URL. ``runs``: the folder for the record.
    ``ledger``: a postgresql:// URL to which effects go, not there. Raises ScenarioError for a
    fault that is not for this broker, EngineError when something does not come up: one sentence.
    """
    choice = brokers.choose(broker)
    allowed.check_faults(scenario, choice)
    if ledger:
        postgres.prepare(ledger)
    warm_up()
    return LiveSession(scenario, choice, Path(runs), ledger)


class LiveSession(Closing):
    """A running system of real processes; see ``sandbox.engines.Session``."""

    def __init__(
        self, scenario: Scenario, choice: brokers.BrokerChoice, runs: Path, ledger: str = ""
    ) -> None:
        self.scenario, self._ledger = scenario, ledger
        self.beside = fronts.processes(scenario.front_door) + beats.processes(scenario)
        self.folder = run_folder(runs, scenario.name, scenario.to_json())
        self._claim = Claim()
        self._run: Run | None = None
        self._ended, self._unread = "stopped", ""
        self._stopping = threading.Event()
        self._closing = threading.Lock()
        self._record = Record(self.folder / "raw")
        self._writer = Writer(self.folder / "raw" / "controls.jsonl")
        _open.add(self)
        try:
            self.info: dict[str, Any] = described(scenario)
            self._given_up: tuple[str, ...] = ()
            modules = [*choice.modules, *fronts.modules(scenario.front_door)]
            modules += data.modules(scenario.app)
            self._processes = Processes(self.folder, self._claim.folder, modules)
            self._start(choice)
        except BaseException:
            self._take_down()
            raise

    def __repr__(self) -> str:
        """Name the session by what does not change from one machine to the next."""
        return f"<live session of {self.scenario.name!r}>"

    # --- start -----------------------------------------------------------------------

    def _start(self, choice: brokers.BrokerChoice) -> None:
        self._pump_thread = threading.Thread(target=self._pump, name="sandbox-pump", daemon=True)
        self._claim.note(mark=self._processes.mark)
        self.broker = brokers.start(choice, self._processes, self.scenario.broker.persistence)
        self.info |= {"broker": self.broker.label, "broker_why": self.broker.why}
        if not self.broker.owned:
            self._claim.note(url=self.broker.url, prefix=self.broker.prefix)
        self.controls = beats.BeatControls(
            self.scenario, self._processes, self._record, self._writer, self._start_worker
        )
        persistence = self.scenario.broker.persistence
        self.controls.outage = Outage(choice, self.broker, self._processes, persistence)
        self._record.listeners.append(self.controls.see)
        self._pump_thread.start()
        began = time.monotonic()
        self._start_proxy(*self.scenario.worker_names, "client", "operator", *self.beside)
        if self.scenario.dependencies:
            self._processes.order("downstream", name=DOWNSTREAM)
            self._await_notes(DOWNSTREAM)
        for name in self.scenario.worker_names:
            self._processes.order("worker", name=name, ledger=self._ledger, **self.links.of(name))
        for name in ("client", "operator", *self.beside):
            way = self.links.of(name) | {"straight": self.broker.url, "ledger": self._ledger}
            self._processes.order("client", name=name, role=name, **way)
        missing = self._processes.order("missing_hooks").items()
        self.info["notes"] += [
            f"this version cannot record {', '.join(k)}: no {h}" for h, k in missing
        ]
        sweep_aside()
        self._await_notes("client", "operator", *self.beside)
        for name in self.scenario.worker_names:
            self._await_worker(name, since=(0, 0))
        self.startup_s = min(line["t"] for line in self._record.ready) - began
        self._go()

    def _start_proxy(self, *names: str) -> None:
        """Put the proxy between the broker and all who use it, where bytes can pass."""
        ports: dict[str, int] = {}
        self.controls.outage.gate = self.controls.gate
        place = links.behind(self.broker)
        if place is not None:
            self._processes.order("proxy", name=PROXY, links=list(names), **place)
            self._await_notes(PROXY)
            ports = (self._record.note(f"_{PROXY}_ready") or {})["detail"]["ports"]
        self.links = self.controls.links = links.Links(self.broker, ports)

    def _go(self) -> None:
        """Fix t = 0, arm the faults, let the client publish."""
        with self._record.changed:
            self._record.t0 = time.monotonic()
        for command in commands_of(self.scenario.faults, self.scenario.seed):
            self.controls.schedule(command)
        told = ["client", *(name for name in self.beside if name != FRONT)]
        told += [DOWNSTREAM] if self.scenario.dependencies else []
        for name in told:
            self._processes.order("tell", name=name, message={"go": self._record.t0})

    def _start_worker(self, name: str) -> None:
        since = self._ready(name)
        self._processes.exited.pop(name, None)
        self._processes.order("worker", name=name, ledger=self._ledger, **self.links.of(name))
        self._await_worker(name, since=since)

    def _ready(self, name: str) -> tuple[int, int]:
        """Return how often a worker has said that it is ready, and processes of it have."""
        record = self._record
        mains = sum(line.get("worker") == name for line in record.ready)
        children = sum(
            line.get("worker") == name and line["kind"] == workers.CHILD_READY
            for line in record.notes
        )
        return mains, children

    def _await_worker(self, name: str, *, since: tuple[int, int]) -> None:
        pool = self.scenario.pool_of(name)
        n_children = pool.n_first if pool is not None and pool.pool == "prefork" else 0

        def up() -> bool:
            mains, children = self._ready(name)
            return mains > since[0] and children >= since[1] + n_children

        self._record.wait_until(lambda: up() or name in self._processes.exited, _STARTUP_S)
        if not up():
            raise EngineError(
                f"{name} did not come up; its log ends with: {log_tail(self.folder, name)}"
            )

    def _await_notes(self, *names: str) -> None:
        for name in names:
            self._record.wait_until(partial(self._noted_or_gone, name), _STARTUP_S)
            if self._record.note(f"_{name}_ready") is None:
                raise EngineError(
                    f"the {name} process did not come up; "
                    f"its log ends with: {log_tail(self.folder, name)}"
                )

    def _noted_or_gone(self, name: str) -> bool:
        return self._record.note(f"_{name}_ready") is not None or name in self._processes.exited

    # --- while it runs ---------------------------------------------------------------

    def _pump(self) -> None:
        while not self._stopping.is_set():
            try:
                self._record.pump()
            except Exception as exc:  # noqa: BLE001 - whatever it is, nobody may wait for it in vain
                self._unread = f"{type(exc).__name__}: {exc}"
                return
            if self._record.t0 is not None:
                self.controls.fire()
            self._stopping.wait(_PUMP_S)

    def events_since(self, n: int) -> Sequence[Event]:
        """Return the events after the first ``n``, in the order they became known."""
        with self._record.changed:
            return self._record.events[n:]

    @property
    def now_s(self) -> float:
        """The run's time, in seconds."""
        return self._record.now()

    def _is_drained(self) -> bool:
        """Whether nothing more will happen: all published, all settled, no command to come."""
        record = self._record
        publishing = ("client", *self.beside, *self.controls.more_beats)
        if self.controls.pending or not all(
            record.note(f"_{name}_done") for name in publishing if name != FRONT
        ):
            return False
        unseen = self.controls.submitted - record.fold.journeys.keys()
        if unseen or not record.settled:
            return False
        if not record.fold.drained:
            self._given_up = record.nowhere.tasks(record.events, record.fold)
        return record.fold.drained or bool(self._given_up)

    def wait(self, timeout_s: float | None = None) -> str:
        """Wait until all is drained, or the deadline, or ``timeout_s``; return which."""
        left = self.scenario.ends_by_s - self._record.now()
        limit = left if timeout_s is None else min(left, timeout_s)
        outcome = self._record.wait_until(
            lambda: "drained" if self._is_drained() else self._trouble(), max(0.0, limit)
        )
        if outcome is None:
            outcome = "deadline" if limit == left else "timeout"
        if outcome in {"drained", "deadline"}:
            self._ended = outcome
        return str(outcome)

    @property
    def door(self) -> tuple[int, str]:
        """The port of the front door on loopback, and the token that each request bears."""
        return address(fronts.FILE, self._claim.folder)

    def check(self) -> None:
        """Raise EngineError when the run cannot go on: for who has no end to wait for."""
        self._trouble()

    def _trouble(self) -> str | None:
        """Raise when the run cannot go on: one of our own processes is gone."""
        if not self._processes.alive and not self._stopping.is_set():
            raise EngineError("the supervisor process was killed; the session is over")
        if self._unread:
            raise EngineError(f"the record cannot be read: {self._unread}; the session is over")
        beside = self.beside + self.controls.more_beats
        for name in ("client", "operator", "broker", DOWNSTREAM, PROXY, *beside):
            is_meant = name == "broker" and self.controls.outage.is_down
            if name in self._processes.exited and not is_meant:
                raise EngineError(f"the {name} process ended: {log_tail(self.folder, name)}")
        return None

    def wait_for(self, what: OnEvent, timeout_s: float = 30.0) -> Event:
        """Wait for an event, counted from the session's start, and return it."""
        trigger, seen = Trigger(what.but(after_s=0.0)), 0

        def found() -> Event | None:
            nonlocal seen
            for event in self._record.events[seen:]:
                seen += 1
                trigger.see(event)
                if trigger.due_s is not None:
                    return event
            self._trouble()
            return None

        event = self._record.wait_until(found, timeout_s)
        if event is None:
            raise EngineError(f"no {what.event} number {what.nth} came within {timeout_s} s")
        return event  # type: ignore[no-any-return] # wait_until returns what found() returns

    # --- end -------------------------------------------------------------------------

    def close(self) -> Run:
        """End everything that was started and return the Run; a second call returns it again."""
        with self._closing:
            if self._run is None:
                self._run = self._finish()
        return self._run

    def _finish(self) -> Run:
        if self._processes.alive:
            self.controls.dump()
        self._writer.write("ended", detail={"why": self._ended})
        self._take_down()
        self._record.pump(settle_s=-1.0)
        self.info["ended"] = self._ended
        self.info["notes"] += given_up(self._given_up)
        events = self._record.until_end()
        end_s, t0 = events[-1].t_s if events else 0.0, self._record.t0 or 0.0
        written = ledgers.read(self.folder, self.scenario, t0, end_s, self._ledger)
        run = Run(self.scenario, events, self.info, written)
        run.save(self.folder)
        close_to_others(self.folder)
        return run

    def _take_down(self) -> None:
        """End all that was started; nothing here may wait for a broken part."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if hasattr(self, "_processes"):
            self._processes.close()
        if hasattr(self, "controls"):
            self.controls.close()
        self._writer.close()
        self._claim.close()
        _open.discard(self)


# A forked copy of this process has no say over the sessions of the original.
os.register_at_fork(after_in_child=_open.clear)


@atexit.register
def _close_all() -> None:
    for session in list(_open):
        session._take_down()  # noqa: SLF001 - this module's own class
