"""Rate limits as Celery writes them."""

from __future__ import annotations

import re

_PER_S = {"s": 1.0, "m": 1 / 60, "h": 1 / 3600}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/([smh]))?")
_LEAST, _MOST = 1e-9, 1e9


def parse_rate(rate: str) -> float:
    """Return the tasks a second that a limit such as ``"5/m"`` allows.

    Raises ValueError for what Celery would not read. Source: celery/utils/time.py, ``rate``.

    >>> parse_rate("30/m")
    0.5
    """
    match = _RATE.fullmatch(rate)
    per_s = float(match[1]) * _PER_S[match[2] or "s"] if match is not None else 0.0
    if not _LEAST <= per_s <= _MOST:
        raise ValueError("a rate is a number above 0, then /s, /m or /h, such as '5/m'")
    return per_s
