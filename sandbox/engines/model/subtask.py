"""Subtasks: tasks that a body publishes and waits for, in its slot.

Compare engines/live/subtask.py, celery/result.py (``AsyncResult.get``) and
celery/backends/redis.py (``ResultConsumer.on_wait_for_pending``: a result that is there already
is taken as it is).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sandbox.engines.model.attempt import Attempt
from sandbox.schedule import subtask_number

if TYPE_CHECKING:
    from sandbox.engines.model.broker import Message
    from sandbox.engines.model.world import World
    from sandbox.scenario import Scenario

SUBTASK_FAILED = "SubtaskFailed"


def waited_for(scenario: Scenario) -> set[str]:
    """Return the types that some task publishes and waits for."""
    return {task.waits_for for task in scenario.tasks if task.waits_for is not None}


class Subtasks:
    """The results of subtasks, and the attempts that wait for them, by the subtask's key."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._types = waited_for(world.scenario)
        self._results: dict[str, bool] = {}
        self._waiting: defaultdict[str, list[Waiter]] = defaultdict(list)

    def of(self, parent: Message) -> Message:
        """Return the message of the task that an attempt publishes."""
        world, name = self._world, parent.kind.task.waits_for
        assert name is not None
        number = subtask_number(world.scenario, parent.kind.name, parent.n, parent.retry)
        return world.first_message(world.kinds[name], number)

    def ended(self, message: Message, *, succeeded: bool) -> None:
        """Store a result and tell who waits for it; a success is never overwritten."""
        if message.kind.name not in self._types:
            return
        self._results[message.key] = succeeded or self._results.get(message.key, False)
        for waiter in self._waiting.pop(message.key, ()):
            waiter.answered(succeeded=self._results[message.key])

    def wait(self, key: str, waiter: Waiter) -> None:
        """Tell ``waiter`` of a result, now if there is one."""
        if key in self._results:
            waiter.answered(succeeded=self._results[key])
        else:
            self._waiting[key].append(waiter)

    def leave(self, key: str, waiter: Waiter) -> None:
        """Tell ``waiter`` nothing more."""
        if waiter in self._waiting.get(key, ()):
            self._waiting[key].remove(waiter)


class Waiter(Attempt):
    """The body of a task that waits for another's result."""

    _key = ""

    def block(self) -> None:
        """Publish the subtask and wait for its result."""
        pool, world = self.pool, self.pool.world
        child = world.subtasks.of(self.message)
        self._key = child.key
        pool.record.sent(child, pool.name)
        if pool.overheads.publish_s:
            world.await_in(pool.overheads.publish_s, self._arrive, child)
        else:
            self._arrive(child)

    def _arrive(self, child: Message) -> None:
        # What has been sent arrives, even if its sender has died meanwhile.
        self.pool.published(child)
        if not self.is_over:
            self.pool.world.subtasks.wait(self._key, self)

    def answered(self, *, succeeded: bool) -> None:
        """Go on with the subtask's result."""
        self.end(self.outcome if succeeded else SUBTASK_FAILED)

    def hang_up(self) -> None:
        """Leave; the subtask goes its way."""
        self.pool.world.subtasks.leave(self._key, self)
