"""Wrong models of lost connections, of a broker that is down, of other clients of its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.engines import commands
from sandbox.engines.model import broker, client, controls, outage, pool, worker
from sandbox.scenario import Scenario
from tests.mutants.registry import Patch, after, before, mutant


@mutant("a lost connection strands what was prefetched", "connections lost, late ack")
def _(patch: Patch) -> None:
    patch.setattr(broker.Broker, "hand_back", lambda self, message, by: None)


@mutant("what was prefetched is kept and restored", "connections lost, early ack")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "forget", lambda self: None)


@mutant("threads forget what they have queued", "connections lost, threads")
def _(patch: Patch) -> None:
    patch.setattr(pool.Pool, "forget", lambda self: self.backlog.clear())


@mutant("countdowns outlive a connection", "connections lost, countdowns and tokens forgotten")
def _(patch: Patch) -> None:
    patch.setattr("sandbox.engines.model.holds.Holds.forget", lambda self: None)


@mutant("a new connection has less credit while tasks run", "a new connection has all its credit")
def _(patch: Patch) -> None:
    def fewer(self: worker.Worker, **_: bool) -> None:
        running = sum(slot.started_s is not None for slot in self.pool.slots)
        settings = self.settings
        self.may_hold = settings.prefetch_multiplier * max(1, settings.concurrency - running)

    before(patch, worker.Worker, "reconnect", fewer)


# --- the broker ----------------------------------------------------------------------------


@mutant("a broker keeps its queues", "a broker that keeps nothing, early ack")
def _(patch: Patch) -> None:
    after(patch, broker.Broker, "__init__", lambda self, *_: setattr(self, "keeps", True))


@mutant("a broker that is back restores `unacked`", "a broker that keeps all, late ack")
def _(patch: Patch) -> None:
    def restore_all(self: broker.Broker) -> None:
        for message in list(self.unacked):
            self.restore(message, None)

    after(patch, broker.Broker, "stop", restore_all)


@mutant("an AOF is not read", "a broker that keeps all, early ack")
def _(patch: Patch) -> None:
    after(patch, broker.Broker, "__init__", lambda self, *_: setattr(self, "keeps", False))


@mutant("a result waits for the broker", "a result without a broker")
def _(patch: Patch) -> None:
    def ends(self: outage.Offline, slot: Any, steps: list[Callable[..., None]], alarm: Any) -> None:
        for step in steps:
            step(alarm)

    patch.setattr(outage.Offline, "_ends", ends)


@mutant("a task needs the broker to end", "no result, so no broker needed")
def _(patch: Patch) -> None:
    def ends(self: outage.Offline, slot: Any, steps: list[Callable[..., None]], alarm: Any) -> None:
        alarm.value = outage.CUT_OFF
        for step in steps:
            step(alarm)

    patch.setattr(outage.Offline, "_ends", ends)


@mutant("every worker survives a stop", "who waits for more does not survive a stop")
def _(patch: Patch) -> None:
    original = worker.Worker.reconnect
    patch.setattr(worker.Worker, "reconnect", lambda self, **_: original(self))


@mutant("no worker survives a stop", "a full worker survives a stop")
def _(patch: Patch) -> None:
    original = worker.Worker.reconnect
    patch.setattr(worker.Worker, "reconnect", lambda self, **_: original(self, in_brpop=True))


@mutant("a publish waits for the broker", "given up in an outage")
def _(patch: Patch) -> None:
    patch.setattr(client, "PUBLISH_AGAIN_S", (0.2,) * 50)


@mutant("who wants the result gives up, too", "who wants the result waits for the broker")
def _(patch: Patch) -> None:
    def not_at_all(self: client.Client, *_: object) -> Iterator[None]:
        return iter(())

    patch.setattr(client.Client, "_subscribe", not_at_all)


# --- other clients -------------------------------------------------------------------------


@mutant("a sweep asks for the workers' timeout", "another client's short timeout, early ack")
def _(patch: Patch) -> None:
    original = broker.Broker.sweep
    patch.setattr(broker.Broker, "sweep", lambda self, by, *_: original(self, by))


@mutant("a client's sweep restores everything", "another client's long timeout")
def _(patch: Patch) -> None:
    original = broker.Broker.sweep

    def everything(
        self: broker.Broker, by: str | None, timeout_s: float | None = None, skew_s: float = 0.0
    ) -> None:
        original(self, by, timeout_s and 0.01, skew_s)

    patch.setattr(broker.Broker, "sweep", everything)


@mutant("nobody asks for the mutex", "a mutex that outlives its holder")
def _(patch: Patch) -> None:
    patch.setattr(broker.Broker, "plant_mutex", lambda self, expires_s: None)


@mutant("a mutex lasts for ever", "a mutex that is gone in time")
def _(patch: Patch) -> None:
    original = broker.Broker.plant_mutex
    patch.setattr(broker.Broker, "plant_mutex", lambda self, _: original(self, 1e9))


@mutant("a lock keeps a second beat from publishing", "a second beat of two entries")
def _(patch: Patch) -> None:
    patch.setattr(controls, "second_beat", lambda scenario, now_s: [])


@mutant("two beats are in step", "a second beat")
def _(patch: Patch) -> None:
    original = commands.second_beat

    def in_step(scenario: Scenario, now_s: float) -> list[tuple[str, float]]:
        return [(task, at_s - now_s) for task, at_s in original(scenario, now_s)]

    patch.setattr(controls, "second_beat", in_step)
