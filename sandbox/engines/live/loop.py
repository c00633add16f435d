"""A small event loop: sockets, timers, nothing else.

asyncio wraps every event into objects of its own; here a request costs a third of that.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

_MAX_PAUSE_S = 3600.0  # more than some days is more than a selector takes
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@dataclass(eq=False, slots=True)
class Watched:
    """A socket's callbacks; both are dropped when the socket is let go."""

    read: Callable[[], None] | None
    write: Callable[[], None] | None = None


@dataclass(eq=False, slots=True)
class Timer:
    """A callback that is due at a time of the monotonic clock, unless it is cancelled."""

    callback: Callable[[], None] | None

    def cancel(self) -> None:
        """Never call back."""
        self.callback = None


class Loop:
    """Calls back when sockets are ready and when timers are due, in one thread."""

    def __init__(self) -> None:
        """Make a loop that watches nothing."""
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()

    def watch(self, sock: FileDescriptorLike, read: Callable[[], None]) -> None:
        """Call `read` whenever `sock`, or a pipe, has something to read."""
        self._selector.register(sock, READ, Watched(read))

    def watch_writable(self, sock: socket.socket, write: Callable[[], None] | None) -> None:
        """Call `write` too whenever `sock`, watched already, takes bytes; None ends that."""
        watched: Watched = self._selector.get_key(sock).data
        watched.write = write
        self._selector.modify(sock, READ | WRITE if write else READ, watched)

    def forget(self, sock: socket.socket) -> None:
        """Watch `sock` no longer; an event of it that is on its way is dropped."""
        watched: Watched = self._selector.unregister(sock).data
        watched.read = watched.write = None

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in `delay_s` seconds."""
        timer = Timer(callback)
        due = time.monotonic() + delay_s
        heapq.heappush(self._timers, (due, next(self._numbers), timer))
        return timer

    def soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` after what is being done now."""
        self._soon.append(callback)

    def run(self) -> None:
        """Serve for ever. A callback that fails says so on stderr and stops nothing else."""
        select = self._selector.select
        while True:
            for key, events in select(self._pause()):
                watched: Watched = key.data
                try:
                    if events & READ and watched.read:
                        watched.read()
                    if events & WRITE and watched.write:
                        watched.write()
                except Exception:  # noqa: BLE001 - one client's fault must not end the others
                    traceback.print_exc()
            if self._soon or self._timers:
                self._run_due()

    def _pause(self) -> float | None:
        """Return how long nothing is due; None is for ever."""
        if self._soon:
            return 0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _MAX_PAUSE_S)

    def _run_due(self) -> None:
        due = list(self._soon)
        self._soon.clear()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback:
                due.append(callback)
        for callback in due:
            try:
                callback()
            except Exception:  # noqa: BLE001 - as above
                traceback.print_exc()
