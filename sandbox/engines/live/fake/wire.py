"""A client's socket: whole requests out of it, replies into it with one write per batch."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sandbox.engines.live.fake.resp import ProtocolError, RequestReader, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.engines.live.loop import Loop

READ_BYTES = 1 << 16
"""Bytes read from one client before others get their turn."""

MAX_HELD = 128 << 20
"""Bytes a client may leave unread by it, or send while it is blocked, before it is dropped."""


class Wire:
    """Reads requests and sends replies; knows whether the last ones can have been read.

    `lost` is set before the end is called back when the peer cannot have read all that was
    sent: it reset the connection, or something is left to send.
    """

    __slots__ = (
        *("lost", "open", "protocol"),
        *("_failed", "_loop", "_n_out", "_on_end", "_on_requests", "_out", "_reader"),
        *("_recv", "_sock", "_stuck", "_unwritten"),
    )

    def __init__(
        self,
        loop: Loop,
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
        self.lost = False
        self._loop, self._sock, self._recv = loop, sock, sock.recv
        self._unwritten, self._on_requests, self._on_end = unwritten, on_requests, on_end
        self._reader = RequestReader()
        self._out: list[bytes] = []
        self._n_out = 0
        self._stuck = False
        self._failed = False
        loop.watch(sock, self._read)

    def _read(self) -> None:
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.lost = True
            data = b""
        if not data:
            self.close()
        elif not self._failed:
            self._reader.feed(data)
            self._on_requests()
            if len(data) == READ_BYTES and self._reader.held > MAX_HELD:
                self.close()

    def next(self) -> list[bytes] | None:
        """Return the next request's words; None when there is no whole one, or no way on."""
        if not self.open or self._failed:
            return None
        try:
            return self._reader.next()
        except ProtocolError as exc:
            self._failed = True
            self.emit(error(str(exc)))
            self.close_soon()
            return None

    def resume(self) -> None:
        """Call back for the requests that came while the client was blocked, if any."""
        if self._reader.held:
            self._loop.soon(self._on_requests)

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
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        try:
            n_sent = self._sock.send(data)
        except BlockingIOError:
            n_sent = 0
        except OSError:
            self.lost = True
            self.close()
            return
        out.clear()
        self._n_out = len(data) - n_sent
        if self._n_out:
            out.append(data[n_sent:])
        if self._stuck != (self._n_out > 0):
            self._stuck = not self._stuck
            self._loop.watch_writable(self._sock, self.flush if self._stuck else None)

    def gone(self) -> bool:
        """Whether the peer has closed, even if the event loop has yet to say so."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            self.lost = True
            return True

    def close_soon(self) -> None:
        """Close once the batch being worked on is written."""
        self._loop.soon(self.close)

    def close(self) -> None:
        """Close at once and call back, the first time only."""
        if self.open:
            self.open = False
            # A reset that followed the peer's end of stream is told only here.
            refused = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.lost = self.lost or bool(refused) or bool(self._out)
            self._loop.forget(self._sock)
            self._sock.close()
            self._on_end()
