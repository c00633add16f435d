"""Servers of a test's own, and a client that shows each reply as it is on the wire."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

from sandbox.engines.live.broker import choose
from sandbox.engines.live.supervisor import die_with_parent
from tests.conftest import real_redis
from tests.waiting import comes_true

PASSWORD = "open sesame"
ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 20.0


@contextlib.contextmanager
def fake_server() -> Iterator[int]:
    """Run a fake broker; yield its port. At the end it must have said nothing on stderr."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.engines.live.fake", "--port", "0"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
    ) as server:
        assert server.stdin and server.stdout and server.stderr
        server.stdin.write(f"{PASSWORD}\n")
        server.stdin.flush()
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()
            complaints = server.stderr.read()
    assert complaints == "", f"the broker says nothing on stderr, whatever clients do: {complaints}"


@contextlib.contextmanager
def real_server() -> Iterator[int]:
    """Run a redis-server without persistence; yield its port. Skips where there is none."""
    program = choose(real_redis()).program
    assert program and shutil.which(program)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    lines = ["bind 127.0.0.1", f"port {port}", f'requirepass "{PASSWORD}"', 'save ""', ""]
    with subprocess.Popen(
        [program, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
    ) as server:
        assert server.stdin
        server.stdin.write("\n".join(lines))
        server.stdin.close()
        try:
            assert comes_true(lambda: answers(port))
            yield port
        finally:
            server.kill()


def answers(port: int) -> bool:
    """Whether something accepts connections at a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def request(*words: bytes | str) -> bytes:
    """Return a request as RESP."""
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n%b" % (len(raw), b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in raw))


class Raw:
    """A connection that has logged in; replies are pairs of the RESP type and the value."""

    def __init__(self, port: int, protocol: int = 2, *, login: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        if login:
            self.send("HELLO", str(protocol), "AUTH", "default", PASSWORD)
            assert self.read()[0] in "*%"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *words: bytes | str) -> None:
        self.socket.sendall(request(*words))

    def call(self, *words: bytes | str) -> tuple[str, Any]:
        self.send(*words)
        return self.read()

    def waiting(self) -> bool:
        """Whether a reply, or the end, has arrived."""
        return bool(self._buffer) or bool(select.select([self.socket], [], [], 0)[0])

    def read(self) -> tuple[str, Any]:
        line = self._line()
        kind, rest = chr(line[0]), line[1:]
        if kind in "$=" and rest != b"-1":
            return kind, self._take(int(rest) + 2)[:-2]
        if kind in "*~>" and rest != b"-1":
            return kind, [self.read() for _ in range(int(rest))]
        if kind == "%":
            return kind, [(self.read(), self.read()) for _ in range(int(rest))]
        if kind in "$*_":
            return kind, None
        return kind, rest

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _take(self, n: int) -> bytes:
        while len(self._buffer) < n:
            self._fill()
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def _fill(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        self._buffer += data
