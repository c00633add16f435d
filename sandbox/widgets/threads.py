"""Daemon threads: one follows a session's events, one carries out what was clicked."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sandbox.engines import Session
from sandbox.errors import SandboxError
from sandbox.run import Event
from sandbox.widgets.tally import Counts, Tally

PERIOD_S = 0.12
_SHARE = 10  # A look may take one tenth of the time: a large run is shown less often.

Push = Callable[[int, Sequence[Event], float], None]
"""Takes the position of the first event, the events, and the session's time (s)."""


class Follower:
    """Hands a session's new events on, eight times a second, until it has ended."""

    def __init__(self, session: Session, push: Push) -> None:
        self._session, self._push, self._n = session, push, 0
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._loop, name="sandbox-board", daemon=True)

    def start(self) -> None:
        """Take what there is, then begin to follow."""
        if not self._take():
            self.thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended (at once from the thread itself)."""
        self._stop.set()
        if self.thread.is_alive() and self.thread is not threading.current_thread():
            self.thread.join(timeout=5.0)

    def _take(self) -> bool:
        """Hand on what is new; return whether that was the end."""
        events = self._session.events_since(self._n)
        if events:
            self._push(self._n, events, self._session.now_s)
        self._n += len(events)
        return any(event.kind == "ended" for event in events)

    def _loop(self) -> None:
        while not self._stop.wait(PERIOD_S):
            if self._take():
                return


class Reader:
    """Folds a session's events about eight times a second; calls ``show`` on a change only.

    ``push`` gets the events themselves, so that a session has one thread that reads.
    """

    def __init__(self, session: Session, show: Callable[[Counts], None], push: Push) -> None:
        self._session, self._show, self._push = session, show, push
        self._tally = Tally(session.scenario)
        self._n = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.counts = self._shown = self._tally.count()
        self.look()
        self.thread = threading.Thread(target=self._loop, name="sandbox-panel", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self.thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended (at once from the thread itself)."""
        self._stop.set()
        if self.thread.is_alive() and self.thread is not threading.current_thread():
            self.thread.join(timeout=5.0)

    def look(self) -> Counts:
        """Take what is new; return the counters at this moment."""
        with self._lock:
            self._take()
            if not self._tally.settled:
                self._take()
            return self.counts

    def _take(self) -> None:
        events = self._session.events_since(self._n)
        self._n += len(events)
        if not events and self._tally.settled:
            return
        if events:
            self._push(self._n - len(events), events, self._tally.t_s)
        self.counts = self._tally.feed(events).count()

    def _loop(self) -> None:
        pause = PERIOD_S
        while not self._stop.wait(pause):
            begun = time.monotonic()
            with self._lock:
                self._take()
                counts = self.counts
            if counts != self._shown:
                self._shown = counts
                self._show(counts)
            if counts.ended:
                return
            pause = max(PERIOD_S, _SHARE * (time.monotonic() - begun))


class Hand:
    """Carries out verbs one after the other, in a thread; tells each outcome in a sentence."""

    def __init__(self, session: Session, tell: Callable[[str], None]) -> None:
        self._session, self._tell = session, tell
        self._orders: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._loop, name="sandbox-hand", daemon=True)

    def start(self) -> None:
        """Begin to carry out orders."""
        self.thread.start()

    def order(self, verb: str, **arguments: Any) -> None:
        """Ask for a verb of the controls; returns at once."""
        self._orders.put((verb, arguments))

    def stop(self) -> None:
        """End the thread after the orders given so far; does not wait for it."""
        self._orders.put(None)

    def _loop(self) -> None:
        while (item := self._orders.get()) is not None:
            self._carry_out(*item)

    def _carry_out(self, verb: str, arguments: dict[str, Any]) -> None:
        call = f"{verb}({', '.join(repr(value) for value in arguments.values())})"
        self._tell(f"{call} …")
        try:
            getattr(self._session.controls, verb)(**arguments)
        except SandboxError as exc:
            self._tell(f"{call}: {exc}")
        except Exception as exc:  # noqa: BLE001 - a traceback from a thread would help nobody
            self._tell(f"{call} failed: {type(exc).__name__}: {exc}")
        else:
            self._tell(f"{call}: done")
