"""The broker: Redis lists, `unacked`, and kombu's way of putting messages back.

Compare kombu/transport/redis.py: ``Channel._put``, ``_brpop_start`` and ``_brpop_read``,
``QoS.append``, ``ack``, ``reject``, ``restore_by_tag`` and ``restore_visible``.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import deque
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING

from sandbox.engines.model.chance import Chance
from sandbox.engines.model.clock import Clock
from sandbox.engines.model.ghost import Ghost
from sandbox.engines.model.record import Record
from sandbox.scenario import Scenario, TaskType

if TYPE_CHECKING:
    from sandbox.engines.model.consumer import Consumer
    from sandbox.engines.model.crash import Leak
    from sandbox.engines.model.standstill import Standstill

_MAX_PRIORITY = 9
BRPOP_TIMEOUT_S = 1.0


class Kind:
    """A task type, made ready: its draws, its queue and the Redis list its messages go to."""

    __slots__ = (
        "blocks", "body_s", "chance", "countdown_s", "expires_s", "is_cpu", "is_limited",
        "is_plain", "is_timed", "is_watched", "late", "leak", "name", "queue", "ready", "service_s",
        "task",
    )  # fmt: skip

    def __init__(
        self, task: TaskType, chance: Chance, ready: deque[Message], body_s: float,
        *, is_watched: bool = False,
    ) -> None:  # fmt: skip
        self.task, self.chance, self.ready, self.body_s = task, chance, ready, body_s
        self.name, self.queue, self.service_s = task.name, task.queue, chance.service_s
        self.expires_s, self.countdown_s = task.expires_s, task.countdown_s
        self.is_timed = bool(task.expires_s is not None or task.countdown_s)
        self.late, self.is_cpu = task.acks_late, task.work == "cpu"
        self.is_limited = task.time_limit_s is not None or task.soft_time_limit_s is not None
        # After its own work the body blocks: on a call, or on another task's result.
        self.blocks = task.calls is not None or task.waits_for is not None
        self.is_watched = is_watched
        is_odd = self.is_cpu or self.is_limited or task.p_failure or self.blocks or is_watched
        self.is_plain = not (is_odd or task.crash)
        self.leak: Leak | None = None

    def leak_from(self, leak: Leak) -> None:
        """Have executions run out of memory from now on."""
        self.leak, self.is_plain = leak, False


class Message:
    """One message: a task, one of its retries, and the delivery tag that survives redelivery."""

    __slots__ = ("eta_s", "expires_s", "key", "kind", "n", "retry", "tag")

    def __init__(
        self, kind: Kind, n: int, tag: str, expires_s: float | None,
        retry: int = 0, eta_s: float | None = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.n = n
        self.key = f"{kind.name}/{n}"
        self.tag = tag
        self.expires_s = expires_s
        self.retry = retry
        self.eta_s = eta_s

    def copy(self) -> Message:
        """Return the same message as an object of its own, as a second delivery of it is."""
        return Message(self.kind, self.n, self.tag, self.expires_s, self.retry, self.eta_s)

    def next_retry(self, tag: str, eta_s: float | None) -> Message:
        """Return the message of the next retry; an expiry stays where it was."""
        return Message(self.kind, self.n, tag, self.expires_s, self.retry + 1, eta_s)


class Broker:
    """The lists, one for each (priority step, queue), and the messages nobody has acknowledged.

    The left end of a deque is the *front*, where BRPOP pops; publishing and requeueing add at
    the back (LPUSH), restoring adds at the front (RPUSH).
    """

    def __init__(self, env: Clock, scenario: Scenario, record: Record) -> None:
        self.env, self.settings, self.record = env, scenario.broker, record
        self.lists: dict[tuple[int, str], deque[Message]] = {}
        self.unacked: dict[Message, float] = {}
        self.blocked: dict[Consumer | Ghost, float] = {}
        self.is_down, self.keeps = False, scenario.broker.persistence == "aof"
        self.standstill: Standstill | None = None
        self.is_full = self.is_skewed = self.is_odd = False
        self._mutex_until_s = -math.inf
        self._heirs: dict[Message, Message] = {}
        self._tags = count()

    def changed(self, *, is_far: bool = False) -> None:
        """Say whether a client has to look at its state: most runs never do."""
        is_still = self.standstill is not None
        self.is_odd = self.is_down or self.is_full or is_still or is_far

    def list_of(self, task: TaskType) -> deque[Message]:
        """Return the list that the messages of a task type go to."""
        steps = self.settings.priority_steps
        # A priority below the first step wraps round to the last one, as kombu's index -1 does.
        step = steps[bisect(steps, min(task.priority, _MAX_PRIORITY)) - 1]
        return self.lists.setdefault((step, task.queue), deque())

    def new_tag(self) -> str:
        """Return a delivery tag that no message has."""
        return f"tag{next(self._tags)}"

    # --- into a queue ----------------------------------------------------------------

    def publish(self, message: Message) -> None:
        """LPUSH: to the back of the queue, or straight to a client that waits for it."""
        if not self.blocked or not self._hand_over(message):
            message.kind.ready.append(message)

    def requeue(self, message: Message, worker: str) -> None:
        """`reject(requeue=True)`: from `unacked` to the back of the queue."""
        message = self.newest(message)
        if self.unacked.pop(message, None) is not None:
            self.record.message("requeued", message, worker)
            self.publish(message)

    def restore(self, message: Message, by: str | None) -> None:
        """`restore_by_tag`: from `unacked` to the front of the queue, whoever holds it now."""
        if self.unacked.pop(message, None) is None:
            return
        self.record.message("restored", message, by)
        if not self.blocked or not self._hand_over(message):
            message.kind.ready.appendleft(message)

    def hand_back(self, message: Message, by: str) -> None:
        """Restore a message of which its owner may still run, or keep, a copy."""
        if message in self.unacked:
            heir = self._heirs[message] = message.copy()
            self.unacked[heir] = self.unacked.pop(message)
            self.restore(heir, by)

    def stop(self) -> None:
        """SIGKILL: every connection is gone, and without persistence every message."""
        self.is_down = True
        self.changed()
        if not self.keeps:
            self._mutex_until_s = -math.inf
        self.forget_clients()
        if self.keeps:
            self._heirs |= {message: message.copy() for message in self.unacked}
            self.unacked = {self._heirs[message]: at_s for message, at_s in self.unacked.items()}
        else:
            self._empty()
        self.record.note("broker_stopped", detail={"keeps": self.keeps})

    def _empty(self) -> None:
        self.unacked.clear()
        for ready in self.lists.values():
            ready.clear()

    def flush(self) -> None:
        """FLUSHDB: every message is gone, and the mutex; every client stays."""
        self._mutex_until_s = -math.inf
        self._empty()
        self.record.note("broker_flushed")

    def newest(self, message: Message) -> Message:
        """Return the copy that has a message's entry in `unacked`: the tag is the same."""
        while message in self._heirs:
            message = self._heirs[message]
        return message

    def forget_clients(self) -> None:
        """Cut every connection: nobody waits for a message any more."""
        self.blocked.clear()

    def _hand_over(self, message: Message) -> bool:
        """Give the message to the client whose BRPOP on its list has waited longest."""
        queue = message.kind.queue
        waiting = [worker for worker in self.blocked if queue in worker.queues]
        if not waiting:
            return False
        worker = waiting[0] if len(waiting) == 1 else self._first_in_line(waiting)
        del self.blocked[worker]
        worker.take(message)
        return True

    def _first_in_line(self, waiting: list[Consumer | Ghost]) -> Consumer | Ghost:
        # An idle client asks again every second, and is then last in Redis' line.
        now, since = self.env.now, self.blocked
        return max(waiting, key=lambda worker: (now - since[worker]) % BRPOP_TIMEOUT_S)

    # --- out of a queue --------------------------------------------------------------

    def brpop(self, worker: Consumer) -> Message | None:
        """Pop from the first of the worker's lists that holds a message, or have it wait."""
        if worker.is_slow and self._is_silent(worker):
            return None
        for ready in worker.lists:
            if ready:
                return ready.popleft()
        self.block(worker)
        return None

    def _is_silent(self, worker: Consumer) -> bool:
        """Whether a BRPOP has no answer now, and have the worker wait for one."""
        if worker.half_open is not None and worker.half_open.is_deaf:
            worker.half_open.ask()
            return True
        if self.standstill is not None:
            self.block(worker)
            return True
        return False

    def go_on(self) -> None:
        """Answer, after a standstill, what has been asked; then those who wait for messages."""
        standstill, self.standstill = self.standstill, None
        if standstill is not None:
            standstill.end()
        for worker in list(self.blocked):
            if isinstance(worker, Ghost) or worker not in self.blocked:
                continue
            message = self.brpop(worker)
            if message is not None:
                del self.blocked[worker]
                worker.take(message)

    def block(self, worker: Consumer) -> None:
        """Let the worker wait on all its lists."""
        self.blocked[worker] = self.env.now

    # --- the visibility timeout ------------------------------------------------------

    def age(self, seconds: float) -> None:
        """Make every message in `unacked` older, as ZINCRBY on `unacked_index` does."""
        for message, at_s in self.unacked.items():
            self.unacked[message] = at_s - seconds

    def plant_mutex(self, expires_s: float) -> None:
        """Set `unacked_mutex`, as a client does that dies while it sweeps."""
        self._mutex_until_s = self.env.now + expires_s

    def sweep(
        self, by: str | None, visibility_timeout_s: float | None = None, skew_s: float = 0.0
    ) -> None:
        """`restore_visible`: restore what is older than the visibility timeout.

        kombu takes the newest first, so the oldest ends at the very front. There is no limit
        to their number: ``unacked_restore_limit`` is None unless it is set. Without the
        mutex nobody restores anything; the timeout, and the clock, are the sweeping client's own.
        """
        self.record.note("sweep", worker=by)
        if self.env.now < self._mutex_until_s or self.is_full:
            return
        ceiling = (
            self.env.now + skew_s - (visibility_timeout_s or self.settings.visibility_timeout_s)
        )
        due = []
        noted = self.unacked.items()
        # The order of `unacked` is the order of receipt, where all clocks agree.
        for message, at_s in sorted(noted, key=itemgetter(1)) if self.is_skewed else noted:
            if at_s > ceiling:
                break
            due.append(message)
        for message in reversed(due):
            self.restore(message, by)
