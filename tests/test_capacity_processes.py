"""Processes of a what-if: scripts of any kind can start them, and none of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

_SCRIPT = """
import sandbox
from sandbox.capacity import processes, what_if
from sandbox.scenario import Scenario

processes.cores = lambda: 2
hello = Scenario(name="hello", tasks=[{"name": "t", "service": {"kind": "exponential",
    "mean_s": 0.1}}], workers=[{"name": "w"}], horizon_s=HORIZON,
    loads=[{"kind": "poisson", "task": "t", "rate_per_s": 5.0}])
found = what_if(hello, {"workers.w.concurrency": [1, 2]}, replications=RUNS, n_processes=2,
                on_progress=lambda share: print("share", share, flush=True))
print("points", len(found.points))
"""
QUICK = _SCRIPT.replace("HORIZON", "5.0").replace("RUNS", "2")
SLOW = _SCRIPT.replace("HORIZON", "20.0").replace("RUNS", "100_000")


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """Its processes do not import it: it runs once."""
    script = tmp_path / "script.py"
    script.write_text("print('begun')\n" + QUICK, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.count("begun") == done.stdout.count("points 2") == 1


def test_what_is_piped_in_works_too() -> None:
    """There is no file that a process could import."""
    done = subprocess.run(
        [sys.executable, "-"], input=QUICK, capture_output=True, text=True, check=True
    )
    assert "points 2" in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_one_that_was_ended(tmp_path: Path, sent: signal.Signals) -> None:
    """Law: interrupted or killed, its processes end; Ctrl-C shows the caller's traceback only."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW, encoding="utf-8")
    with (tmp_path / "errors").open("w+") as errors:
        running = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert running.stdout is not None
        assert running.stdout.readline().startswith("share")
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) >= 2
        if sent == signal.SIGINT:
            os.killpg(running.pid, sent)  # as a terminal does
        else:
            os.kill(running.pid, sent)
        assert running.wait(timeout=30) != 0
        running.stdout.close()
        _, alive = psutil.wait_procs(children, timeout=30)
        errors.seek(0)
        told = errors.read()
    assert alive == []
    assert told.count("Traceback") == told.count("KeyboardInterrupt") <= 1
