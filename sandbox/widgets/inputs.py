"""Inputs: the panel's fields and buttons, in rows; each order goes onto a queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import ipywidgets as widgets

from sandbox.faults import At, OnEvent
from sandbox.scenario import Scenario
from sandbox.schedules import SCHEDULES

_AN_HOUR_S = 3600.0
_GRACE_S = 10.0
"""What a worker has in a deployment: as much as Docker gives."""
_NOW, _AT = "now", "at a time"
_EVENTS = get_args(OnEvent.model_fields["event"].annotation)
_OF_WORKERS = {
    "kill_child": "SIGKILL to the process that has been busy longest",
    "kill_worker": "SIGKILL to the worker and its processes",
    "terminate_worker": "Warm shutdown, SIGTERM: finish what runs, then exit",
    "quit_worker": "Cold shutdown, SIGQUIT: cancel what runs, then exit; soft first if that is set",
    "pause_worker": "SIGSTOP to the worker and its processes",
    "resume_worker": "SIGCONT to a worker that is paused",
    "start_worker": "Start this worker if it is down",
    "cut_off": "Close its connections to the broker, and refuse it new ones",
    "mend_link": "Let a worker that is cut off connect again",
}
_OF_THE_BROKER = {
    "drop_connections": "Cut every connection to the broker at once; all come back",
    "pause_broker": "SIGSTOP to the broker, if it is the sandbox's own",
    "resume_broker": "SIGCONT to the broker",
    "stop_broker": "SIGKILL to the broker, if it is the sandbox's own",
    "start_broker": "Start the broker again, with what it has kept",
}

Order = Callable[..., None]


class Inputs:
    """The rows of fields and buttons; ``order`` takes a verb and its arguments."""

    def __init__(self, scenario: Scenario, order: Order, replay: Callable[[str], None]) -> None:
        self._scenario, self._order, self._replay = scenario, order, replay
        self._fields()
        rows = [self._when_row(), self._task_row(), self._worker_row(), self._broker_row()]
        if scenario.dependencies:
            rows.append(self._dependency_row())
        self.rows = [*rows, self._time_row(), self._schedule_row(), self._saved_row()]

    def _fields(self) -> None:
        scenario, number = self._scenario, widgets.BoundedFloatText
        events = [f"on {event}" for event in _EVENTS]
        self.when = _field(widgets.Dropdown, "When", options=[_NOW, _AT, *events])
        self.nth = _field(widgets.BoundedIntText, "Nth event", value=1, min=1, max=10**6)
        self.after = _field(number, "Time, or s after", value=0.0, max=1e6)
        self.task = _field(widgets.Dropdown, "Task type", options=scenario.task_names)
        self.n = _field(widgets.BoundedIntText, "How many", value=100, min=1, max=100_000)
        self.rate = _field(widgets.Text, "Rate limit", placeholder="5/m; empty: none")
        self.worker = _field(widgets.Dropdown, "Worker", options=scenario.worker_names)
        self.seconds = _field(number, "Seconds", value=_AN_HOUR_S, max=1e9)
        self.delay = _field(number, "Delay (s)", value=0.1, max=60.0, step=0.1)
        names = [dependency.name for dependency in scenario.dependencies]
        self.dependency = _field(widgets.Dropdown, "Dependency", options=names)
        self.outage = _field(number, "Outage (s)", value=5.0, min=0.1, max=1e6)
        self.factor = _field(number, "Times slower", value=3.0, min=0.1, max=1e3)
        self.folder = _field(widgets.Text, "Folder", value=f"saved/{scenario.name}")
        self.task.layout.width = self.folder.layout.width = "340px"

    # --- rows ------------------------------------------------------------------------

    def _when_row(self) -> widgets.HBox:
        return _row("Moment", self.when, self.nth, self.after)

    def _task_row(self) -> widgets.HBox:
        return _row(
            "Tasks",
            self.task,
            self._button("Trigger 1", "Publish one task", self._trigger(lambda: 1)),
            self._button("Trigger 10", "Publish ten tasks", self._trigger(lambda: 10)),
            self.n,
            self._button("Trigger many", "Publish as many", self._trigger(lambda: self.n.value)),
            self.rate,
            self._button("Set rate limit", "Limit this task type on each worker", self._limit),
        )

    def _worker_row(self) -> widgets.HBox:
        buttons = [
            self._button(_label(verb), tip, self._on_worker(verb))
            for verb, tip in _OF_WORKERS.items()
        ]
        return _row("Workers", self.worker, *buttons)

    def _broker_row(self) -> widgets.HBox:
        buttons = [
            self._button(_label(verb), tip, partial(self._do, verb))
            for verb, tip in _OF_THE_BROKER.items()
        ]
        tip = "Have each answer come so much later; 0: none"
        return _row("Broker", self.delay, self._button("Set latency", tip, self._lag), *buttons)

    def _dependency_row(self) -> widgets.HBox:
        fail = self._button("Fail dependency", "Have each call fail at once, so long", self._fail)
        slow = self._button(
            "Slow dependency", "Calls take so many times as long; 1: none", self._slow
        )
        return _row("Downstream", self.dependency, self.outage, fail, self.factor, slow)

    def _time_row(self) -> widgets.HBox:
        tip = "Age the messages in unacked by these seconds, then sweep"
        skip = self._button("Skip", tip, self._skip)
        return _row("Visibility timeout", self.seconds, skip)

    def _schedule_row(self) -> widgets.HBox:
        buttons = [
            self._button(_label(name), str(make.__doc__).partition("\n")[0], self._begin(name))
            for name, make in SCHEDULES.items()
        ]
        tip = f"SIGTERM each worker in turn, SIGKILL after {_GRACE_S:g} s, a new one"
        deploy = self._button("Deploy", tip, partial(self._do, "deploy", grace_s=_GRACE_S))
        return _row("One click", deploy, *buttons)

    def _saved_row(self) -> widgets.HBox:
        save = self._button("Save run", "Write the run so far into the folder", self._save)
        replay = self._button(
            "Replay", "Show the folder's run below, to play and scrub", self._show
        )
        tip = "Write the run so far as one HTML file, the folder's name, that plays anywhere"
        export = self._button("Export page", tip, self._export)
        return _row("Run", self.folder, save, replay, export)

    # --- what they do ----------------------------------------------------------------

    def moment(self) -> At | OnEvent | None:
        """Return when an order is to be carried out; None for now."""
        if self.when.value == _NOW:
            return None
        if self.when.value == _AT:
            return At(at_s=self.after.value)
        event = self.when.value.removeprefix("on ")
        return OnEvent(event=event, nth=self.nth.value, after_s=self.after.value)

    def _do(self, verb: str, **arguments: Any) -> None:
        when = self.moment()
        self._order(verb, **arguments, **({} if when is None else {"when": when}))

    def _trigger(self, n: Callable[[], int]) -> Callable[[], None]:
        return lambda: self._do("submit", task=self.task.value, n=n())

    def _on_worker(self, verb: str) -> Callable[[], None]:
        return lambda: self._do(verb, worker=self.worker.value)

    def _begin(self, name: str) -> Callable[[], None]:
        return lambda: self._order("schedule", name=name)

    def _limit(self) -> None:
        self._do("rate_limit", task=self.task.value, rate=self.rate.value.strip() or None)

    def _lag(self) -> None:
        self._do("latency", delay_s=self.delay.value)

    def _fail(self) -> None:
        self._do("fail_dependency", dependency=self.dependency.value, for_s=self.outage.value)

    def _slow(self) -> None:
        self._do("slow_dependency", dependency=self.dependency.value, factor=self.factor.value)

    def _skip(self) -> None:
        self._do("skip", seconds=self.seconds.value)

    def _save(self) -> None:
        self._order("save_run", folder=self.folder.value)

    def _export(self) -> None:
        self._order("export_page", folder=self.folder.value)

    def _show(self) -> None:
        self._replay(self.folder.value)

    def _button(self, name: str, tip: str, act: Callable[[], None]) -> widgets.Button:
        style = "danger" if name.startswith(("Kill", "Quit", "Stop")) else ""
        button = widgets.Button(description=name, tooltip=tip, button_style=style)
        button.layout.width = "auto"
        button.on_click(lambda _: act())
        return button

    def disable(self) -> None:
        """Show that nothing can be done to the session any more; a saved run can be replayed."""
        for row in self.rows:
            for child in row.children[1:]:
                child.disabled = child.description not in {"Folder", "Replay"}


def _label(verb: str) -> str:
    return verb.replace("_", " ").replace("-", " ").capitalize()


def _field(kind: type[widgets.Widget], label: str, **settings: Any) -> widgets.Widget:
    field = kind(description=label, style={"description_width": "auto"}, **settings)
    field.layout.width = "auto" if kind is widgets.Dropdown else "190px"
    return field


def _row(title: str, *children: widgets.Widget) -> widgets.HBox:
    head = widgets.HTML(f"<b>{title}</b>", layout={"width": "130px"})
    return widgets.HBox(
        [head, *children], layout={"flex_flow": "row wrap", "align_items": "center"}
    )
