"""The proxy: one process between the broker and everyone who uses it, one loopback port a link.

A link is the way of one worker, or of one client, to the broker. What it can do has the names of
Toxiproxy: a link is enabled or disabled; `latency` and `bandwidth` are toxics that stay on it
until they are removed; `timeout` and `reset_peer` befall the connections that are there.

It is always in the way, so that what is calibrated is what is measured. Bytes pass untouched,
the password among them. A loop of ours, since asyncio's costs more (``benchmarks/proxy.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.engines.live.links import PROXY
from sandbox.engines.live.loop import Loop
from sandbox.engines.live.writer import Writer

_STDIN = 0
_BACKLOG = 4096
_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


class Flow:
    """One direction of one connection: what comes from ``source`` goes to ``target``, in order."""

    def __init__(
        self, loop: Loop, source: socket.socket, target: socket.socket, end: Callable[[], None]
    ) -> None:
        self._loop, self._source, self._target, self._end = loop, source, target, end
        self.delay_s, self.rate = 0.0, 0.0
        self.is_silent = self.is_down = False
        self._waiting: deque[bytes] = deque()
        self._unsent, self._is_over = b"", False
        self._free_at = 0.0

    def read(self) -> None:
        """Take what has come; nothing at all is the end of the connection."""
        try:
            data = self._source.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self.is_silent:
            if not data:
                self._hang_up()
        elif self.delay_s or self.rate or self._waiting:
            self._wait(data)
        else:
            self._pass(data)

    def _hang_up(self) -> None:
        """Let the broker's goodbye be unheard too, but not keep what its client has left."""
        if self.is_down:
            self._loop.forget(self._source)
        else:
            self._end()

    def _wait(self, data: bytes) -> None:
        """Let it go on later, and never before what came before it."""
        now = time.monotonic()
        if self.rate:
            self._free_at = max(now, self._free_at) + len(data) / self.rate
        self._waiting.append(data)
        # Each takes what has waited longest, so a shorter delay lets nothing overtake.
        self._loop.later(max(0.0, self._free_at - now) + self.delay_s, self._go_on)

    def _go_on(self) -> None:
        if self._waiting:
            self._pass(self._waiting.popleft())

    def _pass(self, data: bytes) -> None:
        if self.is_silent:
            return
        self._is_over = self._is_over or not data
        if self._unsent:
            # Whoever sends waits for its answers, so this cannot grow far.
            self._unsent += data
        elif self._is_over:
            self._end()
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            n = self._target.send(data)
        except BlockingIOError:
            n = 0
        except OSError:
            self._end()
            return
        if n < len(data) or self._unsent:
            self._unsent = data[n:]
            self._loop.watch_writable(self._target, self._drain if self._unsent else None)

    def _drain(self) -> None:
        self._send(self._unsent)
        if self._is_over and not self._unsent:
            self._end()

    def forget(self) -> None:
        """Drop what is under way."""
        self._waiting.clear()


