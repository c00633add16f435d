"""Scenarios: named scenarios at one click: the model's run at once, real workers beside it."""

from __future__ import annotations

import asyncio
import html
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from sandbox import systems, workbench
from sandbox.engines import Session
from sandbox.errors import SandboxError
from sandbox.metrics import measure
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.schedules import SCHEDULES
from sandbox.schedules import get as schedule_of
from sandbox.widgets.board import Board
from sandbox.widgets.boards import Boards

_OWN = "its own"
_AFTER_S = 0.5
_COUNTED = ("done", "lost", "duplicated", "redelivered")
Start = Callable[[Scenario], Session]


class Scenarios(widgets.VBox):  # type: ignore[misc] # ipywidgets is untyped
    """A button for each scenario of the systems; a named schedule of faults can replace its own.

    A press runs it in the model and shows that. ``run_live`` (a button, too) runs the same on
    real workers, with the same draws, and shows them while they work; when they have done, both
    runs stand side by side under one player. ``start`` starts a session.
    """

    def __init__(self, system: str = "leadlawk", *, start: Start = workbench.start) -> None:
        self._start = start
        self._session: Session | None = None
        self.scenario = systems.load(system)
        names = tuple(systems.all_systems())
        self._system = widgets.Dropdown(description="System", options=names, value=system)
        self._faults = widgets.Dropdown(description="Faults", options=[_OWN, *SCHEDULES])
        self._at = widgets.BoundedFloatText(description="from (s)", value=3.0, min=0.0, max=1e5)
        for field in (self._system, self._faults, self._at):
            field.style.description_width = "auto"
            field.layout.width = "220px"
        self._question = widgets.HTML()
        self._buttons = widgets.HBox(layout={"flex_flow": "row wrap"})
        self._live = _button("Run on real workers", self.run_live, "primary")
        self._told = widgets.HTML()
        self._pictures = widgets.Box(layout={"flex_flow": "row wrap"})
        super().__init__([
            widgets.HBox([self._system, self._faults, self._at], layout={"flex_flow": "row wrap"}),
            self._question, self._buttons,
            widgets.HBox([self._live, self._told], layout={"flex_flow": "row wrap"}),
            self._pictures,
        ])  # fmt: skip
        self.add_class("sb-scenarios")
        self._system.observe(lambda _: self._list(), names="value")
        self._faults.observe(lambda _: self.show(self._variant), names="value")
        self._list()

    def __repr__(self) -> str:
        """Name it by what does not change."""
        return "<Scenarios>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the live view and, for a saved notebook, what the model's run came to."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {
            "text/html": f"<p>{html.escape(self._sentence('model', self.modelled))}</p>"
        }

    @property
    def system(self) -> systems.System:
        """The system that is chosen."""
        return systems.get(self._system.value)

    def show(self, variant: str) -> Run | None:
        """Run a named scenario of the system in the model and show it; trouble is a sentence."""
        self._variant = variant
        for button in self._buttons.children:
            button.button_style = "info" if button.description == variant else ""
        try:
            self.scenario = self._described(variant)
            self.modelled = workbench.run(self.scenario, engine="model")
        except SandboxError as exc:
            self._tell(str(exc))
            return None
        self._show(self.modelled)
        self._tell(self._sentence("model", self.modelled))
        return self.modelled

    def run_live(self) -> None:
        """Run what is shown on real workers, to its end, beside the model's run."""
        self._live.disabled = True
        self._tell("real workers are being started …")
        here = _in_this_thread()
        threading.Thread(target=self._follow, args=(self.scenario, self.modelled, here),
                         name="sandbox-scenario", daemon=True).start()  # fmt: skip

    def close(self) -> None:
        """End what runs and take it off the page."""
        if self._session is not None:
            self._session.close()
        super().close()

    # --- what the kernel's main thread does --------------------------------------------

    def _list(self) -> None:
        """List the chosen system's scenarios, and show the one that its name stands for."""
        self._question.value = html.escape(self.system.question)
        self._buttons.children = [
            _button(name, partial(self.show, name)) for name in self.system.variants
        ]
        self.show(next(iter(self.system.variants)))

    def _described(self, variant: str) -> Scenario:
        scenario = self.system.variant(variant)
        if self._faults.value == _OWN:
            return scenario
        return scenario.but(faults=schedule_of(self._faults.value)(scenario, self._at.value))

    def _show(self, *runs: Run, names: Sequence[str] = ()) -> None:
        """Show runs that have ended, in the one picture there is for them."""
        if not self._pictures.children:
            self._pictures.children = [_flexible(Boards(*runs))]
        self._pictures.children = self._pictures.children[:1]
        self._pictures.children[0].show(
            *runs, names=names, assumptions=self.system.assumptions, at_s=_telling_s(runs[0])
        )

    def _watch(self, session: Session) -> None:
        live = Board(session, assumptions=self.system.assumptions)
        self._pictures.children = [self._pictures.children[0], _flexible(live)]
        self._tell("real workers run it now")

    def _beside(self, modelled: Run, measured: Run) -> None:
        self._show(modelled, measured, names=("model", "real workers"))
        self._tell(f"{self._sentence('model', modelled)}; "
                   f"{self._sentence('real workers', measured)}")  # fmt: skip
        self._live.disabled = False

    def _fail(self, sentence: str) -> None:
        self._tell(sentence)
        self._live.disabled = False

    def _tell(self, sentence: str) -> None:
        self._told.value = f'<span role="status">{html.escape(sentence)}</span>'

    @staticmethod
    def _sentence(source: str, run: Run) -> str:
        counted = measure(run)
        return f"{source}: " + ", ".join(f"{int(counted.value(n))} {n}" for n in _COUNTED)

    # --- what the thread does: it waits, and hands widgets' work to the main thread ------

    def _follow(self, scenario: Scenario, modelled: Run, here: Callable[..., Any]) -> None:
        try:
            with self._start(scenario) as session:
                self._session = session
                here(self._watch, session)
                session.wait()
            here(self._beside, modelled, session.close())
        except SandboxError as exc:
            here(self._fail, str(exc))
        finally:
            self._session = None


def _flexible(picture: widgets.Widget) -> widgets.Widget:
    """Let a picture take its share of a row, or a row of its own where there is no room."""
    picture.layout.flex, picture.layout.min_width = "1 1 560px", "0"
    return picture


def _telling_s(run: Run) -> float:
    """Return a moment (s) worth to be seen first: soon after a worker died, else the middle."""
    died = [event.t_s for event in run.of_kind("worker_exited")]
    return died[0] + _AFTER_S if died else max((e.t_s for e in run.events), default=0.0) / 2


def _in_this_thread() -> Callable[..., Any]:
    """Return how another thread has something done in this one; at once where no loop runs."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        return lambda act, *arguments: act(*arguments)


def _button(name: str, act: Callable[[], Any], style: str = "") -> widgets.Button:
    button = widgets.Button(description=name, button_style=style, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button
