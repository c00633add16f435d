"""The world: what client, broker, workers and controls of one run share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import simpy

from sandbox.engines.model.alarm import Alarm
from sandbox.engines.model.broker import Broker, Kind, Message
from sandbox.engines.model.chance import Chance
from sandbox.engines.model.chords import Chords
from sandbox.engines.model.downstream import Service
from sandbox.engines.model.host import Host
from sandbox.engines.model.record import Record
from sandbox.engines.model.subtask import Subtasks, waited_for
from sandbox.engines.model.worker import Worker
from sandbox.ledger import Effect
from sandbox.loads import Chord
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.schedule import Publication, schedule


class World:
    """Virtual time, the parts that live in it, and the counts that tell when all is over.

    ``n_sources`` counts loads that may still publish, ``n_pending`` things that will still
    happen: scheduled commands, starts, exits, sweeps.
    """

    def __init__(self, scenario: Scenario, overheads: Overheads, record: Record) -> None:
        self.scenario, self.overheads = scenario, overheads
        self.env, self.record = record.env, record
        self.broker = Broker(self.env, scenario, self.record)
        self.hosts = {host.name: Host(self.env, host.n_cores) for host in scenario.hosts}
        self.services = {d.name: Service(self, d) for d in scenario.dependencies}
        self.schedule: list[Publication] = schedule(scenario)
        self.kinds = self._kinds()
        self.chords, self.subtasks = Chords(self), Subtasks(self)
        self.failed: set[str] = set()
        self.cut_off: list[Effect] = []
        self.results: dict[str, Alarm] = {}
        self.workers: dict[str, Worker] = {}
        self.n_sources = self.n_pending = 0
        self.client_trip_s = 0.0
        self.on_quiet: Callable[[], None] = lambda: None

    def _kinds(self) -> dict[str, Kind]:
        n_open = Counter(map(itemgetter(1), self.schedule))  # by type
        watched = {load.task for load in self.scenario.loads if isinstance(load, Chord)}
        watched |= waited_for(self.scenario)
        door = self.scenario.front_door
        if door is not None and door.task is not None:
            watched.add(door.task)
        return {
            task.name: Kind(
                task,
                Chance(task, self.scenario.seed, n_open[task.name]),
                self.broker.list_of(task),
                self.overheads.body_cost_s(ignore_result=task.ignore_result),
                is_watched=task.name in watched,
            )
            for task in self.scenario.tasks
        }

    def first_message(self, kind: Kind, n: int) -> Message:
        """Return the message of a task that is published now, for the first time."""
        if not kind.is_timed:
            return Message(kind, n, self.broker.new_tag(), None)
        now_s = self.env.now
        expires_s = None if kind.expires_s is None else now_s + kind.expires_s
        eta_s = now_s + kind.countdown_s if kind.countdown_s else None
        return Message(kind, n, self.broker.new_tag(), expires_s, eta_s=eta_s)

    def call_in(self, delay_s: float, then: Callable[..., None], *arguments: Any) -> None:
        """Call ``then`` in ``delay_s`` seconds."""
        simpy.Timeout(self.env, delay_s).callbacks.append(lambda _: then(*arguments))

    def await_in(self, delay_s: float, then: Callable[..., None], *arguments: Any) -> None:
        """Call ``then`` in ``delay_s`` seconds; the run is not over before."""
        self.n_pending += 1

        def ring() -> None:
            then(*arguments)
            self.n_pending -= 1
            self.look()

        self.call_in(delay_s, ring)

    def finished(self, key: str) -> None:
        """Tell a client of a closed load that its result is there."""
        waiting = self.results.pop(key, None)
        if waiting is not None:
            waiting.ring(self.client_trip_s)

    def ends_badly(self, message: Message, worker: str) -> None:
        """Note a failure for good of a task that a chord, a visitor or a task waits for."""
        self.failed.add(message.key)
        self.chords.part(message, worker, succeeded=False)
        self.subtasks.ended(message, succeeded=False)

    @property
    def quiet(self) -> bool:
        """Whether nothing more can happen: no load, no message, no execution is left."""
        return not (
            self.n_sources
            or self.n_pending
            or self.broker.unacked
            or any(self.broker.lists.values())
            or any(worker.has_work for worker in self.workers.values())
        )

    def look(self) -> None:
        """Report the quiet, if it is there; called wherever something ends."""
        if not self.n_sources and self.quiet:
            self.on_quiet()
