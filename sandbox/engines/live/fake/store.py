"""The data: fakeredis's databases, and the clients that wait for something in them."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakeredis import FakeServer

# Private names of fakeredis; it has no public ones for these. `Database.notify_watch` is the one
# place that hears of every write, also of those in EXEC and Lua; `Item` is what a key holds.
from fakeredis._core import Database, Item

from sandbox.engines.live.fake import lua

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.engines.live.loop import Timer

VERSION = (7, 0, 0)
"""The redis-server whose behaviour and wording fakeredis imitates."""


@dataclass(eq=False, slots=True)
class Waiter:
    """A client parked in a blocking command.

    `words` are the command's arguments: its keys and more, since a write to a key named like
    one of the others only costs a vain attempt. `serve` tries the command again.
    """

    words: frozenset[bytes]
    serve: Callable[[Waiter], None]
    database: WatchedDatabase
    timer: Timer | None = field(default=None)

    def leave(self) -> None:
        """Stop waiting; the client no longer has a claim on any key."""
        self.database.waiters.pop(self, None)
        if self.timer:
            self.timer.cancel()


class WatchedDatabase(Database):
    """A database that notes the keys written while clients wait."""

    def __init__(self, store: Store) -> None:
        """Make an empty database that tells `store` when waiters may be served."""
        super().__init__(store.lock)
        self.waiters: dict[Waiter, None] = {}  # a set in the order of arrival
        self._written: set[bytes] = set()
        self._store = store

    def item(self, key: bytes) -> Any:
        """Return what `key` holds (its `value` and `expireat`), or None."""
        found = self._dict.get(key)
        if found is None or found.expireat is None or found.expireat > self.time:
            return found
        del self._dict[key]
        self.notify_watch(key)
        return None

    def __getitem__(self, key: bytes) -> Any:
        """Return what `key` holds; KeyError if there is nothing."""
        found = self.item(key)
        if found is None:
            raise KeyError(key)
        return found

    def expired(self, item: Any) -> bool:
        """Whether `item` is at its end, to the millisecond as in redis-server."""
        return item.expireat is not None and item.expireat <= self.time

    def expire(self, key: bytes, at: float) -> None:
        """Let `key`, which is there, end at a time of the wall clock."""
        self._dict[key].expireat = at
        self.schedule_expiry(key, at)

    def put_back(self, key: bytes, value: bytes, left: bool) -> None:
        """Put `value` back to the end of the list that it was popped from."""
        item = self.item(key)
        if item is None:
            self.create(key, [value])
        elif type(item.value) is list:
            item.value.insert(0 if left else len(item.value), value)
        self.notify_watch(key)

    def create(self, key: bytes, value: Any) -> None:
        """Let `key` hold `value` without an end."""
        self._dict[key] = made = Item(value)
        made.expireat = None

    def remove(self, key: bytes) -> None:
        """Drop `key`, which is there."""
        del self._dict[key]

    def notify_watch(self, key: bytes) -> None:
        """Take note that `key` is being written; its value is there after the command."""
        if key in self._watches:
            for session in self._watches[key]:
                session.notify_watch()
        if self.waiters:
            self._written.add(key)
            self._store.ready.add(self)

    def wake_all(self) -> None:
        """Wake nobody: no thread waits on this database's condition."""

    def serve(self) -> None:
        """Offer what was written to the waiting clients, the longest-waiting first."""
        written, self._written = self._written, set()
        for waiter in list(self.waiters):
            if not written.isdisjoint(waiter.words) and waiter in self.waiters:
                waiter.serve(waiter)


class Store(FakeServer):
    """All databases, and which of them may have something for their waiters."""

    def __init__(self) -> None:
        """Make an empty store."""
        super().__init__(version=VERSION)
        self.dbs: dict[int, Any] = defaultdict(lambda: WatchedDatabase(self))
        self.ready: set[WatchedDatabase] = set()
        self.lua = lua.Closed()

    def info(self) -> str:
        """Return the reply of INFO: the few fields that clients read."""
        dbs = sorted(self.dbs.items())
        fields = {
            "redis_version": ".".join(map(str, VERSION)),
            "redis_mode": "standalone",
            "process_id": os.getpid(),
            "connected_clients": len(self.sockets),
            "blocked_clients": sum(len(database.waiters) for _, database in dbs),
            "loading": 0,
            "role": "master",
        }
        fields |= {f"db{i}": f"keys={len(keys)},expires=0,avg_ttl=0" for i, keys in dbs if keys}
        return "".join(f"{name}:{value}\r\n" for name, value in fields.items())

    def settle(self) -> None:
        """Serve waiters until there is no write left that one of them could take."""
        while self.ready:
            self.ready.pop().serve()
