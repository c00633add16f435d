"""Where the tasks of a system keep their data in this run: its folder, or PostgreSQL by URL."""

from __future__ import annotations

from pathlib import Path

FILE = "data.sqlite"


def modules(app: str | None) -> tuple[str, ...]:
    """Return what an app of the sandbox's own keeps its data with.

    Imported once, before anything is forked: else each worker would do so when it starts, and one
    that is started again would be away for longer.

    >>> modules("sandbox.systems.leadlawk.app:mended"), modules("shop.app:app")
    (('sandbox.patterns.database',), ())
    """
    return ("sandbox.patterns.database",) if (app or "").startswith("sandbox.") else ()


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
