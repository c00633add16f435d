"""The world: what client, broker, workers and controls of one run share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import simpy

from sandbox.engines.model.broker import Broker, Kind, Message
from sandbox.engines.model.chance import Chance
from sandbox.engines.model.host import Host
from sandbox.engines.model.record import Record
from sandbox.engines.model.worker import Worker
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.schedule import Publication, schedule


class World:
    """Virtual time, the parts that live in it, and the counts that tell when all is over.

    ``n_running`` counts bodies under way, ``n_sources`` loads that may still publish,
    ``n_pending`` things that will still happen: scheduled commands, starts, exits, sweeps.
    """

    def __init__(self, scenario: Scenario, overheads: Overheads) -> None:
        self.scenario, self.overheads = scenario, overheads
        self.env = simpy.Environment(initial_time=0.0)
        self.record = Record(self.env)
        self.broker = Broker(self.env, scenario, self.record)
        self.hosts = {host.name: Host(self.env, host.n_cores) for host in scenario.hosts}
        self.schedule: list[Publication] = schedule(scenario)
        self.kinds = self._kinds()
        self.results: dict[str, simpy.Event] = {}
        self.workers: dict[str, Worker] = {}
        self.n_running = self.n_sources = self.n_pending = 0
        self.on_quiet: Callable[[], None] = lambda: None

    def _kinds(self) -> dict[str, Kind]:
        n_open = Counter(publication.type for publication in self.schedule)
        return {
            task.name: Kind(
                task,
                Chance(task, self.scenario.seed, n_open[task.name]),
                self.broker.list_of(task),
            )
            for task in self.scenario.tasks
        }

    def first_message(self, kind: Kind, n: int) -> Message:
        """Return the message of a task that is published now, for the first time."""
        life_s = kind.task.expires_s
        expires_s = None if life_s is None else self.env.now + life_s
        return Message(kind, n, f"{kind.name}/{n}", self.broker.new_tag(), 0, None, expires_s)

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
            waiting.succeed()

    @property
    def quiet(self) -> bool:
        """Whether nothing more can happen: no load, no message, no execution is left."""
        return not (
            self.n_sources
            or self.n_pending
            or self.n_running
            or self.broker.unacked
            or any(self.broker.lists.values())
        )

    def look(self) -> None:
        """Report the quiet, if it is there; called wherever something ends."""
        if not self.n_sources and self.quiet:
            self.on_quiet()
