"""Calibrations: the overheads of one machine, broker and version, measured and kept.

Stored as JSON under the user's cache folder, one file a broker. One that is corrupt, too
old, of another machine, broker or version is not used, and says so.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, JsonValue

from sandbox.errors import shown
from sandbox.overheads import Overheads
from sandbox.parts import Part

_HOUR_S, _DAY_S = 3_600.0, 86_400.0
_OLDEST_S = 7 * _DAY_S
_LONGEST = 300
_PACKAGES = ("celery", "kombu", "redis", "fakeredis")


class _Stored(Part):
    """What a calibration's file holds. ``at`` is a date in seconds since 1970."""

    broker: str
    machine: JsonValue
    at: Annotated[float, Field(ge=0, strict=True)]
    overheads: Overheads


def folder() -> Path:
    """Return where calibrations are kept: ``$SANDBOX_CACHE``, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("SANDBOX_CACHE") or Path(base) / "celery-sandbox")


def machine() -> dict[str, Any]:
    """Return what must be the same for a calibration to hold."""
    return {
        "node": platform.node(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def broker_name(kind: str, url: str | None = None) -> str:
    """Return the name a broker's calibration is kept under; it holds no password.

    A server of its own kind on this machine is ``redis`` or ``fake``; one that is reached by
    ``url`` may be far away, so it has a calibration of its own.

    >>> broker_name("url", "redis://:secret@queue.example:6380/0")
    'redis at queue.example:6380'
    """
    if url is None:
        return kind
    place = urlsplit(url)
    return f"redis at {place.hostname or 'localhost'}:{place.port or 6379}"


def _path(broker: str) -> Path:
    return folder() / (re.sub(r"[^\w.]+", "-", broker) + ".json")


def store(overheads: Overheads, broker: str) -> Path:
    """Keep a calibration of ``broker`` (a ``broker_name``); return its file.

    Raises OSError when the folder cannot be written.
    """
    path = _path(broker)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = _Stored(broker=broker, machine=machine(), at=time.time(), overheads=overheads)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(kept.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(path)
    return path


def read(broker: str) -> tuple[Overheads | None, str]:
    """Return the stored calibration of a broker and a sentence about it; None if unusable."""
    path = _path(broker)
    try:
        if not path.exists():
            return None, f"no calibration of {broker} on this machine yet"
        stored = _Stored(**_object(path))
    except (OSError, ValueError, OverflowError, RecursionError) as exc:
        return None, f"the calibration {path} is corrupt and not used: {_plain(exc)}"
    age_s = time.time() - stored.at
    why = _refusal(stored, broker, age_s)
    if why is not None:
        return None, f"the calibration {path} is {why} and not used"
    told = f"calibrated on {broker}, {_age(age_s)} ago"
    return stored.overheads.but(source=told), told


def _object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; OSError or ValueError if there is none."""
    if not path.is_file():
        raise ValueError("it is no file")
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("it holds no object")
    return data


def _refusal(stored: _Stored, broker: str, age_s: float) -> str | None:
    """Say what keeps a calibration from holding here and now; None if nothing does."""
    if stored.broker != broker:
        return f"of the broker {shown(stored.broker)}"
    if stored.machine != machine():
        return "of another machine or version"
    if not 0 <= age_s <= _OLDEST_S:
        return f"{age_s / _DAY_S:.1f} days old"
    return None


def _plain(exc: Exception) -> str:
    """Return an error's text on one line that a terminal can show."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"


def _age(seconds: float) -> str:
    """Return an age in the unit that a reader would say it in."""
    if seconds < 2 * _HOUR_S:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _DAY_S:.0f} days"


def known(broker: str) -> Overheads:
    """Return the overheads to predict ``broker`` with: its calibration, else the defaults.

    ``source`` says which, how old it is, and why a stored one is not used.
    """
    overheads, told = read(broker)
    return overheads or Overheads(source=f"defaults, not measured on this machine: {told}")
