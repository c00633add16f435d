"""Wrong models of the end of workers and children."""

from __future__ import annotations

from typing import Any

from sandbox.engines.model import broker, pool, worker
from tests.mutants.registry import Patch, after, before, mutant


@mutant("a warm shutdown loses what is prefetched", "a warm shutdown, early ack")
def _(patch: Patch) -> None:
    def forget(self: worker.Worker) -> None:
        for message in list(self.delivered):
            self.broker.unacked.pop(message, None)
            del self.delivered[message]

    before(patch, worker.Worker, "_exit", forget)


@mutant("a warm shutdown does not wait for what runs", "a warm shutdown, late ack")
def _(patch: Patch) -> None:
    original = worker.Worker.terminate

    def terminate(self: worker.Worker) -> None:
        self.pool.kill_all()
        for slot in self.pool.slots:
            slot.message = slot.started_s = None
        original(self)

    patch.setattr(worker.Worker, "terminate", terminate)


@mutant("reject_on_worker_lost is ignored", "a child killed behind what is prefetched")
def _(patch: Patch) -> None:
    def lose(self: pool.Pool, message: broker.Message) -> None:
        self.record.message("child_lost", message, self.name)
        self.record.message("failed", message, self.name, {"error": "WorkerLostError"})
        self.worker.ack(message)

    patch.setattr(pool.Pool, "_lose", lose)


@mutant("acks_late alone requeues what a child ran", "a child killed, late ack")
def _(patch: Patch) -> None:
    def lose(self: pool.Pool, message: broker.Message) -> None:
        self.record.message("child_lost", message, self.name)
        self.worker.reject(message)

    patch.setattr(pool.Pool, "_lose", lose)


@mutant("a dead child is always noticed at once", "six children killed")
def _(patch: Patch) -> None:
    patch.setattr(worker.Worker, "notice_s", lambda self: self.world.overheads.detection_s)


@mutant("a child lives for one task more", "a new child after two tasks")
def _(patch: Patch) -> None:
    def one_more(self: pool.Pool, *_: Any) -> None:
        self.max_tasks = self.max_tasks and self.max_tasks + 1

    after(patch, pool.Pool, "__init__", one_more)
