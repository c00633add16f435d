"""A broker without redis-server: fakeredis behind a TCP front that real Celery workers can use.

One process, one thread, one event loop. A command that would block never blocks the loop: its
client is parked until a write to one of its keys, the time-out or the end of its connection.

Only this machine can connect, and only with the password. The password is all: whoever has it
can run Lua, and fakeredis's Lua can reach Python.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hmac
import os
import socket
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import redis
from fakeredis import FakeServer

# Private names of fakeredis; it has no public ones for these. `_socket.FakeSocket`: one
# client's state and commands. `_core.Database`: its `notify_watch` is the one place that hears
# of every write, also of those in EXEC and Lua. `_commands`: the signature of each command.
# `_helpers`: the types commands answer with.
from fakeredis._commands import SUPPORTED_COMMANDS
from fakeredis._core import Database
from fakeredis._helpers import OK, NoResponse, SimpleError
from fakeredis._socket import FakeSocket

from sandbox.engines.live import resp

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

# The private methods of FakeSocket, and why. Its private state `_db`, `_transaction`,
# `_in_transaction`, `_pubsub`, `_reply_off` and `_reply_skip` is read, never set.
_PRIVATE = (
    "_process_command",  # runs one request given as a list of words
    "_run_command",  # the same without transactions, ACLs and CLIENT REPLY: half the time
    "_decode_result",  # overridden: a reply becomes bytes, not what redis-py would return
    "_blocking",  # overridden: parks the client and does not wait on a condition
    "_keyspace_notifications",  # overridden: off, as in a default redis-server
)
if _missing := [name for name in _PRIVATE if not hasattr(FakeSocket, name)]:
    _message = f"fakeredis's FakeSocket has no {_missing}: the fake broker was made for 2.40"
    raise ImportError(_message)

VERSION = (7, 0, 0)
"""The redis-server whose behaviour and wording fakeredis imitates."""

_PLAIN = {
    name.encode(): SUPPORTED_COMMANDS[name.lower()]
    for name in (
        *("PING", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "GET", "SET", "SETEX", "DEL", "EXPIRE"),
        *("LPUSH", "RPUSH", "LLEN", "BRPOP", "BLPOP"),
        *("ZADD", "ZREM", "HSET", "HGET", "HDEL"),
    )
}
"""A broker's everyday commands; they concern no database but the client's own."""


@dataclass(eq=False, slots=True)
class Waiter:
    """A client parked in a blocking command.

    `words` are the command's arguments: its keys and more, since a write to a key named like
    one of the others only costs a vain attempt. `attempt` returns None while there is nothing.
    """

    client: Client
    words: frozenset[bytes]
    attempt: Callable[[bool], Any]
    shape: Callable[[Any], Any] | None
    database: WatchedDatabase
    timer: asyncio.TimerHandle | None = None

    def shaped(self, result: Any) -> Any:
        """Return `result` as the command replies it; None means the time-out."""
        return self.shape(result) if self.shape and not isinstance(result, Exception) else result

    def leave(self) -> None:
        """Stop waiting; the client no longer has a claim on any key."""
        self.database.waiters.pop(self, None)
        self.client.waiter = None
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

    def notify_watch(self, key: bytes) -> None:
        """Take note that `key` is being written; its value is there after the command."""
        super().notify_watch(key)
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
                waiter.client.retry(waiter)


class Store(FakeServer):
    """All databases, and which of them may have something for their waiters."""

    def __init__(self) -> None:
        """Make an empty store."""
        super().__init__(version=VERSION)
        # The front has checked the password; a user without rules is not checked every time.
        self.acl.del_user(b"default")
        self.dbs: dict[int, Any] = defaultdict(lambda: WatchedDatabase(self))
        self.ready: set[WatchedDatabase] = set()

    def settle(self) -> None:
        """Serve waiters until there is no write left that one of them could take."""
        while self.ready:
            self.ready.pop().serve()


class Session(FakeSocket):
    """One client's commands and state (database, transaction, subscriptions) in fakeredis."""

    def __init__(self, client: Client, store: Store, info: dict[str, Any]) -> None:
        """Register with `store`; `info` is what CLIENT LIST says of the client."""
        super().__init__(store, 0, client_class=redis.Redis, client_info=info)
        self._client = client
        self._words: list[bytes] = []

    @property
    def database(self) -> WatchedDatabase:
        """The database the client has selected."""
        return cast("WatchedDatabase", self._db)

    def execute(self, words: list[bytes]) -> None:
        """Run one request and send its reply, unless the client was parked."""
        self._words = words
        signature = _PLAIN.get(words[0])
        if not signature or self._transaction is not None or self._reply_off or self._reply_skip:
            self._process_command(words)
            return
        self._db.time = time.time()
        method = getattr(self, signature.func_name)
        result = self._run_command(method, signature, words[1:], False)
        if not isinstance(result, NoResponse):
            self._client.wire.reply(result)

    def unsubscribe(self, *channels: bytes) -> NoResponse:
        """Leave `channels`, or all; unlike in fakeredis, a client without any gets a reply."""
        mine = channels or self._joined(self._server.subscribers)
        return super().unsubscribe(*mine) if mine else self._left_none(b"unsubscribe")

    def punsubscribe(self, *patterns: bytes) -> NoResponse:
        """Leave `patterns`, or all, with the same reply if there is none."""
        mine = patterns or self._joined(self._server.psubscribers)
        return super().punsubscribe(*mine) if mine else self._left_none(b"punsubscribe")

    def _joined(self, subscribers: Mapping[bytes, Container[Any]]) -> list[bytes]:
        return [channel for channel, sessions in subscribers.items() if self in sessions]

    def _left_none(self, kind: bytes) -> NoResponse:
        self._client.wire.push([kind, None, self._pubsub])
        return NoResponse()

    def put_response(self, msg: bytes | list[Any]) -> None:
        """Send a reply encoded by `_decode_result`, or a message published to this client."""
        wire = self._client.wire
        wire.emit(msg) if isinstance(msg, bytes) else wire.push(msg)

    def kill(self) -> None:
        """Disconnect on behalf of CLIENT KILL, once the replies so far are out."""
        super().kill()
        self._client.wire.close_soon()

    def _decode_result(self, result: Any) -> Any:
        if isinstance(result, NoResponse):
            return result
        return resp.encode(result, self._client.wire.protocol)

    def _blocking(
        self,
        timeout: float | None,
        func: Callable[[bool], Any],
        shape: Callable[[Any], Any] | None = None,
    ) -> Any:
        result = func(True)  # True: the first attempt
        if result is None and not self._in_transaction:
            self._client.park(func, shape, frozenset(self._words[1:]), timeout)
            return NoResponse()
        return shape(result) if shape else result

    def _keyspace_notifications(self, *_: object) -> None:
        pass


