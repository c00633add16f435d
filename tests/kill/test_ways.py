"""Nothing is left behind, however and whenever a session's processes end.

``SANDBOX_KILL_ROUNDS`` sets how often each way is played, ``SANDBOX_KILL_GRACE_S`` how long
after the strike something may still be there (``make kill``: 20 rounds, 2 s), and
``SANDBOX_KILL_SEED`` repeats the moments of an earlier run, which prints it.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from sandbox.engines.live.broker import choose
from tests.kill.rounds import WAYS, Report, play

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="adopting orphans is Linux's own"),
]

_AT_ONCE = 3
_SEED = os.environ.get("SANDBOX_KILL_SEED") or secrets.token_hex(4)
_ROUNDS = os.environ.get("SANDBOX_KILL_ROUNDS")
_IN_A_NOTEBOOK = {way for way in WAYS if way.startswith(("a ", "an "))}


def rounds(way: str) -> int:
    """Return how often a way is played; a real notebook kernel is slow to start."""
    return int(_ROUNDS) if _ROUNDS else 1 if way in _IN_A_NOTEBOOK else 3


@pytest.fixture(scope="module")
def players() -> Iterator[ProcessPoolExecutor]:
    """A few processes at once, each for one round; forked from one that has imported all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.kill.rounds"])
    with ProcessPoolExecutor(_AT_ONCE, context, max_tasks_per_child=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def life_s(players: ProcessPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the program lives that nobody kills; it leaves nothing either."""
    folder = tmp_path_factory.mktemp("unharmed") / "round"
    report = players.submit(play, "nothing", 0.0, "fake", str(folder)).result()
    assert "failed" not in report, report
    return float(report["life_s"])


@pytest.mark.parametrize("way", [way for way in WAYS if way != "nothing"])
def test_nothing_is_left(
    way: str, players: ProcessPoolExecutor, life_s: float, tmp_path: Path
) -> None:
    """No process, no port, no temporary folder; the records are kept and can be read."""
    draw = random.Random(f"{_SEED}/{way}")
    real = "fake" if choose("auto").kind == "fake" else "auto"
    print(f"\nSANDBOX_KILL_SEED={_SEED} life {life_s:.1f} s")
    futures = [
        players.submit(
            play,
            way,
            draw.uniform(0.0, life_s),
            real if i % 3 == 1 else "fake",
            str(tmp_path / str(i)),
        )
        for i in range(rounds(way))
    ]
    reports: list[Report] = [future.result() for future in futures]
    slowest = max((report.get("took_s", 0.0) for report in reports), default=0.0)
    print(f"{way}: {len(reports)} rounds, all gone after at most {slowest:.2f} s")
    failed = [report for report in reports if "failed" in report]
    assert failed == []
