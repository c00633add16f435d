"""The listening side: accepts clients and writes out what a batch of requests caused."""

from __future__ import annotations

import contextlib
import gc
import socket
from typing import TYPE_CHECKING

from sandbox.engines.live.fake.client import Client
from sandbox.engines.live.fake.store import Store
from sandbox.engines.live.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.engines.live.fake.wire import Wire


class Front:
    """A broker: its loop, its data and the password that opens it."""

    def __init__(self, password: str) -> None:
        """Make an empty broker whose clients must send `password`."""
        self.loop = Loop()
        self.password = password.encode()
        self.store = Store()
        self.unwritten: list[Wire] = []

    def listen(self, port: int) -> int:
        """Accept clients on 127.0.0.1; return the port. Raises OSError if it is taken."""
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.settimeout(0)
        self.loop.watch(listener, lambda: self._accept(listener))
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # out of file numbers: look again later, and do not spin until then
            self.loop.forget(listener)
            self.loop.later(0.1, lambda: self.loop.watch(listener, lambda: self._accept(listener)))
            return
        sock.settimeout(0)
        with contextlib.suppress(OSError):  # the client has gone already
            Client(self, sock)

    def flush(self) -> None:
        """Write every client's replies of this batch."""
        unwritten = self.unwritten
        while unwritten:
            unwritten.pop().flush()


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
    front = Front(password)
    actual = front.listen(port)
    if ready:
        ready(actual)
    front.loop.run()