class Client:
    """A connection: its requests are run in order, and not while it is parked."""

    def __init__(self, front: Front, sock: socket.socket) -> None:
        """Serve `sock`. Raises OSError if its peer has gone already."""
        host, port = sock.getpeername()
        info = {"addr": f"{host}:{port}", "fd": sock.fileno(), "name": "", "flags": "N"}
        self.waiter: Waiter | None = None
        self.wire = resp.Wire(front.loop, sock, front.unwritten, self._run, self._end)
        self._front = front
        self._session = Session(self, front.store, info)
        self._trusted = False

    def _run(self) -> None:
        """Run the requests that are complete, up to one that blocks, and write all replies."""
        store = self._front.store
        while self.waiter is None and (words := self.wire.next()) is not None:
            if words:
                self._dispatch(words)
            if store.ready:
                store.settle()
        self._front.flush()

    def _dispatch(self, words: list[bytes]) -> None:
        name = words[0].upper()
        special = self._SPECIAL.get(name)
        if not self._trusted and name not in self._OPEN_TO_ALL:
            self._fail("NOAUTH Authentication required.")
        elif special:
            special(self, words[1:])
        else:
            self._execute(words)

    def _execute(self, words: list[bytes]) -> None:
        try:
            self._session.execute(words)
        except Exception as exc:  # noqa: BLE001 - fakeredis's own faults must not end the broker
            self._fail(f"ERR fakeredis: {exc!r}")

    def _fail(self, message: str) -> None:
        self.wire.reply(SimpleError(message))

    def _end(self) -> None:
        """Forget the client at once: its claims on keys and its subscriptions."""
        if self.waiter:
            self.waiter.leave()
        self._session.unsubscribe()
        self._session.punsubscribe()
        self._session.close()

    def park(
        self,
        attempt: Callable[[bool], Any],
        shape: Callable[[Any], Any] | None,
        words: frozenset[bytes],
        timeout: float | None,
    ) -> None:
        """Block the client until `attempt` succeeds or `timeout` seconds (0: never) pass."""
        self.waiter = Waiter(self, words, attempt, shape, self._session.database)
        self.waiter.database.waiters[self.waiter] = None
        if timeout:
            self.waiter.timer = self._front.loop.call_later(timeout, self._expire, self.waiter)

    def retry(self, waiter: Waiter) -> None:
        """Try the blocked command again; a client that has gone gets nothing."""
        if self.wire.gone():
            self.wire.close()
            return
        try:
            result = waiter.attempt(False)
        except SimpleError as exc:
            result = exc
        if result is not None:
            self._unpark(waiter, resp.encode(waiter.shaped(result), self.wire.protocol))

    def _expire(self, waiter: Waiter) -> None:
        result, protocol = waiter.shaped(None), self.wire.protocol
        nothing = resp.NULL_ARRAY[protocol]
        self._unpark(waiter, nothing if result is None else resp.encode(result, protocol))
        self._front.flush()

    def _unpark(self, waiter: Waiter, reply: bytes) -> None:
        waiter.leave()
        self.wire.emit(reply)
        self.wire.resume()

    def _auth(self, words: list[bytes]) -> None:
        if self._check(words):
            self.wire.reply(OK)

    def _check(self, words: list[bytes]) -> bool:
        """Trust the client if `words` are ``[default] password``, else reply with the error."""
        right = bool(words) and hmac.compare_digest(words[-1], self._front.password)
        self._trusted = right and words[:-1] in ([], [b"default"])
        if not self._trusted:
            self._fail("WRONGPASS invalid username-password pair or user is disabled.")
        return self._trusted

    def _hello(self, words: list[bytes]) -> None:
        version, options = (words[0] if words else b"%d" % self.wire.protocol), words[1:]
        if version not in (b"2", b"3"):
            self._fail("NOPROTO unsupported protocol version")
            return
        if options and options[0].upper() == b"AUTH":
            if not self._check(options[1:3]):
                return
            options = options[3:]
        if not self._trusted:
            self._fail("NOAUTH HELLO must be called with AUTH default <password>")
            return
        self.wire.protocol = int(version)
        self._execute([b"HELLO", version, *[word.upper() for word in options[:1]], *options[1:]])

    def _info(self, _: list[bytes]) -> None:
        self.wire.reply(self._front.info().encode())

    def _quit(self, _: list[bytes]) -> None:
        self.wire.reply(OK)
        self.wire.close_soon()

    def _reset(self, _: list[bytes]) -> None:
        self.wire.protocol, self._trusted = 2, False
        self._execute([b"RESET"])

    def _refuse(self, _: list[bytes]) -> None:
        self._fail("ERR not supported by this broker; use redis-server")

    # BLMOVE: fakeredis would answer nil at once where it should block.
    _SPECIAL: ClassVar[dict[bytes, Callable[[Client, list[bytes]], None]]] = {
        b"AUTH": _auth,
        b"HELLO": _hello,
        b"INFO": _info,
        b"QUIT": _quit,
        b"RESET": _reset,
        b"BLMOVE": _refuse,
        b"MONITOR": _refuse,
    }
    _OPEN_TO_ALL: ClassVar[frozenset[bytes]] = frozenset((b"AUTH", b"HELLO", b"QUIT", b"RESET"))


