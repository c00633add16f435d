"""Wrong models of queues and their order."""

from __future__ import annotations

from typing import Any

from sandbox.engines.model import broker, pool, worker
from tests.mutants.registry import Patch, after, mutant


@mutant("a restored message goes to the back", "a worker killed, late ack, then an hour")
def _(patch: Patch) -> None:
    def restore(self: broker.Broker, message: broker.Message, by: str | None) -> None:
        if self.unacked.pop(message, None) is not None:
            self.record.message("restored", message, by)
            self.publish(message)

    patch.setattr(broker.Broker, "restore", restore)


@mutant("a rejected message goes to the front", "a child killed, rejected to the back")
def _(patch: Patch) -> None:
    def requeue(self: broker.Broker, message: broker.Message, by: str) -> None:
        if self.unacked.pop(message, None) is not None:
            self.record.message("requeued", message, by)
            message.kind.ready.appendleft(message)

    patch.setattr(broker.Broker, "requeue", requeue)


@mutant("the last published is the first delivered", "early ack, prefetch 4")
def _(patch: Patch) -> None:
    def publish(self: broker.Broker, message: broker.Message) -> None:
        if not self.blocked or not self._hand_over(message):
            message.kind.ready.appendleft(message)

    patch.setattr(broker.Broker, "publish", publish)


@mutant("a retry goes to the front", "a retry without a countdown")
def _(patch: Patch) -> None:
    def published(self: pool.Pool, retry: broker.Message) -> None:
        self.record.published(retry, self.name)
        retry.kind.ready.appendleft(retry)

    patch.setattr(pool.Pool, "published", published)


@mutant("the largest priority number goes first", "four priority steps")
def _(patch: Patch) -> None:
    original = worker.Worker._brpop_keys
    patch.setattr(
        worker.Worker, "_brpop_keys", lambda self, cycle: list(reversed(original(self, cycle)))
    )


@mutant("each priority has a list of its own", "four priority steps")
def _(patch: Patch) -> None:
    def ten_steps(self: broker.Broker, *_: Any) -> None:
        self.settings = self.settings.but(priority_steps=tuple(range(10)))

    after(patch, broker.Broker, "__init__", ten_steps)


@mutant("a queue's turn goes before a priority step", "a step goes before a turn")
def _(patch: Patch) -> None:
    def keys(self: worker.Worker, cycle: tuple[str, ...]) -> list[Any]:
        lists, steps = self.broker.lists, self.broker.settings.priority_steps
        return [lists[s, q] for q in cycle for s in steps if (s, q) in lists]

    patch.setattr(worker.Worker, "_brpop_keys", keys)


@mutant("round robin does not rotate", "queues take turns")
def _(patch: Patch) -> None:
    after(patch, worker.Worker, "__init__", lambda self, *_: setattr(self, "_rotates", False))
