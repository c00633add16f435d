"""Where the tasks of a system keep their data in this run: its folder, or PostgreSQL by URL."""

from __future__ import annotations

from pathlib import Path

FILE = "data.sqlite"


class _Place:
    """What this process was told; set once, before the worker or the front door starts."""

    url = ""


def place(folder: Path, url: str = "") -> None:
    """Have this process, and those it forks, keep data in ``folder``, or at ``url``."""
    _Place.url = url or f"sqlite:///{folder.resolve() / FILE}"


def url() -> str:
    """Return the URL of the run's database; RuntimeError outside of a run."""
    if not _Place.url:
        raise RuntimeError("no run is under way: this task runs only in the sandbox")
    return _Place.url
