"""What must hold for every input: an end, nothing left over, and one clear sentence if refused."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import re
import signal
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import psutil
import pytest
from click.testing import Result
from hypothesis import HealthCheck, Phase, settings

LONG = int(os.environ.get("MALFORMED", "0"))
"""How many examples of each kind `make malformed` asks for; 0 is the short form."""

STEPS = 20_000
"""What a model may take here, so that a heavy scenario that is valid ends soon too."""

_HANGS_S = 60.0
_LONGEST = 320
_INTERNALS = re.compile(r"Traceback|pydantic|validation error|object at 0x|<class|built-in|\.py\b")

examples = settings(
    max_examples=LONG or 80,
    derandomize=not LONG,
    deadline=None,
    database=None,
    print_blob=True,
    # What fails in the long form is printed as it is: making it smaller can take longer than all.
    phases=[Phase.generate] if LONG else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
half_as_many = settings(examples, max_examples=examples.max_examples // 2)
"""For two tests that share one kind of input."""
untimed = pytest.mark.timeout(0)
"""For a test with a watchdog of its own, which says which example did not end."""


def clear(sentence: str) -> str:
    """Return a sentence after checking that a person can read it: one line, with an end."""
    assert sentence.strip(), "nothing is said"
    assert sentence == sentence.strip()
    assert sentence.isprintable(), f"more than one line, or no text: {sentence!r}"
    assert len(sentence) <= _LONGEST, f"{len(sentence)} characters: {sentence}"
    assert not _INTERNALS.search(sentence), f"internals show: {sentence}"
    assert " " in sentence, f"no sentence: {sentence}"
    return sentence


@contextmanager
def ends(what: object) -> Iterator[None]:
    """Fail, naming the example, if the block has not ended after a minute."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {_HANGS_S:g} s: {str(what)[:2000]}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _HANGS_S)
    faulthandler.dump_traceback_later(3 * _HANGS_S, exit=True)  # where no Python runs any more
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _held() -> dict[str, Any]:
    """Return what a process can leave lying about."""
    files = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": len(list(files.iterdir())),
        "children": sorted(child.pid for child in psutil.Process().children(recursive=True)),
        "temporary": sorted(path.name for path in Path(tempfile.gettempdir()).iterdir()),
    }


@contextmanager
def nothing_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail if the block leaves threads, open files, child processes or temporary files."""
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    gc.collect()
    before = _held()
    yield
    gc.collect()
    assert _held() == before


def outcome(result: Result, *, as_json: bool = False) -> None:
    """Check how a command ended: with a result, or with one sentence and status 2 or 3."""
    error = result.exception
    assert error is None or isinstance(error, SystemExit), "".join(
        traceback.format_exception(error)
    )
    assert "Traceback" not in result.output
    if result.exit_code in {0, 1}:
        assert result.stdout.strip()
        if as_json:
            json.loads(result.stdout, parse_constant=_refuse)
        return
    assert result.exit_code in {2, 3}, result.output
    *usage, sentence = result.stderr.rstrip("\n").split("\n")
    assert sentence.startswith(("sandbox: ", "Error: ")), result.stderr
    clear(sentence)
    assert len(usage) <= 3, f"more than usage and one sentence: {result.stderr}"


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def out_of_time() -> Any:
    """Return a clock on which every budget is spent at the second look."""
    return SimpleNamespace(monotonic=count(0.0, 10_000.0).__next__)
