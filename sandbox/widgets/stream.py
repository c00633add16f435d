"""Stream: a run's or a session's events as pictures take them; pictures of one session share it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sandbox.engines import Session
from sandbox.run import Event, Run
from sandbox.widgets.feed import Encoder, Feed, Row, text_of
from sandbox.widgets.threads import Follower
from sandbox.widgets.topology import topology

SOURCES = {"model": "model", "live": "real workers"}
Shown = Run | Session | str | Path
"""What can be shown: a run, a session, or the folder of a stored run."""
_streams: weakref.WeakValueDictionary[int, Stream] = weakref.WeakValueDictionary()


class Taker(Protocol):
    """A picture: takes the rows from the ``at``-th on; the session's time was ``now_s`` (s)."""

    def hand_on(self, at: int, rows: Sequence[Row], now_s: float) -> None:
        """Take rows; called from a thread."""


def opened(of: Shown) -> tuple[Run | Session, str]:
    """Return what is to be shown, read from its folder if need be, and what it is in words.

    Raises RunError for a folder that holds no run.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> opened(Run(one, (), {"engine": "live"}))[1]
    'real workers'
    """
    stored = isinstance(of, str | Path)
    found = Run.load(of) if isinstance(of, str | Path) else of
    engine = str(found.info.get("engine", ""))
    words = SOURCES.get(engine, engine)
    return found, f"stored run, {words}" if stored else words


def so_far(of: Run | Session) -> Run:
    """Return a run, or what a session has done until now; the session goes on."""
    if isinstance(of, Run):
        return of
    events = sorted(of.events_since(0), key=lambda event: event.t_s)
    return Run(of.scenario, tuple(events), dict(of.info))


class Stream:
    """What pictures of one run or session have got so far, and the thread that brings the rest.

    Of what has happened before, a picture gets all that 200 events/s allow by the events' own
    times; of an ended session and of a run it gets everything. Pictures of one session have
    the same rows: a task is followed in all of them, or counted in all of them.
    """

    def __init__(self, of: Run | Session) -> None:
        self.of, self.rows, self._n_read = of, list[Row](), 0
        self._lock, self._takers = threading.RLock(), list[Taker]()
        self._text = (0, "[]")
        encoder = Encoder(topology(of.scenario))
        self._feed = Feed(encoder)
        self.follower: Follower | None = None
        past = of.events if isinstance(of, Run) else of.events_since(0)
        self.is_over = isinstance(of, Run) or any(event.kind == "ended" for event in past)
        # What has happened goes to the page with the picture itself: a message that is sent
        # before the page has drawn it would be asked for again, and a busy cell answers late.
        # A run is shown as it is, wrong ones too.
        in_time = past if isinstance(of, Run) else sorted(past, key=_when)
        self.rows = encoder.rows(in_time) if self.is_over else self._feed.past(in_time)
        self._n_read = len(past)

    @classmethod
    def shared(cls, of: Run | Session) -> Stream:
        """Return the stream that a session's pictures share; for a run, one of its own."""
        if isinstance(of, Run):
            return cls(of)
        found = _streams.get(id(of))
        if found is None or found.is_over:
            found = _streams[id(of)] = cls(of)
        return found

    @property
    def past(self) -> str:
        """All rows so far, as text."""
        with self._lock:
            if self._text[0] != len(self.rows):
                self._text = (len(self.rows), text_of(self.rows))
            return self._text[1]

    def join(self, taker: Taker, *, follow: bool = True) -> None:
        """Hand what comes on to a picture too; it takes the place of one of its kind.

        With ``follow`` a thread reads the session from now on; else whoever calls ``push``.
        """
        with self._lock:
            self._takers = [one for one in self._takers if _kind(one) != _kind(taker)] + [taker]
        if follow and self.follower is None and not self.is_over and not isinstance(self.of, Run):
            self.follower = Follower(self.of, self.push)
            self.follower.start()

    def leave(self, taker: Taker) -> None:
        """Hand nothing more on to a picture; the last one ends the thread."""
        with self._lock:
            self._takers = [one for one in self._takers if one is not taker]
            left = len(self._takers)
        if not left and self.follower is not None:
            self.follower.stop()
            self.follower = None

    def push(self, at: int, events: Sequence[Event], now_s: float) -> None:
        """Hand a session's events from the ``at``-th on to all pictures; called from a thread."""
        with self._lock:
            n = len(self.rows)
            # A session tells events as they become known, a batch is told in their order.
            fresh = sorted(events[max(0, self._n_read - at) :], key=_when)
            self.rows += self._feed.batch(fresh)
            self._n_read = max(self._n_read, at + len(events))
            self.is_over = self.is_over or any(event.kind == "ended" for event in fresh)
            rows, takers = self.rows[n:], self._takers
        if rows:
            for taker in takers:
                taker.hand_on(n, rows, now_s)

    def again(self, at: int, taker: Taker) -> None:
        """Hand on to one picture what it has missed, from the ``at``-th row on."""
        with self._lock:
            rows = self.rows[max(0, at) :]
        taker.hand_on(max(0, at), rows, 0.0)


def _when(event: Event) -> float:
    return event.t_s


def _kind(taker: Taker) -> str:
    # By name: anywidget makes each widget a class of its own.
    return type(taker).__name__
