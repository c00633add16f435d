"""Picture: what board, timeline and curves share: a stream of events, a cursor, a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from sandbox.pictures.trouble import drawable
from sandbox.run import Run
from sandbox.widgets.feed import Row, text_of
from sandbox.widgets.still import counts_table
from sandbox.widgets.stream import Shown, Stream, opened
from sandbox.widgets.tally import Tally
from sandbox.widgets.topology import topology

_MOST_IN_ONE = 5000


class Picture(anywidget.AnyWidget):
    """A run of the model or of real workers, a stored run's folder, or a session that goes on.

    A session is followed by a thread until it is closed; the newest picture of each kind
    follows. ``cursor_s`` is the moment shown (s), but while the newest event is followed it
    stays where it was; ``focus`` is the chosen task, and ``motion`` is ``paused``, ``live``, or
    the speed and who leads. All three are to be linked (`sandbox.widgets.linked.linked`).
    """

    head = traitlets.Dict().tag(sync=True)
    past = traitlets.Unicode("[]").tag(sync=True)
    cursor_s = traitlets.Float(0.0).tag(sync=True)
    focus = traitlets.Unicode("").tag(sync=True)
    motion = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        of: Shown,
        head: dict[str, Any] | None = None,
        *,
        stream: Stream | None = None,
        assumptions: Sequence[str] = (),
        follow: bool = True,
        **traits: Any,
    ) -> None:
        self._of, source = opened(of)
        self.stream = stream if stream is not None else Stream.shared(self._of)
        told = topology(self._of.scenario, source=source, assumptions=assumptions)
        live = not isinstance(self._of, Run)
        super().__init__(head={"topology": told, "live": live, **(head or {})}, **traits)
        self.on_msg(self._asked)
        self.stream.join(self, follow=follow and stream is None)

    def __repr__(self) -> str:
        """Name the picture by what does not change; a memory address would."""
        return f"<{type(self).__name__} of {self._of.scenario.name!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget and, for a saved notebook, what needs no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle or {},)
        data = {"text/plain": repr(self)} | data | {"text/html": self.still_html()}
        return (data, *rest) if rest else data

    def still_html(self) -> str:
        """Return what stands for the picture where nothing moves: a table of the counters."""
        of = self._of
        events = drawable(of).events if isinstance(of, Run) else of.events_since(0)
        tally = Tally(self._of.scenario).feed(events)
        tally.count()
        return counts_table(tally.count(), f"Counters of {self._of.scenario.name}")

    @property
    def n_shown(self) -> int:
        """How many events the picture has got."""
        return len(self.stream.rows)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return the traits' values for a page; ``past`` is all that was sent so far."""
        state = super().get_state(key=key, drop_defaults=drop_defaults)
        if key is None or "past" in key:
            state["past"] = self.stream.past
        return state

    # --- from the threads: they send and set traits and do nothing else ----------------

    def hand_on(self, at: int, rows: Sequence[Row], now_s: float) -> None:
        """Send rows, the first of which is the ``at``-th, to the page."""
        for i in range(0, len(rows), _MOST_IN_ONE):
            text = text_of(rows[i : i + _MOST_IN_ONE])
            self.send({"kind": "events", "from": at + i, "text": text, "now_s": round(now_s, 3)})

    def _asked(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        """Send again what a page has missed."""
        if content.get("kind") == "want":
            self.stream.again(int(content.get("from", 0)), self)

    def stop(self) -> None:
        """Follow the session no longer; the session goes on."""
        self.stream.leave(self)

    def close(self) -> None:
        """Follow the session no longer and go off the page; the session goes on."""
        if hasattr(self, "stream"):  # One that could not be made is closed too.
            self.stop()
        super().close()
