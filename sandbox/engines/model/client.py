"""The client: one process that publishes each task of the scenario at its time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from sandbox.engines.model import trips
from sandbox.engines.model.alarm import Alarm, Steps
from sandbox.engines.model.broker import Kind, Message
from sandbox.engines.model.outage import PUBLISH_AGAIN_S, SUBSCRIBE_AGAIN_S
from sandbox.engines.model.world import World
from sandbox.loads import Closed
from sandbox.schedule import BY_HAND, ClosedTurns, closed_turns


class Client:
    """Publishes open loads, closed loads and what is submitted by hand, one after the other."""

    def __init__(self, world: World) -> None:
        self.world, self.env, self.record = world, world.env, world.record
        self.publish_s = world.overheads.publish_s
        self._free_s, self._is_deaf, self._is_warm = 0.0, False, False
        self._waits = False
        self._by_hand = dict.fromkeys(world.kinds, BY_HAND)
        if world.schedule:
            self._begin(self.open_loads)
        is_closed = any(isinstance(load, Closed) for load in world.scenario.loads)
        for turns in closed_turns(world.scenario) if is_closed else ():
            for client in range(turns.load.n_clients):
                self._begin(partial(self.closed, turns, client))

    def _begin(self, source: Callable[[Alarm], Steps]) -> None:
        self.world.n_sources += 1
        alarm = Alarm(self.env)
        alarm.begin(source(alarm))

    def _over(self) -> None:
        self.world.n_sources -= 1
        self.world.look()

    # --- the loads -------------------------------------------------------------------

    def open_loads(self, alarm: Alarm) -> Steps:
        """Publish what the scenario's open loads and beat have planned."""
        world, env, record = self.world, self.env, self.record
        kinds, broker, publish_s = world.kinds, world.broker, self.publish_s
        for at_s, name, n in world.schedule:
            if at_s > env.now:
                alarm.ring(at_s - env.now)
                yield
            if publish_s or broker.is_odd:
                yield from self.publish(alarm, kinds[name], n)
            else:
                message = world.first_message(kinds[name], n)
                record.sent(message)
                record.published(message)
                broker.publish(message)
                self._is_warm = True
        self._over()

    def closed(self, turns: ClosedTurns, client: int, alarm: Alarm) -> Steps:
        """Think, publish, wait for the result; again, until the horizon."""
        kind, turn = self.world.kinds[turns.load.task], 0
        while True:
            think_s = turns.think_s(client, turn)
            if self.env.now + think_s >= self.world.scenario.horizon_s:
                break
            alarm.ring(think_s)
            yield
            n = turns.number(client, turn)
            self.world.results[f"{kind.name}/{n}"] = alarm
            if (yield from self.publish(alarm, kind, n)):
                yield
            else:
                del self.world.results[f"{kind.name}/{n}"]
            turn += 1
        self._over()

    def submit(self, kind: Kind, count: int) -> list[str]:
        """Publish ``count`` tasks by hand, from now on; return their keys."""
        first = self._by_hand[kind.name]
        self._by_hand[kind.name] += count
        numbers = range(first, first + count)
        self._begin(partial(self._publish_all, kind, numbers))
        return [f"{kind.name}/{n}" for n in numbers]

    def _publish_all(self, kind: Kind, numbers: range, alarm: Alarm) -> Steps:
        for n in numbers:
            yield from self.publish(alarm, kind, n)
        self._over()

    # --- one publication -------------------------------------------------------------

    def publish(self, alarm: Alarm, kind: Kind, n: int) -> Generator[None, None, bool]:
        """Publish one task when the client is free; the broker has it ``publish_s`` later.

        A broker that is down is tried again as ``task_publish_retry_policy`` says; return
        whether one has it in the end.
        """
        env, starts_s = self.env, max(self.env.now, self._free_s)
        self._free_s = starts_s + self.publish_s
        if starts_s > env.now:
            alarm.ring(starts_s - env.now)
            yield
        broker = self.world.broker
        if broker.is_odd or self._is_deaf:
            return (yield from self._publish_oddly(alarm, kind, n))
        message = self.world.first_message(kind, n)
        self.record.sent(message)
        self._is_warm = True
        if self.publish_s:
            alarm.ring(self.publish_s)
            yield
            if broker.is_odd:
                return (yield from self._arrive_oddly(alarm, message))
        self._arrive(message)
        return True

    # --- a broker that is down, full, far away or stands still -----------------------

    def _publish_oddly(self, alarm: Alarm, kind: Kind, n: int) -> Generator[None, None, bool]:
        """Publish one task, whatever the broker's state; return whether it has it in the end."""
        yield from self._await_turn(alarm)
        if self.world.broker.is_down or self._is_deaf:
            yield from self._subscribe(alarm, kind)
        message = self.world.first_message(kind, n)
        self.record.sent(message)
        first_s = 0.0 if self._is_warm else trips.FIRST_PUBLISH * self.world.client_trip_s
        self._is_warm = True
        self._free_s += first_s
        if self.publish_s or first_s:
            alarm.ring(self.publish_s + first_s)
            yield
        return (yield from self._arrive_oddly(alarm, message))

    def _arrive_oddly(self, alarm: Alarm, message: Message) -> Generator[None, None, bool]:
        broker = self.world.broker
        yield from self._await_answer(alarm)
        for again_s in PUBLISH_AGAIN_S:
            if broker.is_down:
                self._free_s = max(self._free_s, self.env.now + again_s)
                alarm.ring(again_s)
                yield
        if broker.is_down or broker.is_full:
            self.record.note("publish_unknown", task=message.key)
            return False
        if self.world.client_trip_s:
            yield from self._arrive_far(alarm, message)
        else:
            self._arrive(message)
        return True

    def _await_turn(self, alarm: Alarm) -> Steps:
        """Wait while the publish before this one waits for a broker that stands still."""
        while self._waits and self.world.broker.standstill is not None:
            self.world.broker.standstill.later(alarm.ring)
            yield

    def _await_answer(self, alarm: Alarm) -> Steps:
        standstill = self.world.broker.standstill
        if standstill is not None:
            self._waits = True
            standstill.later(alarm.ring)
            yield
            self._waits = False

    def _subscribe(self, alarm: Alarm, kind: Kind) -> Steps:
        """Subscribe to the result before the task is sent, if it has one.

        The first time after a stop nothing is noticed; then the client waits for the broker
        (celery/backends/redis.py ``_consume_from``; the policy's end, 20 s, is not awaited).
        """
        broker = self.world.broker
        if kind.task.ignore_result:
            return
        while self._is_deaf and broker.is_down:
            self._free_s = max(self._free_s, self.env.now + SUBSCRIBE_AGAIN_S)
            alarm.ring(SUBSCRIBE_AGAIN_S)
            yield
        self._is_deaf = broker.is_down

    def _arrive_far(self, alarm: Alarm, message: Message) -> Steps:
        """Have the broker take the message, and wait for its answer to say so."""
        trip_s = self.world.client_trip_s
        self.world.broker.publish(message)
        self._free_s = max(self._free_s, self.env.now) + trip_s
        alarm.ring(trip_s)
        yield
        self.record.published(message)

    def _arrive(self, message: Message) -> None:
        self.record.published(message)
        self.world.broker.publish(message)