class Front:
    """The listening side: accepts clients and writes out what a batch of requests caused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, password: str) -> None:
        """Make an empty broker whose clients must send `password`."""
        self.loop = loop
        self.password = password.encode()
        self.store = Store()
        self.unwritten: list[resp.Wire] = []

    def listen(self, port: int) -> int:
        """Accept clients on 127.0.0.1; return the port. Raises OSError if it is taken."""
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.settimeout(0)
        self.loop.add_reader(listener, self._accept, listener)
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # out of file numbers: look again later, and do not spin until then
            self.loop.remove_reader(listener)
            self.loop.call_later(0.1, self.loop.add_reader, listener, self._accept, listener)
            return
        sock.settimeout(0)
        with contextlib.suppress(OSError):  # the client has gone already
            Client(self, sock)

    def flush(self) -> None:
        """Write every client's replies of this batch."""
        while self.unwritten:
            self.unwritten.pop().flush()

    def info(self) -> str:
        """Return the reply of INFO: the few fields that clients read."""
        dbs = sorted(self.store.dbs.items())
        fields = {
            "redis_version": ".".join(map(str, VERSION)),
            "redis_mode": "standalone",
            "process_id": os.getpid(),
            "connected_clients": len(self.store.sockets),
            "blocked_clients": sum(len(database.waiters) for _, database in dbs),
            "loading": 0,
            "role": "master",
        }
        fields |= {f"db{i}": f"keys={len(keys)},expires=0,avg_ttl=0" for i, keys in dbs if keys}
        return "".join(f"{name}:{value}\r\n" for name, value in fields.items())


async def _serve(port: int, password: str, ready: Callable[[int], None] | None) -> None:
    loop = asyncio.get_running_loop()
    actual = Front(loop, password).listen(port)
    if ready:
        ready(actual)
    await loop.create_future()  # never done: the process is killed


def serve(port: int, password: str, *, ready: Callable[[int], None] | None = None) -> None:
    """Serve Redis on 127.0.0.1:`port` (0: any free one) until the process is killed.

    `ready` is called with the actual port once clients can connect. Clients must authenticate
    with `password`, as the user ``default``. Raises OSError if the port is taken.
    """
    # Many long-lived objects and few cycles: at its usual rhythm the collector would walk all
    # messages again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    asyncio.run(_serve(port, password, ready))


def main() -> None:
    """Serve with the password of stdin's first line and print the port; for tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments = parser.parse_args()
    password = sys.stdin.readline().rstrip("\n")
    with contextlib.suppress(KeyboardInterrupt):
        serve(arguments.port, password, ready=lambda port: print(port, flush=True))


if __name__ == "__main__":
    main()
