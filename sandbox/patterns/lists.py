"""What the broker really holds: every priority list of each queue, and ``unacked``.

``LLEN celery`` shows one list of up to four, and ``inspect`` only what workers have taken.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SEPARATOR = "\x06\x16"
STEPS = (0, 3, 6, 9)
_PAGE = 500


@dataclass(frozen=True)
class QueueLength:
    """Messages that wait in one queue, by priority: ``((0, 12), (3, 0), (6, 0), (9, 1))``."""

    name: str
    by_priority: tuple[tuple[int, int], ...]

    @property
    def waiting(self) -> int:
        """How many wait in all its lists together.

        >>> QueueLength("sms", ((0, 12), (3, 0), (6, 0), (9, 1))).waiting
        13
        """
        return sum(n for _, n in self.by_priority)


@dataclass(frozen=True)
class BrokerLists:
    """All lists in one moment.

    ``unacked``: messages that workers hold, of all queues on this broker. ``oldest_unacked_s``:
    how long ago the first of them was taken, by the clocks of its taker and of Redis.
    """

    queues: tuple[QueueLength, ...]
    unacked: int
    oldest_unacked_s: float | None

    @property
    def waiting(self) -> int:
        """Messages that no worker has taken."""
        return sum(one.waiting for one in self.queues)

    @property
    def backlog(self) -> int:
        """All that is not yet acknowledged: waiting, and taken."""
        return self.waiting + self.unacked


@dataclass(frozen=True)
class Keys:
    """How an app names its keys: from ``broker_transport_options``."""

    prefix: str = ""
    separator: str = SEPARATOR
    steps: tuple[int, ...] = STEPS
    unacked: str = "unacked"
    index: str = "unacked_index"

    @classmethod
    def of(cls, app: Celery) -> Keys:
        """Read them from an app's settings."""
        options = dict(app.conf.broker_transport_options or {})
        return cls(
            prefix=options.get("global_keyprefix", ""),
            separator=options.get("sep", SEPARATOR),
            steps=tuple(options.get("priority_steps", STEPS)),
            unacked=options.get("unacked_key", "unacked"),
            index=options.get("unacked_index_key", "unacked_index"),
        )

    def lists(self, queue: str) -> tuple[tuple[int, str], ...]:
        r"""Return a queue's keys by priority; the first bears the queue's own name.

        >>> Keys(steps=(0, 9)).lists("sms")
        ((0, 'sms'), (9, 'sms\x06\x169'))
        """
        return tuple((step, self._list(queue, step)) for step in self.steps)

    def list_for(self, queue: str, priority: int) -> str:
        """Return the key of the list that a message of this priority goes to.

        >>> Keys().list_for("sms", 2), Keys().list_for("sms", 5) == Keys().list_for("sms", 3)
        ('sms', True)
        """
        steps = sorted(self.steps)
        return self._list(queue, steps[max(0, bisect(steps, priority) - 1)])

    def _list(self, queue: str, step: int) -> str:
        return f"{self.prefix}{queue}{self.separator}{step}" if step else self.prefix + queue


def client_of(app: Celery, timeout_s: float = 2.0) -> Redis:
    """Return a client of an app's broker that never waits longer than ``timeout_s``, nor retries.

    It only looks, and it is not kombu's: it takes no message and restores none.
    """
    return bounded(app.connection_for_read().as_uri(include_password=True), timeout_s)


@lru_cache(maxsize=32)
def shared_client(app: Celery) -> Redis:
    """Return the one such client that an app's tasks share in this process and its children."""
    return client_of(app)


def bounded(url: str, timeout_s: float = 2.0) -> Redis:
    """Return a client of the server at ``url`` that fails instead of waiting or trying again."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def queues_of(app: Celery, tasks: Iterable[str]) -> tuple[str, ...]:
    """Return the queues that an app's tasks are routed to, and its default queue.

    >>> app = Celery(set_as_current=False)
    >>> app.conf.task_routes = {"send": {"queue": "sms"}}
    >>> queues_of(app, ["send", "count"])
    ('celery', 'sms')
    """
    found = {str(app.conf.task_default_queue)}
    for name in tasks:
        route = app.amqp.router.route({}, name)
        found.add(str(getattr(route.get("queue"), "name", "") or app.conf.task_default_queue))
    return tuple(sorted(found))


def read(client: Redis, queues: Sequence[str], keys: Keys | None = None) -> BrokerLists:
    """Read all lists in one transaction, so that no message is counted twice or missed between.

    Raises redis.RedisError when the broker does not answer.
    """
    keys = keys or Keys()
    asked = [(queue, step, key) for queue in queues for step, key in keys.lists(queue)]
    with client.pipeline(transaction=True) as pipe:
        for _, _, key in asked:
            pipe.llen(key)
        pipe.hlen(keys.prefix + keys.unacked)
        pipe.zrange(keys.prefix + keys.index, 0, 0, withscores=True)
        pipe.time()
        *lengths, unacked, first, now = pipe.execute()
    by_queue: dict[str, list[tuple[int, int]]] = {queue: [] for queue in queues}
    for (queue, step, _), n in zip(asked, lengths, strict=True):
        by_queue[queue].append((step, n))
    oldest = max(0.0, now[0] + now[1] / 1e6 - float(first[0][1])) if first else None
    return BrokerLists(
        tuple(QueueLength(name, tuple(found)) for name, found in by_queue.items()), unacked, oldest
    )


def holds(client: Redis, task_id: str, queues: Sequence[str], keys: Keys | None = None) -> bool:
    """Whether a message of this task is in one of the lists or in ``unacked``.

    It reads them all: for the rare question, not for every poll. A message that moves meanwhile
    may be missed, so ``unacked``, where messages come to, is read last.
    """
    keys = keys or Keys()
    return any(_id(one) == task_id for one in _messages(client, queues, keys))


def _messages(client: Redis, queues: Sequence[str], keys: Keys) -> Iterator[Any]:
    for queue in queues:
        for _, key in keys.lists(queue):
            start = 0
            while page := client.lrange(key, start, start + _PAGE - 1):
                yield from map(json.loads, page)
                start += _PAGE
    for _, value in client.hscan_iter(keys.prefix + keys.unacked):
        yield json.loads(value)[0]


def _id(message: dict[str, Any]) -> str | None:
    found: str | None = message.get("headers", {}).get("id")
    return found
