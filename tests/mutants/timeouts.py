"""Wrong models of the visibility timeout."""

from __future__ import annotations

from typing import Any

from sandbox.engines.model import broker, worker
from tests.mutants.registry import Patch, after, before, mutant, remember_workers, workers_of


@mutant("an old owner's ack is ignored", "an old owner's ack takes the new owner's entry")
def _(patch: Patch) -> None:
    owners: dict[Any, worker.Worker] = {}
    before(patch, worker.Worker, "deliver", lambda self, m: owners.__setitem__(m, self))
    original = worker.Worker.ack

    def ack(self: worker.Worker, message: broker.Message) -> None:
        if owners.get(message) is self:
            original(self, message)

    patch.setattr(worker.Worker, "ack", ack)


@mutant("the sweep does not wait for its interval", "a sweep each 3 s")
def _(patch: Patch) -> None:
    def at_the_timeout(self: worker.Worker, message: broker.Message) -> None:
        timeout_s = self.broker.settings.visibility_timeout_s
        self.world.call_in(timeout_s + 1e-6, self.broker.sweep, None)

    after(patch, worker.Worker, "deliver", at_the_timeout)


@mutant("the sweep comes once only", "the timeout of a dead worker's message")
def _(patch: Patch) -> None:
    def never(self: worker.Worker) -> Any:
        self.broker.sweep(self.name)
        yield

    patch.setattr(worker.Worker, "sweeper", never)


@mutant("the timeout counts from the publishing", "the timeout counts from the delivery")
def _(patch: Patch) -> None:
    sent: dict[Any, float] = {}
    before(patch, broker.Broker, "publish", lambda self, m: sent.setdefault(m, self.env.now))

    def back_to_sent(self: worker.Worker, message: broker.Message) -> None:
        self.broker.unacked[message] = sent[message]

    after(patch, worker.Worker, "deliver", back_to_sent)


@mutant("a dead worker's messages come back at once", "without the hour")
def _(patch: Patch) -> None:
    def restore_all(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.restore(message, self.name)

    after(patch, worker.Worker, "kill", restore_all)


@mutant("a worker's start restores everything", "without the hour")
def _(patch: Patch) -> None:
    before(patch, worker.Worker, "sweeper", lambda self: self.broker.age(3601.0))


@mutant("what is running is not redelivered", "an hour passes while late tasks run")
def _(patch: Patch) -> None:
    original = broker.Broker.restore

    def restore(self: broker.Broker, message: broker.Message, by: str | None) -> None:
        slots = [slot for w in workers_of(self) if w.is_alive for slot in w.pool.slots]
        if not any(slot.message is message for slot in slots):
            original(self, message, by)

    patch.setattr(broker.Broker, "restore", restore)
    remember_workers(patch)
