"""What the model is known to get wrong, with its size and the reason; five at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A difference between the model and real workers; ``source`` is where it comes from."""

    what: str
    size: str
    source: str


KNOWN: tuple[Known, ...] = (
    Known(
        "the first failure in a child process takes longer than every later one",
        "0.05 s to 0.5 s a process, by what else the machine does",
        "celery/app/trace.py handle_error_state, traceback and linecache reading sources",
    ),
)
