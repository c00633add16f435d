"""The errors a user can cause. Each is one sentence: what is wrong, where, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SandboxError(Exception):
    """Base of every error that the sandbox raises on purpose; its text is one sentence.

    >>> str(SandboxError("the broker is gone"))
    'the broker is gone'
    """


class ScenarioError(SandboxError, ValueError):
    """A scenario, or one of its parts, that describes something impossible."""


class RunError(SandboxError, ValueError):
    """A stored run that cannot be read, or that breaks a law every run obeys."""


class EngineError(SandboxError, RuntimeError):
    """An engine that cannot do what was asked; everything it had started is taken down."""


def one_of(value: str, allowed: Iterable[str]) -> str:
    """Say what is allowed, with the nearest name first when one is near.

    >>> one_of("brwser", ["default", "browser"])
    "one of 'browser', 'default' (did you mean 'browser'?)"
    """
    names = sorted(allowed)
    listed = ", ".join(repr(name) for name in names) or "nothing: none is declared"
    near = difflib.get_close_matches(value, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"one of {listed}{hint}" if len(names) > 1 else f"{listed}{hint}"
