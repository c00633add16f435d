"""The Redis protocol: requests cut from a stream of bytes, replies made into bytes.

Nothing here knows a command or a socket.
"""

from __future__ import annotations

import functools
from typing import Any, NoReturn

# Private names of fakeredis: the types its commands answer with; it has no public ones.
from fakeredis._helpers import SimpleError, SimpleString

RESP3 = 3
"""The protocol version that has types for null, maps and pushes; the other one is 2."""

MAX_WORDS = 1 << 20
"""Words in one request, as redis-server allows."""

MAX_BULK = 64 << 20
"""Bytes in one word; a broker message is far smaller, and the store is a Python process."""

MAX_LINE = 32
"""Bytes of a header line such as ``$123``, its end not counted."""

NULL = {2: b"$-1\r\n", 3: b"_\r\n"}
"""The reply for "nothing", by protocol."""

NULL_ARRAY = {2: b"*-1\r\n", 3: b"_\r\n"}
"""The reply for "no array", such as a blocking pop's time-out, by protocol."""

OK = b"+OK\r\n"
"""The reply of a command that only had to be done."""

NO_ARRAY = SimpleString(b"")
"""What a command answers for "no array"; a plain None is "no string"."""

_ARRAY, _BULK = ord("*"), ord("$")


class ProtocolError(Exception):
    """The stream is not a request; the connection cannot be used any more."""


class RequestReader:
    """Cuts a byte stream into requests and keeps the incomplete rest.

    Every byte is looked at once: words that are whole stay cut while the others are awaited,
    and chunks are joined only when the next word can have become complete.
    """

    __slots__ = ("_buffer", "_chunks", "_left", "_missing", "_n_held", "_start", "_words")

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._buffer = b""
        self._start = 0
        self._chunks: list[bytes] = []
        self._missing = 0
        self._words: list[bytes] = []  # of the request that is being read
        self._left = 0  # words it still lacks
        self._n_held = 0  # bytes of the words it has

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._start == len(self._buffer) and not self._chunks:
            self._buffer, self._start, self._missing = data, 0, 0
            return
        self._chunks.append(data)
        self._missing -= len(data)

    @property
    def held(self) -> int:
        """Bytes taken and not yet handed out, in whole or in part of a request."""
        rest = len(self._buffer) - self._start
        return self._n_held + rest + sum(map(len, self._chunks))

    def next(self) -> list[bytes] | None:
        """Return the next request's words, or None while it is incomplete.

        Raises ProtocolError for anything but an array of bulk strings within the limits.
        """
        if self._missing > 0:
            return None
        if self._chunks:
            self._buffer = self._buffer[self._start :] + b"".join(self._chunks)
            self._start = 0
            self._chunks.clear()
        if self._start == len(self._buffer):
            return None
        if not self._left and not self._begin():
            return None
        return self._read_words()

    def _begin(self) -> bool:
        """Read the head of a request; False while it is incomplete. An empty one is skipped."""
        buffer, start = self._buffer, self._start
        if buffer[start] != _ARRAY:
            _fail(f"expected '*', got {chr(buffer[start])!r}")
        end = buffer.find(b"\r\n", start)
        if end < 0:
            self._wait_for_line(start)
            return False
        self._left = _length(buffer[start + 1 : end], MAX_WORDS)
        self._start = end + 2
        return True

    def _read_words(self) -> list[bytes] | None:
        buffer, position, words, n_held = self._buffer, self._start, self._words, self._n_held
        size = len(buffer)
        while self._left:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                self._wait_for_line(position)
                break
            if buffer[position] != _BULK:
                _fail(f"expected '$', got {chr(buffer[position])!r}")
            start = end + 2
            end = start + _length(buffer[position + 1 : end], MAX_BULK)
            if size < end + 2:
                self._missing = end + 2 - size
                break
            words.append(buffer[start:end])
            n_held += end - start
            position = end + 2
            self._left -= 1
        self._start = position
        if self._left:
            self._n_held = n_held
            return None
        self._words, self._n_held = [], 0
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
        return NULL_ARRAY[protocol] if value is NO_ARRAY else b"+%b\r\n" % value.value
    if kind is list or kind is tuple:
        return b"*%d\r\n%b" % (len(value), b"".join([encode(item, protocol) for item in value]))
    return _encode_rare(value, protocol)


def error(message: str) -> bytes:
    """Return the reply of an error: one line, whatever `message` holds."""
    return b"-%b\r\n" % " ".join(message.splitlines()).encode("utf-8", "replace")


def _encode_rare(value: Any, protocol: int) -> bytes:
    if isinstance(value, SimpleError):
        return error(value.value)
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
