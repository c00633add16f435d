"""What becomes of a message whose attempt ended badly; a worker's main process settles it.

Compare celery/worker/request.py: ``on_failure``, ``on_timeout``, ``_retry_worker_lost``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.engines.model.broker import Message

if TYPE_CHECKING:
    from sandbox.engines.model.worker import Worker

_LOST: dict[str, Any] = {"error": "WorkerLostError"}


Settle = Callable[[Message], None]
"""What a worker does with a message instead of acknowledging it late."""


def after_failure(worker: Worker, message: Message) -> Settle | None:
    """Return what is done with the message of a body that raised, for good."""
    return worker.drop if message.kind.late and not message.kind.task.acks_on_failure else None


def after_timeout(worker: Worker, message: Message) -> Settle | None:
    """Return what is done with the message of a body over its hard limit.

    Requeued without a count, it reaches the limit again, and so on for ever.
    """
    return worker.reject if message.kind.late and not message.kind.task.acks_on_timeout else None


def lose(worker: Worker, message: Message) -> None:
    """Settle what a child ran that has died: retry it, requeue it, or let it fail.

    A retry has the first say, under early ack too; once there is none left, the message is
    not requeued either.
    """
    task, record = message.kind.task, worker.record
    record.message("child_lost", message, worker.name)
    if task.retry_on_worker_lost and message.retry < task.lost_max_retries:
        _retry(worker, message)
        return
    if message.kind.late and task.reject_on_worker_lost and not task.retry_on_worker_lost:
        worker.reject(message)
        return
    record.message("failed", message, worker.name, _LOST)
    if message.kind.late:
        (after_failure(worker, message) or worker.ack)(message)
    worker.world.finished(message.key)


def _retry(worker: Worker, message: Message) -> None:
    """Publish the next retry; the main process does nothing else meanwhile."""
    delay_s = message.kind.task.default_retry_delay_s
    retry = message.next_retry(
        worker.broker.new_tag(), worker.env.now + delay_s if delay_s else None
    )
    worker.record.sent(retry, worker.name)
    worker.record.published(retry, worker.name)
    worker.broker.publish(retry)
    if message.kind.late:
        worker.ack(message)
    worker.record.message("retried", message, worker.name, _LOST)
