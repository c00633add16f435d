"""One client's commands: the direct way, the full way through fakeredis, and transactions."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

import redis

# Private names of fakeredis; it has no public ones. `_socket.FakeSocket` is one client's state
# and commands, `_helpers` has the types commands answer with.
from fakeredis._command_args_parsing import Timeout
from fakeredis._helpers import NoResponse, SimpleError
from fakeredis._socket import FakeSocket
from fakeredis._socket._base import BaseFakeSocket

from sandbox.engines.live.fake.commands import IN_PUBSUB, IN_SCRIPTS, SERVED, can_queue, find
from sandbox.engines.live.fake.mends import ARGUMENTS_FIRST, SIGNATURES, Mends, arguments_first
from sandbox.engines.live.fake.quick import QUICK, pop
from sandbox.engines.live.fake.resp import (
    NO_ARRAY,
    NULL_ARRAY,
    OK,
    RESP3,
    encode,
    error,
)
from sandbox.engines.live.fake.store import VERSION, WatchedDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from fakeredis._commands import Signature

    from sandbox.engines.live.fake.store import Store
    from sandbox.engines.live.fake.wire import Wire

    Attempt = Callable[[bool], Any]
    Shape = Callable[[Any], Any]
    Park = Callable[[Attempt, Shape | None, list[bytes], float], None]

# The private methods of FakeSocket, and why. Its private state `_db`, `_watches`,
# `_watch_notified` and `_pubsub` is read, never set; `_in_transaction` is set around EXEC.
_PRIVATE = (
    "_run_command",  # runs one command given its signature and arguments
    "_blocking",  # overridden: parks the client and does not wait on a condition
    "_keyspace_notifications",  # overridden: off, as in a default redis-server
    "_name_to_func",  # overridden: what a script may call
    "_clear_watches",
    "_discard_subscriptions",
    "_get_server_runtime",  # overridden: Lua without Python
)
if _missing := [name for name in _PRIVATE if not hasattr(FakeSocket, name)]:
    _message = f"fakeredis's FakeSocket has no {_missing}: the fake broker was made for 2.40"
    raise ImportError(_message)

# What a subscriber may call depends on its protocol; `run` sees to that.
BaseFakeSocket.ACCEPTED_COMMANDS_WHILE_PUBSUB = set(SERVED)

_QUEUED = b"+QUEUED\r\n"
_NOTHING = b""
_SETS = frozenset((b"SDIFF", b"SINTER", b"SMEMBERS", b"SPOP", b"SUNION"))
_NOT_IN_MULTI = frozenset((b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE"))


class Session(Mends, FakeSocket):
    """One client's commands and state (database, transaction, subscriptions).

    `popped` is what the last blocking pop took, until the client has sent another request.
    """

    def __init__(self, wire: Wire, store: Store, park: Park, info: dict[str, Any]) -> None:
        """Register with `store`; `info` is what CLIENT LIST says of the client."""
        super().__init__(store, 0, client_class=redis.Redis, client_info=info)
        self.popped: tuple[WatchedDatabase, bytes, bytes, bool] | None = None
        self.store = store
        self._wire = wire
        self._park = park
        self._words: list[bytes] = []
        self._queue: list[list[bytes]] | None = None
        self._spoiled = False

    @property
    def database(self) -> WatchedDatabase:
        """The database the client has selected."""
        return cast("WatchedDatabase", self._db)

    @property
    def protocol(self) -> int:
        """The version of RESP the client speaks."""
        return self._wire.protocol

    def run(self, words: list[bytes]) -> bytes:
        """Run one request; return its reply, or nothing if it has none or none yet."""
        name = words[0].upper()
        self._db.time = time.time()
        if self._queue is not None:
            return self._in_multi(name, words)
        if self._pubsub and self._wire.protocol != RESP3 and name not in IN_PUBSUB:
            shown = words[0].decode("utf-8", "replace").lower()
            return error(
                f"ERR Can't execute '{shown}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / "
                "PING / QUIT / RESET are allowed in this context"
            )
        return self._run(name, words)

    def _run(self, name: bytes, words: list[bytes]) -> bytes:
        quick = QUICK.get(name)
        if quick and not (self._pubsub and name == b"PING"):
            reply = quick(self, words)
            if reply is not None:
                return reply
        self._words = words
        try:
            own = self._OWN.get(name)
            signature, arguments = find(words)
            if own:
                return own(self)
            method = self._method(signature)
            result = self._run_command(method, signature, arguments, False)
        except SimpleError as exc:
            result = exc
        except Exception as exc:  # noqa: BLE001 - fakeredis's own faults must not end the broker
            result = SimpleError(f"ERR the fake broker failed in {name!r}: {exc!r}")
        if isinstance(result, NoResponse):
            return _NOTHING
        reply = encode(result, self._wire.protocol)
        if self._wire.protocol == RESP3 and name in _SETS and reply.startswith(b"*"):
            return b"~" + reply[1:]
        return reply

    # --- transactions ----------------------------------------------------------------

    def _in_multi(self, name: bytes, words: list[bytes]) -> bytes:
        if name in QUICK and can_queue(name, len(words)):
            cast("list[list[bytes]]", self._queue).append(words)
            return _QUEUED
        own = self._AT_ONCE.get(name)
        try:
            find(words, queue=True)
            if own:
                return own(self)
            if name in _NOT_IN_MULTI:
                message = f"ERR the fake broker has no {name.decode()} inside MULTI"
                raise SimpleError(message)  # noqa: TRY301 - one way out for each refusal
        except SimpleError as exc:
            self._spoiled = True
            if name == b"EXEC":
                self.leave_transaction()
                return error(f"EXECABORT Transaction discarded because of: {exc.value[4:]}")
            return encode(exc, 2)
        cast("list[list[bytes]]", self._queue).append(words)
        return _QUEUED

    def _multi(self) -> bytes:
        self._queue, self._spoiled = [], False
        return OK

    def _multi_again(self) -> bytes:
        return error("ERR MULTI calls can not be nested")

    def _watch_late(self) -> bytes:
        return error("ERR WATCH inside MULTI is not allowed")

    def _discard(self) -> bytes:
        self.leave_transaction()
        return OK

    def _exec(self) -> bytes:
        queue, spoiled = self._queue or [], self._spoiled
        for key, database in self._watches:
            database.time = self._db.time
            database.item(key)  # one that has expired since is a change
        changed = self._watch_notified
        self.leave_transaction()
        if spoiled:
            return error("EXECABORT Transaction discarded because of previous errors.")
        if changed:
            return NULL_ARRAY[self._wire.protocol]
        self._in_transaction = True
        try:
            replies = [self._run(words[0].upper(), words) for words in queue]
        finally:
            self._in_transaction = False
        return b"*%d\r\n%b" % (len(replies), b"".join(replies))

    def leave_transaction(self) -> None:
        """Forget the queued commands and the watched keys."""
        self._queue, self._spoiled = None, False
        self._clear_watches()

    def _stray(self) -> bytes:
        return error(f"ERR {self._words[0].decode().upper()} without MULTI")

    def _info(self) -> bytes:
        return encode(self.store.info().encode(), self._wire.protocol)

    # --- blocking --------------------------------------------------------------------

    def wait(
        self, attempt: Attempt, shape: Shape | None, words: list[bytes], timeout: float
    ) -> bytes:
        """Park the client after a vain attempt; inside EXEC the time-out is immediate."""
        if self._in_transaction:
            return NULL_ARRAY[self._wire.protocol]
        self._park(attempt, shape, words, timeout)
        return _NOTHING

    def _blocking(self, timeout: float | None, func: Attempt, shape: Shape | None = None) -> Any:
        result = func(True)  # True: the first attempt
        if result is not None:
            return shape(result) if shape else result
        if self._in_transaction:
            return NO_ARRAY
        self._park(func, shape, self._words, timeout or 0)
        return NoResponse()

    def blpop(self, *words: bytes) -> Any:
        """Pop from the left, remembering it until the client's next request."""
        return self._pop(list(words), left=True)

    def brpop(self, *words: bytes) -> Any:
        """Pop from the right, remembering it until the client's next request."""
        return self._pop(list(words), left=False)

    def _pop(self, words: list[bytes], *, left: bool) -> Any:
        timeout = Timeout.decode(words[-1])
        return self._blocking(timeout, functools.partial(pop, self, words[:-1], left))

    # --- publish and subscribe -------------------------------------------------------

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
        self.put_response([kind, None, self._pubsub])
        return NoResponse()

    def put_response(self, msg: list[Any]) -> None:
        """Send a pub/sub message: a push in RESP3, a plain array in RESP2."""
        data = encode(msg, self._wire.protocol)
        self._wire.emit(b">" + data[1:] if self._wire.protocol == RESP3 else data)

    # --- the connection --------------------------------------------------------------

    def greet(self, protocol: int, name: bytes | None) -> bytes:
        """Take note of what HELLO agreed on and return its reply."""
        self._client_info["resp"] = protocol
        if name is not None:
            self._client_info["name"] = name.decode("utf-8", "replace")
        version = ".".join(map(str, VERSION)).encode()
        reply = {
            b"server": b"redis",
            b"version": version,
            b"proto": protocol,
            b"id": int(self._client_info["id"]),
            b"mode": b"standalone",
            b"role": b"master",
            b"modules": [],
        }
        return encode(reply, protocol)

    def restart(self) -> bytes:
        """Be as new: RESET."""
        self.leave_transaction()
        return encode(self.reset(), 2)

    def end(self) -> None:
        """Leave the store: subscriptions and watches too."""
        self._discard_subscriptions()
        super().kill()
        self.close()

    # --- what fakeredis calls --------------------------------------------------------

    def kill(self) -> None:
        """Disconnect on behalf of CLIENT KILL, once the replies so far are out."""
        super().kill()
        self._wire.close_soon()

    def _keyspace_notifications(self, *_: object) -> None:
        pass

    def _name_to_func(self, cmd_name: str) -> Any:
        if cmd_name not in IN_SCRIPTS:
            raise SimpleError("ERR Unknown Redis command called from script")
        signature = SIGNATURES[cmd_name]
        return self._method(signature), signature

    def _method(self, signature: Signature) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self, signature.func_name)
        kind = ARGUMENTS_FIRST.get(signature.name)
        return functools.partial(arguments_first, kind, method) if kind else method

    def _get_server_runtime(self, server: Any) -> Any:
        with self.store.lua.used():
            return super()._get_server_runtime(server)

    _OWN: ClassVar[dict[bytes, Callable[[Session], bytes]]] = {
        b"MULTI": _multi,
        b"EXEC": _stray,
        b"DISCARD": _stray,
        b"INFO": _info,
    }
    _AT_ONCE: ClassVar[dict[bytes, Callable[[Session], bytes]]] = {
        b"EXEC": _exec,
        b"DISCARD": _discard,
        b"MULTI": _multi_again,
        b"WATCH": _watch_late,
    }
