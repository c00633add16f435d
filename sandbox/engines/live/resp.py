"""The Redis protocol on a socket: requests cut from a stream, replies written in batches.

Nothing here knows a command; see `fake` for those.
"""

from __future__ import annotations

import functools
import socket
from typing import TYPE_CHECKING, Any, NoReturn

# Private names of fakeredis: the types its commands answer with; it has no public ones.
from fakeredis._helpers import SimpleError, SimpleString

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

RESP3 = 3
"""The protocol version that has types for null, maps and pushes; the other one is 2."""

READ_BYTES = 1 << 16
"""Bytes read from one client before others get their turn."""

MAX_HELD = 128 << 20
"""Bytes a client may leave unread by it, or send while it is blocked, before it is dropped."""

MAX_WORDS = 1 << 20
"""Words in one request, as redis-server allows."""

MAX_BULK = 64 << 20
"""Bytes in one word; a broker message is far smaller, and the store is a Python process."""

MAX_LINE = 32
"""Bytes of a header line such as ``$123``, its end not counted."""

NULL = {2: b"$-1\r\n", 3: b"_\r\n"}
"""The reply for "nothing", by protocol."""

NULL_ARRAY = {2: b"*-1\r\n", 3: b"_\r\n"}
"""The reply of a blocking command that timed out, by protocol."""

OK = b"+OK\r\n"
"""The reply of a command that only had to be done."""

_ARRAY, _BULK = ord("*"), ord("$")


class ProtocolError(Exception):
    """The stream is not a request; the connection cannot be used any more."""


class RequestReader:
    """Cuts a byte stream into requests and keeps the incomplete rest.

    Chunks are joined only when the request being read can have become complete, so a large
    word that arrives in many chunks costs its length and not its square.
    """

    __slots__ = ("_buffer", "_chunks", "_missing", "_start")

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._buffer = b""
        self._start = 0
        self._chunks: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._chunks.append(data)
        self._missing -= len(data)

    @property
    def held(self) -> int:
        """Bytes taken and not yet handed out, in whole or in part of a request."""
        return len(self._buffer) - self._start + sum(map(len, self._chunks))

    def next(self) -> list[bytes] | None:
        """Return the next request's words, or None while it is incomplete.

        Raises ProtocolError for anything but an array of bulk strings within the limits.
        """
        if self._chunks and self._missing <= 0:
            self._buffer = self._buffer[self._start :] + b"".join(self._chunks)
            self._start = 0
            self._chunks.clear()
        if self._missing > 0 or self._start == len(self._buffer):
            return None
        return self._parse()

    def _parse(self) -> list[bytes] | None:
        buffer, position = self._buffer, self._start
        if buffer[position] != _ARRAY:
            _fail(f"expected '*', got {chr(buffer[position])!r}")
        end = buffer.find(b"\r\n", position)
        if end < 0:
            self._wait_for_line(position)
            return None
        count = _length(buffer[position + 1 : end], MAX_WORDS)
        words = []
        for _ in range(count):
            position = end + 2
            end = buffer.find(b"\r\n", position)
            if end < 0:
                self._wait_for_line(position)
                return None
            if buffer[position] != _BULK:
                _fail(f"expected '$', got {chr(buffer[position])!r}")
            start = end + 2
            end = start + _length(buffer[position + 1 : end], MAX_BULK)
            if len(buffer) < end + 2:
                self._missing = end + 2 - len(buffer)
                return None
            words.append(buffer[start:end])
        self._start = end + 2
        return words

    def _wait_for_line(self, position: int) -> None:
        if len(self._buffer) - position > MAX_LINE:
            _fail("too big a count")
        self._missing = 1


@functools.lru_cache(maxsize=4096)  # few lengths make up most of a broker's traffic
def _length(digits: bytes, limit: int) -> int:
    if not digits.isdigit() or len(digits) > MAX_LINE or int(digits) > limit:
        _fail("invalid length")
    return int(digits)


def _fail(why: str) -> NoReturn:
    message = f"ERR Protocol error: {why}"
    raise ProtocolError(message)


