"""Guesses: a number that a learner wrote down before the model and the workers told theirs."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.errors import LabError
from sandbox.labs.checks import is_open
from sandbox.labs.room import pooled

_BINS = 8
_BAR = 24


@dataclass(frozen=True)
class Guess:
    """A guess, and what it is held against: ``model`` and ``measured``; None: not known yet.

    ``room``: the guesses of everybody in the workshop, this one included. They are shown with the
    model's number and not before, so that nobody guesses what the others did.
    """

    question: str
    number: float | None
    model: float | None = None
    measured: float | None = None
    room: tuple[float, ...] = ()

    def against(self, *, model: Any = None, measured: Any = None) -> Guess:
        """Return the guess beside what the model and the workers say.

        >>> Guess("How many are lost?", 0).against(model=4, measured=4)
        How many are lost?
          you guessed  0
          the model    4
          measured     4
        """
        if self.number is None:
            return self  # whoever has not guessed yet is not told
        return replace(
            self,
            model=self.model if is_open(model) else float(model),
            measured=self.measured if is_open(measured) else float(measured),
            room=pooled(self.question, self.number),
        )

    def __repr__(self) -> str:
        lines = [self.question, *(f"  {name:<12} {text}" for name, text in self._rows())]
        if self.room:
            lines += ["  the room:", *(f"  {line}" for line in histogram(self.room))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def _rows(self) -> list[tuple[str, str]]:
        if self.number is None:
            return [("you guessed", "nothing yet: write your number down first")]
        rows = [("you guessed", f"{self.number:g}")]
        if self.model is not None:
            rows.append(("the model", f"{self.model:g}"))
        if self.measured is not None:
            rows.append(("measured", f"{self.measured:g}"))
        return rows


def guessed(question: str, number: object) -> Guess:
    """Return a guess; a stub's is none yet. LabError for what is no number."""
    if is_open(number):
        return Guess(question, None)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise LabError(f"the guess on {question!r} is {number!r}; allowed: a number")
    pooled(question, float(number))
    return Guess(question, float(number))


def histogram(numbers: Sequence[float]) -> list[str]:
    """Return a histogram of guesses, a line each bin.

    >>> histogram([0, 0, 4])
    ['0  ######################## 2', '4  ############ 1']
    """
    low, high = min(numbers), max(numbers)
    if len(set(numbers)) <= _BINS:
        counts = [(f"{value:g}", numbers.count(value)) for value in sorted(set(numbers))]
    else:
        width = (high - low) / _BINS
        indices = [min(int((value - low) / width), _BINS - 1) for value in numbers]
        counts = [
            (f"{low + i * width:.3g} … {low + (i + 1) * width:.3g}", indices.count(i))
            for i in range(_BINS)
        ]
    wide = max(len(label) for label, _ in counts)
    most = max(n for _, n in counts)
    return [
        f"{label:<{wide}}  {'#' * max(round(_BAR * n / most), n > 0)} {n}" for label, n in counts
    ]
