"""Fields: what the panel's verbs take, each with its label, its bounds and how it is read."""

from __future__ import annotations

from typing import Any, get_args

import ipywidgets as widgets

from sandbox.faults import At, OnEvent
from sandbox.scenario import Scenario
from sandbox.slots import slot_name

NOW, AT_A_TIME = "now", "at a time"
BUSIEST, ALL_LINKS, OWN_LINK = "busy longest", "all links", "of the worker"
_EVENTS = get_args(OnEvent.model_fields["event"].annotation)
_NO_SLOT = -1
"""None would be a list in which nothing is chosen."""
_AN_HOUR_S = 3600.0
_GRACE_S = 10.0
"""What a worker has in a deployment: as much as Docker gives."""
OPTIONAL = frozenset({"slot", "slot_worker", "link"})
"""Fields that may name nothing: then the verb is called without the argument."""


def _choice(label: str, options: Any, tip: str = "") -> widgets.Dropdown:
    return _shaped(widgets.Dropdown(description=label, options=options, tooltip=tip), "auto")


def _number(label: str, value: float, tip: str = "", **bounds: float) -> widgets.Widget:
    bounds = {"min": 0.0, "max": 1e9} | bounds
    return _shaped(
        widgets.BoundedFloatText(description=label, value=value, tooltip=tip, **bounds), "190px"
    )


def _whole(label: str, value: int, most: int) -> widgets.Widget:
    return _shaped(widgets.BoundedIntText(description=label, value=value, min=1, max=most), "190px")


def _text(label: str, width: str, **settings: str) -> widgets.Widget:
    return _shaped(widgets.Text(description=label, **settings), width)


def _shaped(field: widgets.Widget, width: str) -> widgets.Widget:
    field.style.description_width = "auto"
    field.layout.width = width
    field.layout.max_width = "100%"
    return field


class Fields:
    """The panel's fields by name; ``value`` reads one as its verb's argument."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        names = [dependency.name for dependency in scenario.dependencies]
        events = [f"on {event}" for event in _EVENTS]
        self.all: dict[str, widgets.Widget] = {
            "when": _choice("When", [NOW, AT_A_TIME, *events]),
            "nth": _whole("Nth event", 1, 10**6),
            "after": _number("Time, or s after", 0.0, max=1e6),
            "task": _choice("Task type", scenario.task_names),
            "n": _whole("How many", 100, 100_000),
            "rate": _text("Rate limit", "190px", placeholder="5/m; empty: none"),
            "work": _number("After work (s)", 0.1, "How long it works first", min=0.001),
            "worker": _choice("Worker", scenario.worker_names),
            "slot": _choice("Slot", [(BUSIEST, _NO_SLOT)], "Also: click a slot on the board"),
            "offset": _number("Clock ahead (s)", _AN_HOUR_S, min=-1e9),
            "link": _choice("Link", [ALL_LINKS, OWN_LINK], "The worker is the one chosen above"),
            "delay": _number("Delay (s)", 0.1, max=60.0, step=0.1),
            "bytes": _number("Bytes/s", 10_000.0, step=1000.0),
            "seconds": _number("Seconds", _AN_HOUR_S, min=0.001),
            "dependency": _choice("Dependency", names),
            "outage": _number("Outage (s)", 5.0, min=0.1, max=1e6),
            "factor": _number("Times slower", 3.0, min=0.1, max=1e3),
            "grace": _number("Grace (s)", _GRACE_S, min=0.1, max=1e6),
            "folder": _text("Folder", "340px", value=f"saved/{scenario.name}"),
        }
        self["task"].layout.width = "340px"
        self["worker"].observe(lambda _: self._offer_slots(), "value")
        self._offer_slots()

    def __getitem__(self, name: str) -> widgets.Widget:
        """Return a field."""
        return self.all[name]

    def _offer_slots(self) -> None:
        pool, field = self._scenario.pool_of(self["worker"].value), self["slot"]
        n = pool.concurrency if pool is not None and pool.pool == "prefork" else 0
        kept = field.value if field.value < n else _NO_SLOT
        field.options = [(BUSIEST, _NO_SLOT), *((slot_name(i), i) for i in range(n))]
        field.value = kept

    @property
    def picked(self) -> str:
        """The worker and the slot that are chosen: ``1@worker1``, or ``@worker1``."""
        slot = self.value("slot")
        return f"{'' if slot is None else slot}@{self['worker'].value}"

    def pick(self, picked: str) -> None:
        """Choose as ``picked`` says; a worker or a slot that is not there is not chosen."""
        number, _, worker = picked.partition("@")
        if picked == self.picked or worker not in self._scenario.worker_names:
            return
        self["worker"].value = worker
        known = {str(value): value for _, value in self["slot"].options[1:]}
        self["slot"].value = known.get(number, _NO_SLOT)

    def value(self, name: str) -> Any:
        """Return what a field says, as an argument; None where it names nothing."""
        if name == "slot":
            return None if self["slot"].value == _NO_SLOT else self["slot"].value
        if name == "slot_worker":
            return None if self.value("slot") is None else self["worker"].value
        if name == "link":
            return self["worker"].value if self["link"].value == OWN_LINK else None
        if name == "rate":
            return self["rate"].value.strip() or None
        if name == "bytes":
            return self["bytes"].value or None
        return self[name].value

    def moment(self) -> At | OnEvent | None:
        """Return when an order is to be carried out; None for now."""
        when, after_s = self["when"].value, self["after"].value
        if when == NOW:
            return None
        if when == AT_A_TIME:
            return At(at_s=after_s)
        event = when.removeprefix("on ")
        return OnEvent(event=event, nth=self["nth"].value, after_s=after_s)