def encode(value: Any, protocol: int) -> bytes:
    """Return `value`, as a fakeredis command answers it, in RESP version `protocol` (2 or 3).

    Raises TypeError for a type no command answers with.
    """
    kind = type(value)
    if kind is bytes:
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if kind is int:
        return b":%d\r\n" % value
    if value is None:
        return NULL[protocol]
    if kind is SimpleString:
        return b"+%b\r\n" % value.value
    if kind is list or kind is tuple:
        return b"*%d\r\n%b" % (len(value), b"".join([encode(item, protocol) for item in value]))
    return _encode_rare(value, protocol)


def _encode_rare(value: Any, protocol: int) -> bytes:
    if isinstance(value, SimpleError):
        return b"-%b\r\n" % " ".join(value.value.splitlines()).encode()
    if isinstance(value, bool):
        return (b"#t\r\n" if value else b"#f\r\n") if protocol == RESP3 else b":%d\r\n" % value
    if isinstance(value, float):
        digits = b"%.17g" % value
        return b",%b\r\n" % digits if protocol == RESP3 else encode(digits, protocol)
    if isinstance(value, str):
        return encode(value.encode(), protocol)
    if isinstance(value, dict):
        words = [encode(word, protocol) for pair in value.items() for word in pair]
        head = b"%%%d\r\n" % len(value) if protocol == RESP3 else b"*%d\r\n" % len(words)
        return head + b"".join(words)
    if isinstance(value, (set, frozenset)):
        return (b"~" if protocol == RESP3 else b"*") + encode(list(value), protocol)[1:]
    message = f"no reply can carry a {type(value).__name__}"
    raise TypeError(message)


class Wire:
    """A client's socket: whole requests out of it, replies into it with one write per batch."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        unwritten: list[Wire],
        on_requests: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """Read `sock`, connected and non-blocking, and call back on requests and on its end.

        A wire with something to send puts itself into `unwritten`; whoever runs the batch
        calls `flush` on those.
        """
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol = 2
        self.open = True
        self._loop, self._sock = loop, sock
        self._unwritten, self._on_requests, self._on_end = unwritten, on_requests, on_end
        self._reader = RequestReader()
        self._out: list[bytes] = []
        self._n_out = 0
        self._stuck = False
        loop.add_reader(sock, self._read)

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._reader.feed(data)
            self._on_requests()
        if not data or self._reader.held > MAX_HELD:
            self.close()

    def next(self) -> list[bytes] | None:
        """Return the next request's words; None when there is no whole one, or no way on."""
        if not self.open:
            return None
        try:
            return self._reader.next()
        except ProtocolError as exc:
            self.reply(SimpleError(str(exc)))
            self._loop.remove_reader(self._sock)
            self.close_soon()
            return None

    def resume(self) -> None:
        """Call back for the requests that came while the client was blocked, if any."""
        if self._reader.held:
            self._loop.call_soon(self._on_requests)

    def reply(self, value: Any) -> None:
        """Answer a request with `value`, as fakeredis gives it."""
        self.emit(encode(value, self.protocol))

    def push(self, message: list[Any]) -> None:
        """Send a pub/sub message: a push in RESP3, a plain array in RESP2."""
        data = encode(message, self.protocol)
        self.emit(b">" + data[1:] if self.protocol == RESP3 else data)

    def emit(self, data: bytes) -> None:
        """Send `data` with the rest of this batch."""
        if not self._out:
            self._unwritten.append(self)
        self._out.append(data)
        self._n_out += len(data)
        if self._n_out > MAX_HELD:
            self.close_soon()

    def flush(self) -> None:
        """Send what was emitted; what the client does not take yet goes out when it can."""
        if not self.open:
            return
        data = b"".join(self._out)
        try:
            n_sent = self._sock.send(data)
        except BlockingIOError:
            n_sent = 0
        except OSError:
            self.close()
            return
        self._n_out = len(data) - n_sent
        self._out = [data[n_sent:]] if self._n_out else []
        self._watch_writable(stuck=self._n_out > 0)

    def _watch_writable(self, *, stuck: bool) -> None:
        if stuck and not self._stuck:
            self._loop.add_writer(self._sock, self.flush)
        elif self._stuck and not stuck:
            self._loop.remove_writer(self._sock)
        self._stuck = stuck

    def gone(self) -> bool:
        """Whether the peer has closed, even if the event loop has yet to say so."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close_soon(self) -> None:
        """Close once the batch being worked on is written."""
        self._loop.call_soon(self.close)

    def close(self) -> None:
        """Close at once and call back, the first time only."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._on_end()
