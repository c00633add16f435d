"""A dead-letter queue that works on Redis: what failed for good is kept, and can be run again.

RabbitMQ has dead-letter exchanges; Redis has none, and Celery accepts ``task_dead_letter_exchange``
in silence because it ignores every setting that it does not know.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from celery import Celery, signals
from redis import Redis, RedisError

from sandbox.errors import SandboxError, shown
from sandbox.patterns import lists
from sandbox.patterns.payload import message_of

_log = logging.getLogger(__name__)

# KEYS: entries, order, counters. ARGV: id, entry, when, bound.
_PUT = """
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) == 1 then
    redis.call('HINCRBY', KEYS[3], 'kept', 1)
end
redis.call('HINCRBY', KEYS[3], 'failures', 1)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
        redis.call('HDEL', KEYS[1], id)
        redis.call('ZREM', KEYS[2], id)
        redis.call('HINCRBY', KEYS[3], 'dropped', 1)
    end
end
return math.max(0, over)
"""
# KEYS: entries, order, the queue's list. ARGV: id, entry as it was read, message.
_REPLAY = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('LPUSH', KEYS[3], ARGV[3])
return 1
"""


class NoSuchLetter(SandboxError, LookupError):  # noqa: N818 - what is wrong, as it is said
    """An id that is not, or no longer, among the dead letters."""


@dataclass(frozen=True)
class DeadLetter:
    """A task that failed for good. ``at``: seconds since the epoch, by the worker's clock.

    ``queue`` and ``priority`` are where its message came from; None where that was not known, and
    a replay is then routed as a new task is.
    """

    id: str
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    error: str
    traceback: str
    retries: int
    at: float = field(default_factory=time.time)
    queue: str | None = None
    priority: int | None = None

    @classmethod
    def read(cls, text: str | bytes) -> DeadLetter:
        """Read what is stored."""
        stored = json.loads(text)
        return cls(**stored | {"args": tuple(stored["args"])})

    def text(self) -> str:
        """Return it as it is stored; what is no JSON, as it is shown."""
        return json.dumps(asdict(self), default=repr)


@dataclass(frozen=True)
class Counts:
    """``length`` now; of all time, ``failures`` seen and letters ``dropped`` over the bound."""

    length: int
    failures: int
    dropped: int


class DeadLetters:
    """The dead letters of one app, in its broker's Redis; at most ``bound``, the oldest go first.

    A letter is put when the failure is signalled. With ``acks_late`` the message is acknowledged
    after that, so a crash in between brings the message again, not nothing; with early
    acknowledgement a crash in that moment loses the letter. ``timeout_s`` bounds each look.

    >>> app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    >>> try:
    ...     DeadLetters(app).counts()
    ... except RedisError:
    ...     print("no broker")
    no broker
    """

    def __init__(
        self,
        app: Celery,
        name: str = "dead-letters",
        *,
        bound: int = 10_000,
        timeout_s: float = 2.0,
    ) -> None:
        self._app = app
        self._bound = bound
        self._client: Redis = lists.client_of(app, timeout_s)
        prefix = lists.Keys.of(app).prefix + name
        self._entries, self._order, self._counters = prefix, f"{prefix}:order", f"{prefix}:counts"

    def put(self, letter: DeadLetter) -> None:
        """Keep a letter; one with the same id is replaced."""
        keys = (self._entries, self._order, self._counters)
        self._client.eval(
            _PUT, len(keys), *keys, letter.id, letter.text(), repr(letter.at), str(self._bound)
        )

    def list(self, most: int = 100, task: str | None = None) -> tuple[DeadLetter, ...]:
        """Return the newest ``most`` of a task, or of all."""
        newest: Any = self._client.zrevrange(self._order, 0, -1 if task else most - 1)
        stored: Any = self._client.hmget(self._entries, newest) if newest else []
        letters = (DeadLetter.read(text) for text in stored if text is not None)
        return tuple(one for one in letters if task in {None, one.task})[:most]

    def counts(self) -> Counts:
        """Return how many there are, and were."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zcard(self._order)
            pipe.hmget(self._counters, ["failures", "dropped"])
            length, (failures, dropped) = pipe.execute()
        return Counts(length, int(failures or 0), int(dropped or 0))

    def replay(self, letter_id: str) -> None:
        """Give a task back to its queue, with its id, its arguments and no retries used up.

        Redis moves it in one step: it is among the letters or in the queue, whatever crashes, and
        of two who replay it one gets NoSuchLetter. So is one who did not hear the answer and asks
        again. How often it is then executed is as with every message of this app.
        """
        stored: Any = self._client.hget(self._entries, letter_id)
        if stored is None or not self._replayed(letter_id, stored):
            raise NoSuchLetter(f"no dead letter has the id {shown(letter_id)}")

    def replay_all(self, task: str | None = None, most: int = 10_000) -> int:
        """Replay each letter that there is now once, the oldest first; return how many."""
        n = 0
        for letter in reversed(self.list(most, task)):
            stored: Any = self._client.hget(self._entries, letter.id)
            n += stored is not None and self._replayed(letter.id, stored)
        return n

    def _replayed(self, letter_id: str, stored: bytes) -> bool:
        letter = DeadLetter.read(stored)
        where = {"queue": letter.queue, "priority": letter.priority}
        options = {name: value for name, value in where.items() if value is not None}
        message = message_of(
            self._app, letter.task, letter.args, letter.kwargs, task_id=letter.id, **options
        )
        keys = (self._entries, self._order, message.key)
        return bool(
            self._client.eval(_REPLAY, len(keys), *keys, letter_id, stored, message.payload)
        )

    def purge(self, letter_id: str | None = None) -> int:
        """Throw a letter away, or all; return how many."""
        with self._client.pipeline(transaction=True) as pipe:
            if letter_id is None:
                pipe.zcard(self._order)
                pipe.delete(self._entries, self._order)
            else:
                pipe.zrem(self._order, letter_id)
                pipe.hdel(self._entries, letter_id)
            return int(pipe.execute()[0])


def keep(app: Celery, letters: DeadLetters) -> None:
    """Have every worker of ``app`` keep what fails for good; call it where the app is made.

    That is what Celery signals as a failure: retries that are used up, an error that is not
    retried, a rejected message, a hard time limit, a lost process. A worker that is killed whole
    signals nothing; its messages come back by the visibility timeout.
    """

    def on_failure(  # noqa: PLR0913, PLR0917 - Celery's own arguments
        sender: Any,
        task_id: str,
        exception: BaseException,
        args: Any,
        kwargs: Any,
        einfo: Any,
        **_: Any,
    ) -> None:
        if sender.app is not app:
            return
        request = sender.request
        came = request.delivery_info or {}
        letter = DeadLetter(
            task_id,
            sender.name,
            tuple(args or ()),
            dict(kwargs or {}),
            f"{type(exception).__name__}: {exception}",
            str(getattr(einfo, "traceback", "") or ""),
            request.retries or 0,
            queue=came.get("routing_key") if came.get("exchange") == "" else None,
            priority=came.get("priority"),
        )
        try:
            letters.put(letter)
        except RedisError:
            _log.exception("dead letter %s could not be kept", letter.text())

    signals.task_failure.connect(on_failure, weak=False, dispatch_uid=f"dead letters {id(app)}")
