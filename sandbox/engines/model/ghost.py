"""The ghost: what the broker still holds for a worker that hears nothing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.worker import Worker


class Ghost:
    """A BRPOP whose answer nobody hears: until its second is over, it can still be given one."""

    def __init__(self, worker: Worker) -> None:
        self.queues = worker.queues

    def take(self, _message: Message) -> None:
        """Lose the message."""
