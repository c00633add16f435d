"""Wrong models of what becomes of a message whose attempt ended badly."""

from __future__ import annotations

from sandbox.engines.model import broker, request, worker
from sandbox.tasks import TaskType
from tests.mutants.registry import Patch, mutant


@mutant("acks_on_failure is ignored", "a failure is rejected")
def _(patch: Patch) -> None:
    patch.setattr(request, "after_failure", lambda worker, message: None)


@mutant("acks_on_failure takes an early ack back", "an early ack is not taken back")
def _(patch: Patch) -> None:
    def after_failure(worker: worker.Worker, message: broker.Message) -> None:
        if not message.kind.task.acks_on_failure:
            worker.drop(message)

    patch.setattr(request, "after_failure", after_failure)


@mutant("a lost child's message is acknowledged all the same", "a lost child is a failure")
def _(patch: Patch) -> None:
    original = request.lose

    def lose(worker: worker.Worker, message: broker.Message) -> None:
        patch.setattr(request, "after_failure", lambda worker, message: None)
        original(worker, message)

    patch.setattr(request, "lose", lose)


@mutant("acks_on_timeout is ignored", "a hard limit without an ack goes round")
def _(patch: Patch) -> None:
    patch.setattr(request, "after_timeout", lambda worker, message: None)


@mutant("what is over its limit goes to the front", "a hard limit without an ack goes to the back")
def _(patch: Patch) -> None:
    def after_timeout(worker: worker.Worker, message: broker.Message) -> request.Settle:
        def to_the_front(message: broker.Message) -> None:
            worker.delivered.pop(message, None)
            worker.broker.restore(message, worker.name)
            worker.credit()

        return to_the_front

    patch.setattr(request, "after_timeout", after_timeout)


@mutant("a lost worker is retried without its delay", "a lost worker is retried, early ack")
def _(patch: Patch) -> None:
    original = request._retry

    def at_once(worker: worker.Worker, message: broker.Message) -> None:
        kind = message.kind
        patch.setattr(kind, "task", kind.task.but(default_retry_delay_s=0.0))
        original(worker, message)

    patch.setattr(request, "_retry", at_once)


@mutant("lost workers have no max_retries", "lost more often than max_retries")
def _(patch: Patch) -> None:
    patch.setattr(TaskType, "lost_max_retries", property(lambda self: 99))


@mutant("a lost worker is rejected rather than retried", "a lost worker is retried, not rejected")
def _(patch: Patch) -> None:
    original = request.lose

    def reject_first(worker: worker.Worker, message: broker.Message) -> None:
        kind = message.kind
        patch.setattr(kind, "task", kind.task.but(retry_on_worker_lost=False))
        original(worker, message)

    patch.setattr(request, "lose", reject_first)


@mutant("what a killed worker ran is retried", "nobody is left to retry")
def _(patch: Patch) -> None:
    original = worker.Worker.kill

    def kill(self: worker.Worker) -> None:
        for slot in self.pool.slots:
            if slot.message is not None and slot.started_s is not None:
                request.lose(self, slot.message)
        original(self)

    patch.setattr(worker.Worker, "kill", kill)
