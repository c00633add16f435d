"""Leftovers: what a dead owner has left goes at the next start, what a living one has stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import redis

from sandbox.engines.live import leftovers, start
from sandbox.engines.live.leftovers import Claim, sweep
from tests.conftest import real_redis
from tests.test_conformance import burst, scenario
from tests.waiting import comes_true

_KEYS = "sandbox-0123456789abcdef:"
_HOLD = """
import sys
from sandbox.engines.live.leftovers import Claim
claim = Claim()
claim.note(**dict(pair.split("=", 1) for pair in sys.argv[1:]))
print(claim.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of the test's own, for what it starts too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis that is not the session's own, by URL."""
    x = [{"name": "x", "queue": "x"}]
    nothing = scenario(tasks=x, queues=["x"], loads=[], workers=[{"queues": ["x"]}])
    with start(nothing, broker=real_redis(), runs=tmp_path_factory.mktemp("owner")) as owner:
        yield owner.broker.url


def owner(*facts: str) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that claims a folder; return it and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, *facts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_living_owner_keeps_its_folder_and_a_dead_one_does_not(temp: Path) -> None:
    """The lock dies with its owner, by SIGKILL too, and with nothing else."""
    process, folder = owner()
    assert folder.parent == temp
    sweep(temp)
    assert folder.exists()
    end(process)
    sweep(temp)
    assert not folder.exists()


def test_what_is_written_meanwhile_does_not_keep_a_folder(temp: Path) -> None:
    """What was killed may be in the midst of a write: the folder goes all the same."""
    claim = Claim()

    def write() -> None:
        with contextlib.suppress(FileNotFoundError):
            for i in range(3000):
                (claim.folder / f"late-{i}").touch()

    writer = threading.Thread(target=write)
    writer.start()
    assert comes_true((claim.folder / "late-0").exists, 10.0)
    claim.close()
    writer.join()
    assert not claim.folder.exists()


def test_one_s_own_folder_is_kept(temp: Path) -> None:
    """A sweep by the owner itself finds its own lock taken."""
    with Claim() as claim:
        sweep(temp)
        assert claim.folder.exists()
    assert not claim.folder.exists()


def test_only_this_user_may_look_into_it(temp: Path) -> None:
    """A URL may hold a password: folder 0700, file 0600."""
    with Claim() as claim:
        modes = [path.stat().st_mode & 0o777 for path in (claim.folder, *claim.folder.iterdir())]
    assert modes == [0o700, 0o600]


def test_what_is_not_ours_is_not_touched(temp: Path) -> None:
    """Other names, a link to elsewhere, a folder whose owner has not yet locked it."""
    elsewhere = temp / "elsewhere"
    elsewhere.mkdir()
    (temp / f"{leftovers.PREFIX}link").symlink_to(elsewhere)
    (temp / f"{leftovers.PREFIX}young").mkdir()
    before = set(temp.iterdir())
    sweep(temp)
    assert set(temp.iterdir()) == before


def test_a_folder_of_another_user_is_not_touched(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the rights would allow it, as for root."""
    process, folder = owner()
    end(process)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    sweep(temp)
    assert folder.exists()


def test_a_process_of_a_dead_owner_is_ended_and_no_other(temp: Path) -> None:
    """By the mark in its environment, or by its noted id together with its start."""
    # They read what nobody writes, and so end with this process too.
    waits = partial(subprocess.Popen, [sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    marked = waits(env=os.environ | {leftovers.MARK: "of the dead"})
    noted, other = waits(), waits()
    try:
        process, folder = owner("mark=of the dead")
        leftovers.note_process(folder, noted.pid)
        with (folder / "pids").open("a") as file:
            file.write(f"{other.pid} {psutil.Process(other.pid).create_time() - 60}\n")
        end(process)
        sweep(temp)
        assert marked.wait(10) == noted.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for one in (marked, noted, other):
            one.kill()
            one.wait()


def test_a_broker_out_of_reach_costs_a_folder_for_a_week(temp: Path) -> None:
    """Its keys cannot be deleted now: the folder stays for another try, but not for ever."""
    process, folder = owner("url=redis://127.0.0.1:1/0", f"prefix={_KEYS}")
    end(process)
    sweep(temp)
    assert folder.exists()
    week_ago = time.time() - 8 * 86400
    os.utime(folder, (week_ago, week_ago))
    sweep(temp)
    assert not folder.exists()


@pytest.mark.live
@pytest.mark.redis
def test_only_keys_under_a_prefix_like_ours_are_deleted(temp: Path, server: str) -> None:
    """A note that says anything else, such as no prefix at all, deletes nothing."""
    client = redis.Redis.from_url(server)
    client.mset({f"{_KEYS}a": 1, f"{_KEYS}b": 2, "theirs": 3})
    for prefix, left in (("", 3), ("*", 3), (_KEYS, 1)):
        process, folder = owner(f"url={server}", f"prefix={prefix}")
        end(process)
        sweep(temp)
        assert not folder.exists()
        keys = [key for key in client.keys("*") if b"sandbox-" in key or key == b"theirs"]
        assert len(keys) == left
    client.close()


@pytest.mark.live
@pytest.mark.redis
@pytest.mark.parametrize("also", ["alone", "with zygote and supervisor"])
def test_keys_on_a_broker_by_url_are_deleted(
    temp: Path, server: str, also: str, tmp_path: Path
) -> None:
    """A killed notebook's at once, by who outlives it; else at the next start."""
    before = set(temp.glob(f"{leftovers.PREFIX}*"))
    code = (
        "import sys, sandbox; from tests.kill.victim import SCENARIO\n"
        "s = sandbox.start(SCENARIO, broker=sys.argv[1], runs='runs')\n"
        "print(s.broker.prefix, s._processes.pid, flush=True); sys.stdin.read()"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", code, server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert victim.stdout is not None
    prefix, supervisor = victim.stdout.readline().split()
    client = redis.Redis.from_url(server)

    def keys() -> list[bytes]:
        return list(client.keys(f"{prefix}*"))

    assert comes_true(keys, 10.0)
    if also != "alone":
        doomed = [int(supervisor), psutil.Process(int(supervisor)).ppid()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in (victim.pid, *doomed):
                os.kill(pid, number)
    end(victim)
    if also != "alone":
        start(scenario(loads=[]), broker="fake", runs=tmp_path).close()
    assert comes_true(lambda: not keys(), 10.0)
    assert comes_true(lambda: set(temp.glob(f"{leftovers.PREFIX}*")) <= before, 10.0)
    client.close()


@pytest.mark.live
@pytest.mark.redis
def test_two_sessions_on_one_server_do_not_see_each_other(server: str, tmp_path: Path) -> None:
    """Each by its own prefix: its own tasks, its own workers, its own end."""
    one, two = scenario(loads=[burst(3)]), scenario(loads=[burst(5)])
    with (
        start(one, broker=server, runs=tmp_path) as a,
        start(two, broker=server, runs=tmp_path) as b,
    ):
        assert a.wait() == b.wait() == "drained"
        # One limit for two workers each: four would answer if the two could hear each other.
        b.controls.rate_limit("job", "9/s")
        a.close()
        b.controls.submit("job")
        assert b.wait() == "drained"
    assert len(a.close().of_kind("succeeded")) == 3
    assert len(b.close().of_kind("succeeded")) == 6
    confirmed = [e.detail["confirmed"] for e in b.close().of_kind("control") if e.detail]
    assert confirmed == [2]
    assert a.close().of_kind("control") == []
