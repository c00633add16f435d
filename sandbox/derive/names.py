"""Names: a scenario allows letters, digits and _ . @ -; Celery allows anything."""

from __future__ import annotations

import re
from collections.abc import Container

from sandbox.notes import Notes

_OTHER = re.compile(r"[^A-Za-z0-9_.@-]+")
_LONGEST = 200
_BEFORE_NUMBER = _LONGEST - 8


def plain(name: str, taken: Container[str] = (), *, kind: str, notes: Notes) -> str:
    """Return the name as a scenario can hold it, unlike those taken; note a change.

    >>> plain("add(1, 2)", kind="beat", notes=Notes())
    'add_1_2'
    """
    kept = _OTHER.sub("_", name).strip("_")[:_LONGEST] or kind
    found, n = kept, 2
    while found in taken:
        found, n = f"{kept[:_BEFORE_NUMBER]}.{n}", n + 1
    if found != name:
        notes.add(f"{kind} {name!r}", "its name has other characters than a scenario's", found)
    return found


def is_named_after(name: str, found: str) -> bool:
    """Return whether ``found`` is a plain name, or that name numbered since it was taken.

    >>> is_named_after("tick", "tick"), is_named_after("tick", "tick.2")
    (True, True)
    """
    return found == name or found.rpartition(".")[0] == name[:_BEFORE_NUMBER]
