"""The folder of a run: its own user's, whatever the caller's umask lets others do."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path


def run_folder(runs: Path, name: str, scenario: str) -> Path:
    """Make a new run's folder under ``runs`` and write its scenario, as JSON, into it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = runs.absolute() / f"{name}-{stamp}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}"
    for part in (*reversed(folder.parents), folder, folder / "raw", folder / "logs"):
        # One by one: with parents=True they would be as open as the umask lets them.
        part.mkdir(mode=0o700, exist_ok=True)
    stated = folder / "scenario.json"
    stated.touch(mode=0o600)
    stated.write_text(scenario, encoding="utf-8")
    return folder


def close_to_others(folder: Path) -> None:
    """Leave the files of a stored run to their owner: a folder may be opened for others later."""
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o600)


def log_tail(folder: Path, name: str, lines: int = 8) -> str:
    """Return the end of a process's log, on one line."""
    path = folder / "logs" / f"{name}.log"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return " | ".join(text.strip().splitlines()[-lines:]) or "(nothing)"
