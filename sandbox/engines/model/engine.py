"""The model engine: a scenario's whole run in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import simpy
from simpy.core import StopSimulation
from simpy.events import URGENT

from sandbox.closing import Closing
from sandbox.collector import collector_paused
from sandbox.engines.model import ledger
from sandbox.engines.model.client import Client
from sandbox.engines.model.clock import Clock
from sandbox.engines.model.deploy import DeployControls
from sandbox.engines.model.front import Front
from sandbox.engines.model.record import Record, Waits
from sandbox.engines.model.worker import Worker
from sandbox.engines.model.world import World
from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.overheads import Overheads
from sandbox.run import KINDS, Event, Run
from sandbox.scenario import Scenario

R = TypeVar("R", bound=Record)


def start(
    scenario: Scenario,
    *,
    overheads: Overheads | None = None,
    kinds: Collection[str] | None = None,
) -> ModelSession[Record]:
    """Build the model of a scenario and stand at t = 0; nothing has happened yet.

    With ``kinds`` only events of these kinds are recorded, and those that a fault waits for:
    it is quicker, and enough for who reads no others.

    >>> from sandbox.scenario import TaskType, WorkerPool
    >>> hello = Scenario(name="hello", tasks=[TaskType(name="hi")], workers=[WorkerPool()],
    ...                  loads=[{"kind": "burst", "task": "hi", "n": 3}], horizon_s=1.0)
    >>> with start(hello) as session:
    ...     session.wait()
    'drained'
    """
    return ModelSession(scenario, overheads or Overheads(), partial(Record, kinds=kinds))


def waits_s(scenario: Scenario, *, overheads: Overheads | None = None) -> list[float]:
    """Run a scenario to its end and return how long each task waited, and nothing else.

    In seconds from first sent to first started, in the order of the starts; a task that
    never starts is left out. Nothing else is kept: for long runs against queueing theory.

    >>> from sandbox.scenario import TaskType, WorkerPool
    >>> hello = Scenario(name="hello", tasks=[TaskType(name="hi")], workers=[WorkerPool()],
    ...                  loads=[{"kind": "burst", "task": "hi", "n": 3}], horizon_s=1.0)
    >>> len(waits_s(hello))
    3
    """
    session = ModelSession(scenario, overheads or Overheads(), Waits)
    session.wait()
    return session.record.waits_s


class ModelSession(Closing, Generic[R]):
    """A running model. Time stands still except in ``wait``, ``wait_for`` and ``advance``."""

    def __init__(
        self, scenario: Scenario, overheads: Overheads, record: Callable[[Clock], R]
    ) -> None:
        self.scenario = scenario
        self.info: dict[str, Any] = {
            "engine": "model",
            "simpy": simpy.__version__,
            "overheads": overheads.model_dump(),
        }
        with collector_paused():
            self.record = record(Clock())
            self._world = world = World(scenario, overheads, self.record)
            for pool in scenario.workers:
                for name in pool.worker_names:
                    world.workers[name] = Worker(world, pool, name)
            if scenario.front_door is not None and scenario.front_door.task is not None:
                Front(world, scenario.front_door)
            self.controls = DeployControls(world, Client(world))
        self._halt: simpy.Event | None = None
        self._run: Run | None = None

    @property
    def now_s(self) -> float:
        """The current virtual time, in seconds."""
        return float(self._world.env.now)

    def events_since(self, n: int) -> Sequence[Event]:
        """Return the events after the first ``n``, in the order they became known."""
        return list(self.record.events.since(n))

    # --- time ------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> str:
        """Advance until all is drained, or the deadline, or by ``timeout_s``; return which."""
        deadline_s = self.scenario.ends_by_s
        until_s = deadline_s if timeout_s is None else min(deadline_s, self.now_s + timeout_s)
        self._world.on_quiet = self._stop_soon
        while self.now_s < until_s and not self._world.quiet:
            self._advance(until_s)
        self._world.on_quiet = _nothing
        if self._world.quiet:
            return "drained"
        return "deadline" if self.now_s >= deadline_s else "timeout"

    def advance(self, to_s: float) -> None:
        """Advance to a time, at most the deadline; what happens just then is yet to come."""
        self._advance(min(to_s, self.scenario.ends_by_s))

    def wait_for(self, what: OnEvent, timeout_s: float = 30.0) -> Event:
        """Advance to an event, counted from the start of the run, and return it.

        EngineError when it does not come within ``timeout_s``, or before the deadline, and
        for a kind that this session does not record.
        """
        if what.event not in self.record.kinds:
            kinds = ", ".join(sorted(self.record.kinds))
            raise EngineError(f"event is {what.event!r}, which is not recorded; allowed: {kinds}")
        found: list[Event] = []

        def seen(event: Event) -> None:
            found.append(event)
            self._stop_soon()

        forget = self.record.watch(what, seen)
        if not found:
            self._advance(min(self.now_s + timeout_s, self.scenario.ends_by_s))
        forget()
        if not found:
            raise EngineError(
                f"no {what.event} number {what.nth} by t = {self.now_s:g} s; "
                f"{timeout_s:g} s were allowed"
            )
        return found[0]

    def _advance(self, until_s: float) -> None:
        """Let virtual time pass; events at ``until_s`` itself are not yet carried out."""
        if self._run is not None:
            raise EngineError("the session is closed; its time has ended")
        delay_s = until_s - self.now_s
        if delay_s > 0:
            self._stop_in(delay_s)
            with collector_paused():
                self._world.env.run()

    def _stop_soon(self) -> None:
        self._stop_in(0.0)

    def _stop_in(self, delay_s: float) -> None:
        """Have ``env.run`` return before anything else happens at that moment."""
        halt = self._halt = simpy.Event(self._world.env)
        halt._ok, halt._value = True, None
        halt.callbacks.append(self._stop)
        self._world.env.schedule(halt, URGENT, delay_s)

    def _stop(self, halt: simpy.Event) -> None:
        if halt is self._halt:  # Not one left over from an earlier wait that ended sooner.
            self._halt = None
            raise StopSimulation(None)

    # --- the end ---------------------------------------------------------------------

    def close(self) -> Run:
        """End the run and return it; a second call returns it again."""
        if self._run is None:
            world, why = self._world, "stopped"
            if world.quiet:
                why = "drained"
            elif self.now_s >= self.scenario.ends_by_s:
                why = "deadline"
            self.info["ended"] = why
            if not world.broker.is_down:
                self.record.note("dump", detail=self._dump())
            self.record.note("ended", detail={"why": why})
            # What keeps only some kinds is there to be measured, and keeps no ledger.
            written = ledger.maker(world.cut_off) if self.record.kinds >= KINDS.keys() else None
            self._run = Run(self.scenario, self.record.end(), dict(self.info), written)
        return self._run

    def _dump(self) -> dict[str, Any]:
        """Return what the broker holds, each list from its back to its front, as LRANGE does."""
        broker = self._world.broker
        queues: dict[str, list[str]] = {queue: [] for queue in self.scenario.queues}
        steps: dict[str, list[int]] = {queue: [] for queue in self.scenario.queues}
        for step, queue in sorted(broker.lists):
            ready = broker.lists[step, queue]
            queues[queue] += [message.key for message in reversed(ready)]
            steps[queue] += [step] * len(ready)
        return {
            "queues": queues,
            "steps": steps,
            "unacked": [message.key for message in broker.unacked],
            "tags": [message.tag for message in broker.unacked],
            "since_s": list(broker.unacked.values()),
        }


def _nothing() -> None:
    """Nobody waits for the quiet."""
