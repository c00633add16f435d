"""A connection: who may speak, one request after the other, and what happens when it ends."""

from __future__ import annotations

import functools
import hmac
from typing import TYPE_CHECKING, Any, ClassVar

from fakeredis._helpers import SimpleError

from sandbox.engines.live.fake.resp import NO_ARRAY, OK, encode, error
from sandbox.engines.live.fake.session import Session
from sandbox.engines.live.fake.store import Waiter
from sandbox.engines.live.fake.wire import Wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sandbox.engines.live.fake.front import Front


class Client:
    """Runs a connection's requests in order, and none while it is parked."""

    def __init__(self, front: Front, sock: socket.socket) -> None:
        """Serve `sock`. Raises OSError if its peer has gone already."""
        host, port = sock.getpeername()
        info = {"addr": f"{host}:{port}", "fd": sock.fileno(), "name": "", "flags": "N"}
        self._front = front
        self._store = front.store
        self._waiter: Waiter | None = None
        self._trusted = False
        self._wire = Wire(front.loop, sock, front.unwritten, self._run, self._end)
        self._session = Session(self._wire, front.store, self._park, info)

    def _run(self) -> None:
        """Run the requests that are complete, up to one that blocks, and write all replies."""
        store, session, wire = self._store, self._session, self._wire
        while self._waiter is None and (words := wire.next()) is not None:
            if not words:
                continue
            session.popped = None
            special = self._SPECIAL.get(words[0].upper())
            if special:
                reply = special(self, words[1:])
            elif self._trusted:
                reply = session.run(words)
            else:
                reply = error("NOAUTH Authentication required.")
            if reply:
                wire.emit(reply)
            if store.ready:
                store.settle()
        self._front.flush()

    def _end(self) -> None:
        """Forget the client at once: its claims on keys and its subscriptions.

        A message that it cannot have read goes back to where it was taken from.
        """
        session = self._session
        if self._waiter:
            self._waiter.leave()
        if self._wire.lost and session.popped:
            database, key, value, left = session.popped
            database.put_back(key, value, left)
        session.end()
        self._store.settle()
        self._front.flush()

    # --- blocking --------------------------------------------------------------------

    def _park(
        self,
        attempt: Callable[[bool], Any],
        shape: Callable[[Any], Any] | None,
        words: list[bytes],
        timeout: float,
    ) -> None:
        """Block the client until `attempt` succeeds or `timeout` seconds (0: never) pass."""
        database = self._session.database
        serve = functools.partial(self._retry, attempt, shape)
        self._waiter = waiter = Waiter(frozenset(words[1:]), serve, database)
        database.waiters[waiter] = None
        if timeout:
            waiter.timer = self._front.loop.later(timeout, functools.partial(self._expire, shape))

    def _retry(
        self,
        attempt: Callable[[bool], Any],
        shape: Callable[[Any], Any] | None,
        _waiter: Waiter,
    ) -> None:
        """Try the blocked command again; a client that has gone gets nothing."""
        if self._wire.gone():
            self._wire.close()
            return
        try:
            result = attempt(False)
            if result is not None and shape:
                result = shape(result)
        except SimpleError as exc:
            result = exc
        if result is not None:
            self._unpark(result)

    def _expire(self, shape: Callable[[Any], Any] | None) -> None:
        result = shape(None) if shape else None
        self._unpark(NO_ARRAY if result is None else result)
        self._front.flush()

    def _unpark(self, result: Any) -> None:
        if self._waiter:
            self._waiter.leave()
            self._waiter = None
        self._wire.emit(encode(result, self._wire.protocol))
        self._wire.resume()

    # --- who may speak ---------------------------------------------------------------

    def _auth(self, words: list[bytes]) -> bytes:
        if len(words) not in (1, 2):
            return error("ERR wrong number of arguments for 'auth' command")
        return self._check(words) or OK

    def _check(self, words: list[bytes]) -> bytes | None:
        """Trust the client if `words` are ``[default] password``, else return the error."""
        right = bool(words) and hmac.compare_digest(words[-1], self._front.password)
        if right and words[:-1] in ([], [b"default"]):
            self._trusted = True
            return None
        return error("WRONGPASS invalid username-password pair or user is disabled.")

    def _hello(self, words: list[bytes]) -> bytes:
        if words and words[0] not in (b"2", b"3"):
            digits = words[0].isdigit()
            return error(
                "NOPROTO unsupported protocol version"
                if digits
                else "ERR Protocol version is not an integer or out of range"
            )
        name, rest = None, words[1:]
        while rest:
            option = rest[0].upper()
            if option == b"AUTH" and len(rest) >= 3:
                refusal = self._check(rest[1:3])
                if refusal:
                    return refusal
                rest = rest[3:]
            elif option == b"SETNAME" and len(rest) >= 2:
                name, rest = rest[1], rest[2:]
            else:
                return error(
                    f"ERR Syntax error in HELLO option '{rest[0].decode(errors='replace')}'"
                )
        if not self._trusted:
            return error(
                "NOAUTH HELLO must be called with the client already authenticated, "
                "otherwise the HELLO <proto> AUTH <user> <pass> option can be used"
            )
        if words:
            self._wire.protocol = int(words[0])
        return self._session.greet(self._wire.protocol, name)

    def _quit(self, _: list[bytes]) -> bytes:
        self._wire.close_soon()
        return OK

    def _reset(self, _: list[bytes]) -> bytes:
        self._wire.protocol, self._trusted = 2, False
        return self._session.restart()

    _SPECIAL: ClassVar[dict[bytes, Callable[[Client, list[bytes]], bytes]]] = {
        b"AUTH": _auth,
        b"HELLO": _hello,
        b"QUIT": _quit,
        b"RESET": _reset,
    }
