"""Board: the picture of a system at any moment of its run, drawn by ``board.js``."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from sandbox.engines import Session
from sandbox.pictures.trouble import drawable
from sandbox.run import Event, Run
from sandbox.widgets.feed import Encoder, Feed, Row, text_of
from sandbox.widgets.modules import BOARD as MODULES
from sandbox.widgets.modules import HERE, joined
from sandbox.widgets.still import counts_table
from sandbox.widgets.tally import Tally
from sandbox.widgets.threads import Follower
from sandbox.widgets.topology import topology

STYLE = (HERE / "board.css").read_text(encoding="utf-8")
_SOURCES = {"model": "model", "live": "real workers", "replay": "stored run"}
_MOST_IN_ONE = 5000
_boards: weakref.WeakValueDictionary[int, Board] = weakref.WeakValueDictionary()


class Board(anywidget.AnyWidget):
    """Queues, workers and outcomes, every message in its place; play, step, scrub.

    A run is shown whole, at ``at_s`` (s) first; a session is followed by a thread until it is
    closed, and the newest board of a session is the one that follows. ``cursor_s`` is the
    moment shown and ``focus`` the chosen task, both to be linked with other widgets;
    ``log`` holds the last few sentences that are told below the picture.
    """

    _esm = joined(*MODULES)
    _css = STYLE
    head = traitlets.Dict().tag(sync=True)
    past = traitlets.Unicode("[]").tag(sync=True)
    cursor_s = traitlets.Float(0.0).tag(sync=True)
    focus = traitlets.Unicode("").tag(sync=True)
    log = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        of: Run | Session,
        *,
        at_s: float = 0.0,
        assumptions: Sequence[str] = (),
        follow: bool = True,
    ) -> None:
        self._of, self._n_read = of, 0
        self._rows: list[Row] = []
        self._lock = threading.Lock()
        self._follower: Follower | None = None
        engine = str(of.info.get("engine", ""))
        source = _SOURCES.get(engine, engine)
        told = topology(of.scenario, source=source, assumptions=assumptions)
        self._encoder = Encoder(told)
        if isinstance(of, Run):
            self._rows = self._encoder.rows(of.events)
        else:
            # What has happened goes to the page with the picture itself: a message that is sent
            # before the page has drawn it would be asked for again, and a busy cell answers late.
            self._feed, past = Feed(self._encoder), of.events_since(0)
            self._rows, self._n_read = self._feed.batch(past), len(past)
        super().__init__(head={"topology": told, "live": not isinstance(of, Run)}, cursor_s=at_s)
        self.on_msg(self._asked)
        if follow and not isinstance(of, Run):
            self._follow(of)

    def _follow(self, session: Session) -> None:
        older = _boards.pop(id(session), None)
        if older is not None:
            older.stop()
        _boards[id(session)] = self
        self._follower = Follower(session, self.push)
        self._follower.start()

    def __repr__(self) -> str:
        """Name the board by what does not change; a memory address would."""
        return f"<Board of {self._of.scenario.name!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the picture and, for a saved notebook, a table of its counters."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle or {},)
        caption = f"Counters of {self._of.scenario.name}"
        data = {"text/plain": repr(self)} | data | {"text/html": self._table(caption)}
        return (data, *rest) if rest else data

    def _table(self, caption: str) -> str:
        of = self._of
        events = drawable(of).events if isinstance(of, Run) else of.events_since(0)
        tally = Tally(self._of.scenario).feed(events)
        tally.count()
        return counts_table(tally.count(), caption)

    @property
    def n_shown(self) -> int:
        """How many events the picture has got."""
        return len(self._rows)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return the traits' values for a page; ``past`` is all that was sent so far."""
        state = super().get_state(key=key, drop_defaults=drop_defaults)
        if key is None or "past" in key:
            with self._lock:
                state["past"] = text_of(self._rows)
        return state

    # --- from the threads: they send and set traits and do nothing else ----------------

    def push(self, at: int, events: Sequence[Event], now_s: float) -> None:
        """Show a session's events from the ``at``-th on, when its time was ``now_s`` (s)."""
        with self._lock:
            n = len(self._rows)
            self._rows += self._feed.batch(events[max(0, self._n_read - at) :])
            self._n_read = max(self._n_read, at + len(events))
            rows = self._rows[n:]
        if rows:
            self._hand_on(n, rows, now_s)

    def _hand_on(self, at: int, rows: list[Row], now_s: float) -> None:
        for i in range(0, len(rows), _MOST_IN_ONE):
            text = text_of(rows[i : i + _MOST_IN_ONE])
            self.send({"kind": "events", "from": at + i, "text": text, "now_s": round(now_s, 3)})

    def _asked(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        """Send again what a page has missed."""
        if content.get("kind") == "want":
            with self._lock:
                at = max(0, int(content.get("from", 0)))
                rows = self._rows[at:]
            self._hand_on(at, rows, 0.0)

    def stop(self) -> None:
        """End the thread that follows the session; the session goes on."""
        if self._follower is not None:
            self._follower.stop()

    def close(self) -> None:
        """End its thread and take it off the page; the session goes on."""
        self.stop()
        super().close()
