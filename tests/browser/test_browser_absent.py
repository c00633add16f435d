"""A machine without a browser: a laptop skips the browser tests with a sentence, CI fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("in_ci", "status", "sentence"),
    [
        (False, 0, "no /nowhere/chromium on this machine (Debian: apt install chromium"),
        (True, 1, "CI has no /nowhere/chromium, so nothing would be proved in a browser"),
    ],
)
def test_no_chromium(in_ci: bool, status: int, sentence: str) -> None:
    """Law: without Chromium nothing passes: skipped on a laptop, failed in CI, and why is told."""
    environment = {k: v for k, v in os.environ.items() if k not in {"CI", "PYTEST_ADDOPTS"}}
    environment |= {"SANDBOX_CHROMIUM": "/nowhere/chromium"} | ({"CI": "true"} if in_ci else {})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/browser/test_guard.py"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert sentence in done.stdout
    assert " passed" not in done.stdout


def test_ci_brings_a_browser_and_uses_it() -> None:
    """Law: CI installs Chromium where there is none, and drives it after the tests."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "command -v chromium >/dev/null || need+=(chromium)" in script
    assert script.index("export CI=true") < script.index("make test") < script.index("make browser")
