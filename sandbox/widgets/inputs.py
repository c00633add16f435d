"""Inputs: the panel's fields and buttons, in groups; each order goes onto a queue."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Protocol

import ipywidgets as widgets

from sandbox.engines.commands import problem
from sandbox.faults import At, OnEvent
from sandbox.scenario import Scenario
from sandbox.widgets.fields import OPTIONAL, Fields
from sandbox.widgets.verbs import Group, Verb, groups

Order = Callable[..., None]
_AFTER_THE_END = {"Folder", "Replay"}
_LOOKED_AT = ("task", "worker", "slot", "dependency", "link")
"""Fields on which it depends what is possible."""


class Able(Protocol):
    """What knows which verbs a system has: its controls."""

    def refusal(self, verb: str) -> str | None:
        """Return why it has no such verb: the end of a sentence, or None."""


class Inputs:
    """The groups of fields and buttons; ``order`` takes a verb and its arguments.

    A button whose verb is not possible here is disabled, and its group says why.
    """

    def __init__(
        self, scenario: Scenario, order: Order, replay: Callable[[str], None], able: Able
    ) -> None:
        self._scenario, self._order, self._replay, self._able = scenario, order, replay, able
        self.fields = Fields(scenario)
        self.buttons: dict[str, widgets.Button] = {}
        self._verbs: dict[str, Verb] = {}
        self._notes: list[tuple[Group, widgets.HTML]] = []
        self._ended = False
        self.rows = [self._group(group) for group in groups(scenario)]
        for name in _LOOKED_AT:
            self.fields[name].observe(lambda _: self.refresh(), "value")
        self.refresh()

    def _group(self, group: Group) -> widgets.HBox:
        head = widgets.HTML(f"<b>{escape(group.title)}</b>")
        note = widgets.HTML()
        self._notes.append((group, note))
        rows = [widgets.HBox([self._item(item) for item in row]) for row in group.rows]
        for row in rows:
            row.layout.flex_flow, row.layout.align_items = "row wrap", "center"
        head.layout.width = "130px"
        box = widgets.HBox([head, widgets.VBox([*rows, note], layout={"flex": "1 1 500px"})])
        box.layout.flex_flow = "row wrap"
        box.add_class("sb-group")
        return box

    def _item(self, item: str | Verb) -> widgets.Widget:
        return self.fields[item] if isinstance(item, str) else self._button(item)

    def _button(self, verb: Verb) -> widgets.Button:
        button = widgets.Button(description=verb.label, tooltip=_tip(verb))
        button.button_style = "danger" if verb.harms else ""
        button.layout.width = "auto"
        button.on_click(lambda _: self._press(verb))
        self.buttons[verb.label], self._verbs[verb.label] = button, verb
        return button

    # --- what is possible --------------------------------------------------------------

    def refresh(self) -> None:
        """Enable the buttons whose verbs are possible with what is chosen now; say why others not.

        A group's note says it too: no keyboard and no screen reader comes to a disabled button.
        """
        for group, note in self._notes:
            told: dict[str, list[str]] = {}
            for verb in (item for row in group.rows for item in row if isinstance(item, Verb)):
                if (why := self._mark(verb)) is not None:
                    told.setdefault(why, []).append(verb.label)
            reasons = [f"{', '.join(labels)}: {why}." for why, labels in told.items()]
            text = " ".join(["Not possible here.", *reasons]) if reasons else ""
            note.value = escape(text)

    def _mark(self, verb: Verb) -> str | None:
        why, button = self.refusal(verb), self.buttons[verb.label]
        button.tooltip = _tip(verb) if why is None else f"Not possible here: {why}"
        if not self._ended:
            button.disabled = why is not None
        return why

    def refusal(self, verb: Verb) -> str | None:
        """Return why a button is no use with what is chosen now, or None."""
        arguments = self._arguments(verb)
        for one in filter(None, (verb.first, verb.verb)):
            why = self._able.refusal(one) or problem(self._scenario, one, arguments)
            if why is not None:
                return why
        return verb.why_not(self._scenario, arguments)

    # --- what they do ------------------------------------------------------------------

    def moment(self) -> At | OnEvent | None:
        """Return when an order is to be carried out; None for now."""
        return self.fields.moment()

    def _arguments(self, verb: Verb) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for argument, source in verb.takes.items():
            if not isinstance(source, str):
                found[argument] = source
            elif source.startswith("="):
                found[argument] = source[1:]
            elif (value := self.fields.value(source)) is not None or source not in OPTIONAL:
                found[argument] = value
        return found

    def _press(self, verb: Verb) -> None:
        arguments = self._arguments(verb)
        if verb.verb == "replay":
            self._replay(arguments["folder"])
            return
        when = None if verb.is_now else self.moment()
        later = {} if when is None else {"when": when}
        if verb.first is not None:
            self._order(verb.first, **later)
        self._order(verb.verb, **arguments, **later)

    def disable(self) -> None:
        """Show that nothing can be done to the session any more; a saved run can be replayed."""
        self._ended = True
        for control in (*self.fields.all.values(), *self.buttons.values()):
            control.disabled = control.description not in _AFTER_THE_END


def _tip(verb: Verb) -> str:
    return f"{verb.tip} ({verb.verb})"
