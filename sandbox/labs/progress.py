"""Progress: which checks of which lab are right in this folder, kept in one local file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = ".sandbox-labs.json"


@dataclass(frozen=True)
class Progress:
    """What a learner has done: by lab, the last status of each check, the hints seen, the guesses.

    >>> import tempfile
    >>> kept = Progress(Path(tempfile.mkdtemp()))
    >>> kept.note("03", "checks", "nothing_lost", "right")
    >>> kept.of("03")["checks"]
    {'nothing_lost': 'right'}
    """

    folder: Path

    def read(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return all of it; empty where nothing was done or the file cannot be read."""
        try:
            found = json.loads((self.folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def of(self, number: str) -> dict[str, dict[str, Any]]:
        """Return what was done in one lab."""
        return self.read().get(number, {})

    def note(self, number: str, section: str, name: str, value: Any) -> None:
        """Note one thing; the file is replaced at once, so that it is never half written."""
        kept = self.read()
        kept.setdefault(number, {}).setdefault(section, {})[name] = value
        self._write(kept)

    def forget(self, number: str) -> None:
        """Forget one lab."""
        kept = self.read()
        if kept.pop(number, None) is not None:
            self._write(kept)

    def _write(self, kept: dict[str, Any]) -> None:
        path = self.folder / FILE
        half = path.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        half.replace(path)
