"""Checks: what a learner's cell is held against, and how the answer is told.

A check never raises. It answers *right*, *wrong*, *not attempted* or *environment broken*, and a
wrong one says five things: what was checked, expected against observed, the likely misconception,
where to look, and the next hint.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.errors import EngineError, LabError
from sandbox.run import Run

Status = Literal["right", "wrong", "not attempted", "environment broken"]
_SIGN: dict[str, str] = {
    "right": "✓", "wrong": "✗", "not attempted": "○", "environment broken": "!",
}  # fmt: skip
ENDED = {"drained", "deadline"}


@dataclass(frozen=True)
class Finding:
    """What a check found: what was expected, what the record says, and what that may mean.

    ``where``: a row or a task to look at. ``misconception``: what one who gives this answer
    probably believes; empty where the answer is right.
    """

    expected: str
    observed: str
    is_right: bool
    where: str = ""
    misconception: str = ""


@dataclass(frozen=True)
class Check:
    """One check of a lab: its name, what it asks, and the function that looks.

    ``look`` takes what the learner's cells made: scenarios, runs, numbers, texts.
    """

    name: str
    asks: str
    look: Callable[..., Finding]


def check(asks: str) -> Callable[[Callable[..., Finding]], Check]:
    """Make a function a check: its name is the check's, ``asks`` is what is told of it.

    >>> @check("two and two")
    ... def four(number):
    ...     return Finding("4", str(number), number == 4, misconception="two was counted twice")
    >>> print(answer(four, (5,)))
    ✗ wrong: two and two
      expected: 4
      observed: 5
      likely misconception: two was counted twice
    """
    return lambda look: Check(look.__name__, asks, look)


@dataclass(frozen=True)
class Answer:
    """What a check answers, as text and as HTML."""

    name: str
    asks: str
    status: Status
    lines: tuple[tuple[str, str], ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether the check holds."""
        return self.status == "right"

    def __str__(self) -> str:
        told = [f"{_SIGN[self.status]} {self.status}: {self.asks}"]
        return "\n".join([*told, *(f"  {name}: {text}" for name, text in self.lines)])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"check": self.name, "asks": self.asks, "status": self.status, **dict(self.lines)}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self.lines
        )
        head = html.escape(f"{_SIGN[self.status]} {self.status}: {self.asks}")
        return f"<strong>{head}</strong>" + (f"<table>{rows}</table>" if rows else "")


class NotYet:
    """What stands for a value that nobody has given yet; whatever is made of it is one, too."""

    def __repr__(self) -> str:
        return "not attempted yet: fill in the cell marked “your turn”"

    def __getattr__(self, name: str) -> NotYet:
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> NotYet:
        """Give what a method of a value that is not there yet gives."""
        return self

    def __getitem__(self, _: object) -> NotYet:
        return self

    def __iter__(self) -> Iterator[NotYet]:
        """Give nothing: without this, ``for`` would ask for one item after the other, for ever."""
        return iter(())


def is_open(value: object) -> bool:
    """Whether a value is a stub's: ``...``, nothing, or made of that."""
    return value is ... or value is None or isinstance(value, NotYet)


def answer(one: Check, given: tuple[Any, ...], next_hint: Callable[[], str] = lambda: "") -> Answer:
    """Look at what was given and answer; ``next_hint`` says how to get more help."""
    if any(is_open(value) for value in given):
        return Answer(one.name, one.asks, "not attempted", (("next", "fill in the cell above"),))
    for value in given:
        if isinstance(value, Run) and value.ended not in ENDED:
            return _broken(one, f"the run ended because of this: {value.ended}")
    try:
        found = one.look(*given)
    except EngineError as exc:
        return _broken(one, str(exc))
    except (LabError, ValueError, TypeError, KeyError, AttributeError, IndexError) as exc:
        found = Finding(
            "something that the check can read", f"{type(exc).__name__}: {exc}", is_right=False,
            misconception="another kind of value was meant: see what the cell's text asks for",
        )  # fmt: skip
    if found.is_right:
        return Answer(one.name, one.asks, "right", (("observed", found.observed),))
    lines = (
        ("expected", found.expected), ("observed", found.observed),
        ("likely misconception", found.misconception), ("where to look", found.where),
        ("next", next_hint()),
    )  # fmt: skip
    return Answer(one.name, one.asks, "wrong", tuple((n, text) for n, text in lines if text))


def _broken(one: Check, why: str) -> Answer:
    what = "it is the machine, not your answer: run the cell again, or lab.reset()"
    return Answer(one.name, one.asks, "environment broken", (("why", why), ("next", what)))
