"""The client: one process that publishes each task of the scenario at its time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy
from simpy import Timeout

from sandbox.engines.model.broker import Kind, Message
from sandbox.engines.model.world import World
from sandbox.loads import Closed
from sandbox.schedule import BY_HAND, ClosedTurns, closed_turns

Steps = Generator[simpy.Event, Any, None]


class Client:
    """Publishes open loads, closed loads and what is submitted by hand, one after the other."""

    def __init__(self, world: World) -> None:
        self.world, self.env, self.record = world, world.env, world.record
        self.publish_s = world.overheads.publish_s
        self._free_s = 0.0
        self._by_hand = dict.fromkeys(world.kinds, BY_HAND)
        if world.schedule:
            self._begin(self.open_loads())
        is_closed = any(isinstance(load, Closed) for load in world.scenario.loads)
        for turns in closed_turns(world.scenario) if is_closed else ():
            for client in range(turns.load.n_clients):
                self._begin(self.closed(turns, client))

    def _begin(self, source: Steps) -> None:
        self.world.n_sources += 1
        self.env.process(self._until_over(source))

    def _until_over(self, source: Steps) -> Steps:
        yield from source
        self.world.n_sources -= 1
        self.world.look()

    # --- the loads -------------------------------------------------------------------

    def open_loads(self) -> Steps:
        """Publish what the scenario's open loads and beat have planned."""
        env, kinds, broker, record = self.env, self.world.kinds, self.world.broker, self.record
        for at_s, name, n in self.world.schedule:
            if at_s > env.now:
                yield Timeout(env, at_s - env.now)
            if self.publish_s:
                yield from self.publish(kinds[name], n)
            else:
                message = self.world.first_message(kinds[name], n)
                record.sent(message)
                record.published(message)
                broker.publish(message)

    def closed(self, turns: ClosedTurns, client: int) -> Steps:
        """Think, publish, wait for the result; again, until the horizon."""
        kind, turn = self.world.kinds[turns.load.task], 0
        while True:
            think_s = turns.think_s(client, turn)
            if self.env.now + think_s >= self.world.scenario.horizon_s:
                return
            yield Timeout(self.env, think_s)
            n = turns.number(client, turn)
            result = self.world.results[f"{kind.name}/{n}"] = simpy.Event(self.env)
            yield from self.publish(kind, n)
            yield result
            turn += 1

    def submit(self, kind: Kind, count: int) -> list[str]:
        """Publish ``count`` tasks by hand, from now on; return their keys."""
        first = self._by_hand[kind.name]
        self._by_hand[kind.name] += count
        numbers = range(first, first + count)
        self._begin(self._publish_all(kind, numbers))
        return [f"{kind.name}/{n}" for n in numbers]

    def _publish_all(self, kind: Kind, numbers: range) -> Steps:
        for n in numbers:
            yield from self.publish(kind, n)

    # --- one publication -------------------------------------------------------------

    def publish(self, kind: Kind, n: int) -> Steps:
        """Publish one task when the client is free; the broker has it ``publish_s`` later."""
        env, starts_s = self.env, max(self.env.now, self._free_s)
        self._free_s = starts_s + self.publish_s
        if starts_s > env.now:
            yield Timeout(env, starts_s - env.now)
        message = self.world.first_message(kind, n)
        self.record.sent(message)
        if self.publish_s:
            yield Timeout(env, self.publish_s)
        self._arrive(message)

    def _arrive(self, message: Message) -> None:
        self.record.published(message)
        self.world.broker.publish(message)
