"""Linux and macOS: what macOS lacks is asked for nowhere, or only where it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Burst, Host, Scenario, TaskType, WorkerPool

REPOSITORY = Path(__file__).parent.parent
CACHE = REPOSITORY / ".mypy_cache" / "macos"

# Of the modules that live runs use, what CPython 3.11 has on Linux and not on macOS; but for what
# stands behind ``sys.platform``, which the types' test sees and this one cannot change.
LACKING = {
    "os": (
        "eventfd",
        "memfd_create",
        "pidfd_open",
        "pipe2",
        "posix_fadvise",
        "waitid",
    ),
    "select": ("epoll",),
    "signal": ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo"),
}
AS_ON_MACOS = f"""
import importlib
for module, names in {LACKING!r}.items():
    for name in names:
        vars(importlib.import_module(module)).pop(name, None)
"""
PROGRAM = """
import os, sys, sandbox
assert not hasattr(os, "waitid")
run = sandbox.run(sandbox.Scenario.from_file(sys.argv[1]), broker="fake")
print(sandbox.measure(run).value("done"))
"""


@pytest.mark.types
def test_the_types_of_macos_have_all_that_the_package_uses() -> None:
    """The standard library as typeshed describes it for macOS: an unguarded name is an error."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", "darwin", "--cache-dir", CACHE],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # 1: it has found some error, of any kind
    lines = done.stdout.splitlines()
    assert [line for line in lines if "Module has no attribute" in line] == []


@pytest.mark.live
def test_a_live_run_needs_nothing_that_macos_lacks(tmp_path: Path) -> None:
    """With those functions gone from every process, workers start, do their work, and end."""
    scenario = Scenario(
        name="elsewhere",
        tasks=(TaskType(name="hi"),),
        workers=(WorkerPool(concurrency=2),),
        hosts=(Host(cores=1),),
        loads=(Burst(task="hi", n=4),),
        horizon_s=0.5,
    )
    (tmp_path / "sitecustomize.py").write_text(AS_ON_MACOS, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "scenario.json").write_text(scenario.to_json(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py", "scenario.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(path.read_text() for path in tmp_path.glob("runs/*/logs/*.log"))
    assert done.stdout == "4.0\n", done.stderr + logs
    assert "has no attribute" not in done.stderr + logs
