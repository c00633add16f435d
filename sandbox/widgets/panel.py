"""Panel: buttons for a session's controls and its counters, live, in a notebook."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from sandbox.engines import Session
from sandbox.widgets.board import Board
from sandbox.widgets.still import counts_table
from sandbox.widgets.tally import Counts
from sandbox.widgets.threads import Hand, Reader

if TYPE_CHECKING:
    import pandas as pd

_LOG_LINES = 3
_AN_HOUR_S = 3600.0
_GRACE_S = 10.0
"""What a worker has in a deployment: as much as Docker gives."""
_OF_WORKERS = {
    "kill_child": "SIGKILL to the process that has been busy longest",
    "kill_worker": "SIGKILL to the worker and its processes",
    "terminate_worker": "SIGTERM: finish what runs, then exit",
    "quit_worker": "SIGQUIT: cancel what runs, then exit",
    "pause_worker": "SIGSTOP to the worker and its processes",
    "resume_worker": "SIGCONT to a worker that is paused",
    "start_worker": "Start this worker if it is down",
    "cut_off": "Close its connections to the broker, and refuse it new ones",
    "mend_link": "Let a worker that is cut off connect again",
}
_OF_THE_BROKER = {
    "drop_connections": "Cut every connection to the broker at once; all come back",
    "stop_broker": "SIGKILL to the broker, if it is the sandbox's own",
    "start_broker": "Start the broker again, with what it has kept",
}
_panels: weakref.WeakValueDictionary[int, Panel] = weakref.WeakValueDictionary()


class Panel(widgets.VBox):  # type: ignore[misc] # ipywidgets is untyped
    """Press a verb, see what the workers do. A session has one panel: the newest.

    Each button only puts a verb of ``session.controls`` on a queue, so that neither a slow
    verb nor a busy cell blocks; trouble is told in a sentence on the panel. It follows the
    session until that is closed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._board = Board(session, follow=False)
        self._lines: list[str] = []
        self._hand = Hand(session, self._tell)
        self._reader = Reader(session, self._show, self._board.push)
        self._inputs = _Inputs(session, self._hand.order)
        super().__init__([*self._inputs.rows, self._board])
        older = _panels.pop(id(session), None)
        if older is not None:
            older.stop("A newer panel shows this session.")
        _panels[id(session)] = self
        self._hand.start()
        self._reader.start()

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


class _Inputs:
    """The rows of fields and buttons; ``order`` takes a verb and its arguments."""

    def __init__(self, session: Session, order: Callable[..., None]) -> None:
        scenario = session.scenario
        self._order = order
        self.task = _field(widgets.Dropdown, "Task type", options=scenario.task_names)
        self.rate = _field(widgets.Text, "Rate limit", placeholder="5/m; empty: none")
        self.worker = _field(widgets.Dropdown, "Worker", options=scenario.worker_names)
        self.seconds = _field(widgets.BoundedFloatText, "Seconds", value=_AN_HOUR_S, max=1e9)
        self.delay = _field(widgets.BoundedFloatText, "Delay (s)", value=0.1, max=60.0, step=0.1)
        self.task.layout.width = "320px"
        self.rows = [
            self._task_row(), self._worker_row(), self._broker_row(), self._skip_row(),
        ]  # fmt: skip

    def _task_row(self) -> widgets.HBox:
        return _row(
            self.task,
            self._button("Trigger 1", "Publish one task", self._trigger(1)),
            self._button("Trigger 10", "Publish ten tasks", self._trigger(10)),
            self.rate,
            self._button("Set rate limit", "Limit this task type on each worker", self._limit),
        )

    def _worker_row(self) -> widgets.HBox:
        buttons = [
            self._button(_label(verb), tip, self._on_worker(verb))
            for verb, tip in _OF_WORKERS.items()
        ]
        return _row(self.worker, *buttons)

    def _broker_row(self) -> widgets.HBox:
        buttons = [
            self._button(_label(verb), tip, partial(self._order, verb))
            for verb, tip in _OF_THE_BROKER.items()
        ]
        late = self._button(
            "Set latency", "Have each answer come so much later; 0: none", self._lag
        )
        tip = f"SIGTERM each worker in turn, SIGKILL after {_GRACE_S:g} s, a new one"
        deploy = self._button("Deploy", tip, partial(self._order, "deploy", grace_s=_GRACE_S))
        return _row(self.delay, late, *buttons, deploy)

    def _skip_row(self) -> widgets.HBox:
        tip = "Age the messages in unacked by these seconds, then sweep"
        return _row(self.seconds, self._button("Skip", tip, self._skip))

    def _button(self, name: str, tip: str, act: Callable[[], None]) -> widgets.Button:
        style = "danger" if name.startswith(("Kill", "Quit", "Stop")) else ""
        button = widgets.Button(description=name, tooltip=tip, button_style=style)
        button.layout.width = "auto"
        button.on_click(lambda _: act())
        return button

    def _trigger(self, n: int) -> Callable[[], None]:
        return lambda: self._order("submit", task=self.task.value, n=n)

    def _on_worker(self, verb: str) -> Callable[[], None]:
        return lambda: self._order(verb, worker=self.worker.value)

    def _limit(self) -> None:
        self._order("rate_limit", task=self.task.value, rate=self.rate.value.strip() or None)

    def _lag(self) -> None:
        self._order("latency", delay_s=self.delay.value)

    def _skip(self) -> None:
        self._order("skip", seconds=self.seconds.value)

    def disable(self) -> None:
        """Make every field and button show that it does nothing any more."""
        for row in self.rows:
            for child in row.children:
                child.disabled = True


def _label(verb: str) -> str:
    return verb.replace("_", " ").capitalize()


def _field(kind: type[widgets.Widget], label: str, **settings: Any) -> widgets.Widget:
    field = kind(description=label, style={"description_width": "70px"}, **settings)
    field.layout.width = "240px"
    return field


def _row(*children: widgets.Widget) -> widgets.HBox:
    return widgets.HBox(children, layout={"flex_flow": "row wrap", "align_items": "center"})
