"""The errors a user can cause. Each is one sentence: what is wrong, where, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 300
_SHOWN = 60
_LISTED = 150
_COMPARED = 100


class SandboxError(Exception):
    r"""Base of every error that the sandbox raises on purpose; its text is one sentence.

    It is on one line and has an end, however long the value is that it speaks of.

    >>> str(SandboxError("the broker\nis gone"))
    'the broker is gone'
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


class ScenarioError(SandboxError, ValueError):
    """A scenario, or one of its parts, that describes something impossible."""


class RunError(SandboxError, ValueError):
    """A stored run that cannot be read, or that breaks a law every run obeys."""


class LabError(SandboxError, ValueError):
    """A lab that is not there or not whole, or a step of it that cannot be taken."""


class EngineError(SandboxError, RuntimeError):
    """An engine that cannot do what was asked; everything it had started is taken down."""


def shown(value: object) -> str:
    r"""Return a value as an error shows it: on one line, and not all of a long one.

    >>> shown("a\nb")
    "'a\\nb'"
    """
    # A slice first: the repr of a text of a gigabyte would be made only to be cut.
    short = value[: _SHOWN + 1] if isinstance(value, str | bytes | list | tuple) else value
    try:
        text = repr(short)
    except (RecursionError, ValueError):  # nested too deeply, or too many digits
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def one_line(text: str) -> str:
    r"""Return a sentence on one line that ends: the middle of a long one is left out.

    For what others write, such as the operating system about a file.

    >>> one_line("not\nhere")
    'not here'
    """
    text = _cut(text, 2 * _LONGEST)  # before each of a million letters is looked at
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else _escaped(c) for c in text).split())
    return _cut(text, _LONGEST)


def _cut(text: str, most: int) -> str:
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def one_of(value: str, allowed: Iterable[str]) -> str:
    """Say what is allowed, with the nearest name when one is near; not all of a long list.

    >>> one_of("brwser", ["default", "browser"])
    "one of 'browser', 'default' (did you mean 'browser'?)"
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(value, names, n=1) if len(value) <= _COMPARED else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listed = _listed(names) or "nothing: none is declared"
    return f"one of {listed}{hint}" if len(names) > 1 else f"{listed}{hint}"


def _listed(names: list[str]) -> str:
    """Return the names in quotes: as many as a sentence can hold, and how many more."""
    length = 0
    fitting: list[str] = []
    for name in names:
        length += len(name) + 4
        if fitting and length > _LISTED:
            return f"{', '.join(fitting)} and {len(names) - len(fitting)} more"
        fitting.append(repr(name))
    return ", ".join(fitting)
