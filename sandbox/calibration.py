"""Calibrations: the overheads of one machine, broker and version, measured and kept.

Stored as JSON under the user's cache folder, one file a broker. One that is corrupt, too
old, of another machine or of other versions is not used, and says so.
"""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sandbox.overheads import Overheads

_DAY_S = 86_400.0
_OLDEST_S = 7 * _DAY_S
_PACKAGES = ("celery", "kombu", "redis", "fakeredis")


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


def store(overheads: Overheads, broker: str) -> Path:
    """Keep a calibration of ``broker`` (redis or fake); return its file."""
    path = folder() / f"{broker}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"machine": machine(), "at": time.time(), "overheads": overheads.model_dump()}
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(data, indent=1), encoding="utf-8")
    partial.replace(path)
    return path


def read(broker: str) -> tuple[Overheads | None, str]:
    """Return the stored calibration of a broker and a sentence about it; None if unusable."""
    path = folder() / f"{broker}.json"
    if not path.exists():
        return None, f"no calibration of {broker} on this machine yet"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        overheads, at = Overheads(**data["overheads"]), float(data["at"])
        theirs = data["machine"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        return None, f"the calibration {path} is corrupt and not used: {exc}"
    age_s = time.time() - at
    if theirs != machine():
        return None, f"the calibration {path} is of another machine or version and not used"
    if not 0 <= age_s <= _OLDEST_S:
        return None, f"the calibration {path} is {age_s / _DAY_S:.1f} days old and not used"
    told = f"calibrated on {broker}, {age_s / 60:.0f} min ago"
    return overheads.but(source=told), told


def newest() -> Overheads:
    """Return the calibration to predict with: Redis's, else the fake's, else the defaults."""
    for broker in ("redis", "fake"):
        overheads, _ = read(broker)
        if overheads is not None:
            return overheads
    return Overheads()
