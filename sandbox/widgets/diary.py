"""Diary: carries out what the panel orders, and keeps it as a scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from sandbox.engines import Session
from sandbox.errors import EngineError
from sandbox.run import Run
from sandbox.scenario import Scenario
from sandbox.schedules import SCHEDULES
from sandbox.widgets.deeds import Deed, as_scenario, since_start, so_far
from sandbox.widgets.modules import HERE
from sandbox.widgets.page import export_html

_SOON_S = 0.2
"""A schedule begins so much later: its first time must still be to come."""


class Diary(anywidget.AnyWidget):
    """What was done to a session by hand; ``scenario`` does it again, as JSON.

    Its traits are set by the panel's hand, the one thread that carries anything out.
    """

    _esm = HERE / "diary.js"
    _css = HERE / "diary.css"
    lines = traitlets.List(traitlets.Unicode()).tag(sync=True)
    scenario = traitlets.Unicode("").tag(sync=True)
    left_out = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.deeds: tuple[Deed, ...] = ()
        self._special: dict[str, Callable[..., str | None]] = {
            "save_run": self._save, "schedule": self._schedule, "export_page": self._export,
        }  # fmt: skip

    def __repr__(self) -> str:
        """Name it by what does not change."""
        return "<Diary>"

    def carry_out(self, verb: str, arguments: dict[str, Any]) -> str | None:
        """Carry out a verb, or one of the diary's own orders; return what there is to say."""
        if verb in self._special:
            return self._special[verb](**arguments)
        self._do(verb, arguments)
        return None

    def as_scenario(self) -> Scenario:
        """Return the session's scenario with all that was done by hand."""
        return as_scenario(self._session.scenario, self.deeds)[0]

    def _do(self, verb: str, arguments: dict[str, Any]) -> None:
        # Before the call: starting a worker takes a second.
        moment = since_start(arguments.get("when"), self._session)
        getattr(self._session.controls, verb)(**arguments)
        plain = {name: value for name, value in arguments.items() if name != "when"}
        self.deeds = (*self.deeds, Deed(moment, verb, plain))
        again, left_out = as_scenario(self._session.scenario, self.deeds)
        self.scenario, self.left_out = again.to_json(), left_out
        self.lines = [str(deed) for deed in self.deeds]

    def _schedule(self, name: str) -> None:
        """Order all that a named schedule does, beginning now."""
        scenario, at_s = self._session.scenario, round(self._session.now_s + _SOON_S, 3)
        first = len(scenario.faults) + len(self.deeds)
        for place, fault in enumerate(SCHEDULES[name](scenario, at_s), start=first):
            if fault.strikes(scenario.seed, place):
                for command in fault.commands():
                    self._do(command.verb, {**command.arguments, "when": command.when})

    def _save(self, folder: str) -> str:
        """Save the run so far; it goes on."""
        try:
            saved = self._run_so_far().save(Path(folder))
        except OSError as exc:
            raise _not_written("folder", folder, exc) from None
        return f"saved in {saved}"

    def _export(self, folder: str) -> str:
        """Write the run so far as a page beside its folder; it goes on."""
        page = f"{folder}.html"
        try:
            return f"written: {export_html(self._run_so_far(), page)}"
        except OSError as exc:
            raise _not_written("page", page, exc) from None

    def _run_so_far(self) -> Run:
        session = self._session
        return Run(session.scenario, so_far(session), dict(session.info))


def _not_written(what: str, where: str, error: OSError) -> EngineError:
    why = error.strerror or str(error)
    return EngineError(f"{what} is {where!r}: {why}; allowed: one to write to")
