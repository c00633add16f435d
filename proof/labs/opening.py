"""The opening demo of docs/teaching.md: its commands show what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.teaching import PAGE

_DEMO = re.compile(r"^```sh\n(sandbox .*?)^```", re.MULTILINE | re.DOTALL)
SHOWS = (
    ("worker_recovery_s", "child_recovery_s"),
    ("worker_recovery_s", "child_recovery_s"),
    ("at least once",),
)
"""What the audience is told to look at in the answer to each command."""
_LONGEST_S = 300


def commands() -> list[str]:
    """Return the demo's command lines, from the page."""
    found = re.search(
        r"^```sh\n(sandbox .*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return found[1].strip().splitlines() if found else []


def problems(lines: Sequence[str], folder: Path) -> list[str]:
    """Run the lines in an empty folder; return what does not show what the demo needs.

    A loaded machine may make a row of a comparison differ: status 1.
    """
    folder.mkdir(parents=True)
    script = folder / "sandbox"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sandbox "$@"\n')
    script.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    found = [] if len(lines) == len(SHOWS) else [f"the demo has {len(lines)} commands"]
    for line, shows in zip(lines, SHOWS, strict=False):
        done = subprocess.run(  # noqa: S603 - our own page's commands
            ["/bin/bash", "-c", line], cwd=folder, env=environment, capture_output=True,
            text=True, timeout=_LONGEST_S, check=False,
        )  # fmt: skip
        if done.returncode not in {0, 1} or "Traceback" in done.stderr:
            found.append(f"the demo's {line!r} ends with status {done.returncode}")
        found += [
            f"the demo's {line!r} shows no {word}" for word in shows if word not in done.stdout
        ]
    return found
