"""Panel: buttons for a session's controls and its counters, live, in a notebook."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from sandbox.engines import Session
from sandbox.errors import SandboxError
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.widgets.board import Board
from sandbox.widgets.curves import Curves
from sandbox.widgets.diary import Diary
from sandbox.widgets.inputs import Inputs
from sandbox.widgets.linked import Linked, link
from sandbox.widgets.picture import Picture
from sandbox.widgets.still import counts_table
from sandbox.widgets.stream import Stream
from sandbox.widgets.tally import Counts
from sandbox.widgets.threads import Hand, Reader
from sandbox.widgets.timeline import Timeline

if TYPE_CHECKING:
    import pandas as pd

_LOG_LINES = 3
_ABOVE = 3
"""So many groups of controls stand above the board: what tasks and workers do is to be seen."""
_panels: weakref.WeakValueDictionary[int, Panel] = weakref.WeakValueDictionary()


def plots(of: Run | Session, stream: Stream | None = None) -> list[Picture]:
    """Return what stands folded below a board, which has the buttons that move the time."""
    return [
        Timeline(of, fold="Timeline of attempts", stream=stream),
        Curves(of, fold="Curves over time", stream=stream),
    ]


class Panel(widgets.VBox):  # type: ignore[misc] # ipywidgets is untyped
    """Press a verb, see what the workers do. A session has one panel: the newest.

    Each button only puts a verb of ``session.controls`` on a queue, so that neither a slow
    verb nor a busy cell blocks; trouble is told in a sentence on the panel. It follows the
    session until that is closed.

    What was done is listed below the board, and ``as_scenario`` returns it as a scenario that
    does it again by itself, in the model or on real workers. Moments are those of the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stream = Stream(session)
        self._board = Board(session, stream=self._stream)
        self._below = plots(session, self._stream)
        self._link = link(self._board, *self._below)
        self._lines: list[str] = []
        self.diary = Diary(session)
        self._replay = widgets.VBox()
        self._hand = Hand(self.diary.carry_out, self._tell)
        self._reader = Reader(session, self._show, self._stream.push)
        controls = session.controls
        self._inputs = self._with_picks(
            Inputs(session.scenario, self._hand.order, self.replay, controls)
        )
        rows = self._inputs.rows
        above, below = rows[:_ABOVE], rows[_ABOVE:]
        super().__init__([
            *above, self._board, *self._below, *below, self.diary, self._replay
        ])  # fmt: skip
        self.add_class("sb-panel")
        older = _panels.pop(id(session), None)
        if older is not None:
            older.stop("A newer panel shows this session.")
        _panels[id(session)] = self
        self._hand.start()
        self._reader.start()

    def _with_picks(self, inputs: Inputs) -> Inputs:
        """Have the board and the fields name the same worker and slot."""
        self._board.picked = inputs.fields.picked
        self._board.observe(lambda change: inputs.fields.pick(change["new"] or ""), "picked")
        for name in ("worker", "slot"):
            inputs.fields[name].observe(
                lambda _: setattr(self._board, "picked", inputs.fields.picked), "value"
            )
        return inputs

    def __repr__(self) -> str:
        """Name the panel by what does not change from one machine to the next."""
        return f"<Panel of {self._session.scenario.name!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the live view and, for a saved notebook, a static table."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        caption = f"Counters of {self._session.scenario.name} when the panel was shown"
        return bundle | {"text/html": counts_table(self.counts, caption)}

    @property
    def counts(self) -> Counts:
        """The counters at this moment."""
        return self._reader.look()

    def snapshot(self) -> pd.DataFrame:
        """Return the counters at this moment as a table."""
        return self.counts.to_frame()

    @property
    def board(self) -> Board:
        """The picture of the session."""
        return self._board

    def as_scenario(self) -> Scenario:
        """Return the session's scenario with what was done by hand as faults and bursts."""
        return self.diary.as_scenario()

    def replay(self, folder: str | Path) -> None:
        """Show a saved run below, on a board of its own; trouble is told in a sentence."""
        try:
            run = Run.load(folder)
        except (SandboxError, OSError) as exc:
            self._tell(f"replay: {exc}")
            return
        saved = Linked(Board(run), *plots(run))
        older, self._replay.children = self._replay.children, [saved]
        for pictures in older:
            pictures.close()
        self._tell(f"replay: {folder} is shown below")

    def stop(self, why: str = "This panel was stopped.") -> None:
        """End its threads and disable its buttons; the session goes on."""
        self._reader.stop()
        self._hand.stop()
        self._inputs.disable()
        self._tell(why)

    def close(self) -> None:
        """End its threads and take it off the page; the session goes on."""
        self.stop()
        super().close()

    # --- from the threads: they set traits and nothing else ---------------------------

    def _show(self, counts: Counts) -> None:
        if counts.ended:
            self._hand.stop()
            self._inputs.disable()

    def _tell(self, sentence: str) -> None:
        if self._lines and self._lines[-1].endswith("…"):
            self._lines.pop()
        self._lines = [*self._lines, sentence][-_LOG_LINES:]
        self._board.log = list(self._lines)
