"""Node for the tests of the widgets' modules: a clear skip on a laptop, a failure in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

JS = Path(__file__).parent / "js"


def node(*arguments: str | Path, timeout_s: float = 60.0) -> str:
    """Run Node with these arguments and return what it has printed."""
    found = shutil.which("node")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no node, so nothing would be proved of the widgets' modules")
        pytest.skip("no node on this machine (Debian: apt install nodejs)")
    done = subprocess.run(
        [found, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout
