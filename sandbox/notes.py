"""Notes: what a derived scenario does not know, and what it takes instead."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sandbox.parts import Part

_LONGEST = 10_000
Text = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class NotDerived(Part):
    """One thing that could not be derived: where it stands, what it is, what is assumed instead.

    >>> print(NotDerived(where="tasks.service", what="no app knows it", assumed="0.1 s"))
    tasks.service: no app knows it; assumed: 0.1 s
    """

    where: Text
    what: Text
    assumed: Text

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.where}: {self.what}; assumed: {self.assumed}"


class Notes:
    """Collects what could not be derived, in the order in which it was met.

    >>> notes = Notes()
    >>> notes.add("beat", "no command starts one", "nothing is published by beat")
    >>> [note.where for note in notes.found]
    ['beat']
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, where: str, what: str, assumed: str) -> None:
        """Note a thing; what holds in several places alike is one note."""
        where, what, assumed = (" ".join(text.split()) for text in (where, what, assumed))
        self._found.setdefault((what, assumed), {})[where] = None

    @property
    def found(self) -> tuple[NotDerived, ...]:
        """All of them, in the order in which each was met first."""
        return tuple(
            NotDerived(where=_cut(", ".join(places)), what=_cut(what), assumed=_cut(assumed))
            for (what, assumed), places in self._found.items()
        )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
