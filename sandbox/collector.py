"""The cycle collector of Python, spared where much is made and nothing is thrown away."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause it: each event it looks at is one that stays (half of the time of a fold).

    >>> with collector_paused():
    ...     events = [(n, "sent") for n in range(3)]
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