class Connection:
    """A client's connection and ours to the broker for it; one ends with the other."""

    def __init__(self, link: Link, client: socket.socket) -> None:
        self._link, self._loop, self._client = link, link.loop, client
        self._server = socket.socket(link.target[0], socket.SOCK_STREAM)
        self._is_open = True
        for one in (client, self._server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.up = Flow(self._loop, client, self._server, self.close)
        self.down = Flow(self._loop, self._server, client, self.close)
        self.down.is_down = True
        self.poison()
        self._server.connect_ex(link.target[1])
        self._loop.watch(self._server, self.down.read)
        self._loop.watch_writable(self._server, self._connected)

    def _connected(self) -> None:
        """Let bytes pass once the broker has taken us; its refusal ends the reading side."""
        self._loop.watch_writable(self._server, None)
        if self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
        else:
            self._loop.watch(self._client, self.up.read)

    def poison(self) -> None:
        """Take on the toxics of the link: answers are late, and both directions narrow."""
        self.down.delay_s = self._link.toxics.get("latency", 0.0)
        self.up.rate = self.down.rate = self._link.toxics.get("bandwidth", 0.0)

    def fall_silent(self) -> None:
        """Carry nothing more, either way, and close nothing: a connection that is half open."""
        for flow in (self.up, self.down):
            flow.is_silent = True
            flow.forget()

    def close(self, *, reset: bool = False) -> None:
        """End both sides, with RST if so asked."""
        if not self._is_open:
            return
        self._is_open = False
        self._link.connections.discard(self)
        for flow, one in ((self.up, self._client), (self.down, self._server)):
            flow.forget()
            with contextlib.suppress(KeyError):  # it was not yet watched
                self._loop.forget(one)
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()


class Link:
    """One way to the broker: a port, its connections, its toxics. ``is_cut``: it is disabled."""

    def __init__(self, loop: Loop, target: tuple[int, Any]) -> None:
        self.loop, self.target = loop, target
        self.connections: set[Connection] = set()
        self.toxics: dict[str, float] = {}
        self.is_cut = False
        self._is_listening = False
        self._door = self._bind(0)
        self.port = int(self._door.getsockname()[1])

    def _bind(self, port: int) -> socket.socket:
        """Hold the port: until it listens, who connects is refused."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))
        door.setblocking(False)
        return door

    def listen(self) -> None:
        """Take connections from now on."""
        if not self._is_listening:
            self._is_listening = True
            self._door.listen(_BACKLOG)
            self.loop.watch(self._door, self._accept)

    def refuse(self) -> None:
        """Refuse connections from now on; those that are there stay."""
        if self._is_listening:
            self._is_listening = False
            self.loop.forget(self._door)
            self._door.close()
            self._door = self._bind(self.port)

    def _accept(self) -> None:
        try:
            client, _ = self._door.accept()
        except OSError:
            return  # it has gone again
        self.connections.add(Connection(self, client))


class Proxy:
    """Carries out orders: one line of JSON each, answered in its file under its number."""

    def __init__(self, target: tuple[int, Any], names: list[str], writer: Writer) -> None:
        self.loop, self._writer, self._orders = Loop(), writer, b""
        self.links = {name: Link(self.loop, target) for name in names}
        self._is_refusing = False

    def run(self) -> None:
        """Serve until the supervisor is gone."""
        for link in self.links.values():
            link.listen()
        self.loop.watch(_STDIN, self._read_orders)
        ports = {name: link.port for name, link in self.links.items()}
        self._writer.write(f"_{PROXY}_ready", detail={"ports": ports})
        self.loop.run()

    def _read_orders(self) -> None:
        chunk = os.read(_STDIN, _CHUNK)
        if not chunk:
            raise SystemExit(0)
        *lines, self._orders = (self._orders + chunk).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        number, verb, name = order.pop("number"), order.pop("verb"), order.pop("link", None)
        for link in self.links.values() if name is None else [self.links[name]]:
            getattr(self, f"do_{verb}")(link, **order)
        self._writer.write("_answer", detail={"number": number, "result": None})

    # --- orders ----------------------------------------------------------------------

    def do_toxic(self, link: Link, kind: str, value: float) -> None:
        """Put a toxic on a link: `latency` (s an answer), `bandwidth` (bytes/s); 0 removes it."""
        link.toxics[kind] = value
        for connection in link.connections:
            connection.poison()

    def do_disable(self, link: Link) -> None:
        """Cut a link: its connections are closed and new ones refused."""
        link.is_cut = True
        link.refuse()
        for connection in list(link.connections):
            connection.close()

    def do_enable(self, link: Link) -> None:
        """Mend a link."""
        link.is_cut = False
        if not self._is_refusing:
            link.listen()

    def do_timeout(self, link: Link) -> None:
        """Let the connections that are there go silent; nobody closes them. New ones work."""
        for connection in link.connections:
            connection.fall_silent()

    def do_reset_peer(self, link: Link) -> None:
        """Reset the connections that are there."""
        for connection in list(link.connections):
            connection.close(reset=True)

    def do_refuse(self, link: Link) -> None:
        """Refuse new connections, as the broker that is about to stop does."""
        self._is_refusing = True
        link.refuse()

    def do_accept(self, link: Link) -> None:
        """Take connections again, where the link is not cut."""
        self._is_refusing = False
        if not link.is_cut:
            link.listen()


def main(folder: Path, host: str, port: int, names: list[str]) -> None:
    """Be the proxy in front of the broker at ``host``; ends with its supervisor."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    Proxy((family, address), names, Writer(folder / "raw" / f"{PROXY}.jsonl")).run()
