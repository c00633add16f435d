"""One broker of each kind and, where asked for, one prefork worker on it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import Celery
from redis import Redis

from sandbox.engines.live.supervisor import die_with_parent
from sandbox.patterns import submissions
from sandbox.patterns.database import Database
from sandbox.patterns.manager import TaskManager
from tests.patterns.app import NAMES, build
from tests.redis_wire import PASSWORD, ROOT, fake_server, real_server
from tests.waiting import until

_FRESH = itertools.count(100, 100)
_FAKE = pytest.param("fake", marks=pytest.mark.live)
_REDIS = pytest.param("redis", marks=[pytest.mark.live, pytest.mark.redis])


@pytest.fixture(scope="session", params=[_FAKE, _REDIS])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a broker; yield its URL."""
    with fake_server() if request.param == "fake" else real_server() as port:
        yield f"redis://:{quote(PASSWORD)}@127.0.0.1:{port}/0"


@pytest.fixture
def client(url: str) -> Iterator[Redis]:
    """Return a client of the broker."""
    with Redis.from_url(url) as found:
        yield found


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    """Return the tests' app on the broker."""
    found = build(url)
    yield found
    found.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a database of the test's own."""
    found = Database(tmp_path / "app.db")
    yield found
    found.close()


@pytest.fixture
def manager(app: Celery, database: Database, client: Redis) -> TaskManager:
    """Return a task manager whose ids no other test has: a worker remembers what was revoked.

    No worker takes from the queue ``nobody``, which is empty at first.
    """
    client.delete(*client.keys("nobody*"), "nobody")
    for name in NAMES:
        submissions.record(database, name, [], {}, next(_FRESH))
    return TaskManager(app, database, NAMES)


@contextmanager
def running(
    url: str, name: str, *options: str, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a prefork worker until the block ends; it is ready when the block begins."""
    quiet = ("--without-mingle", "--without-gossip", "--without-heartbeat", "-l", "CRITICAL")
    command = [sys.executable, "-m", "celery", "-A", "tests.patterns.app", "worker", *quiet]
    process = subprocess.Popen(
        [*command, "-n", name, *options],
        cwd=ROOT,
        env=os.environ | {"PATTERNS_BROKER": url, "C_FORCE_ROOT": "1"} | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
    )
    try:
        with build(url) as app:
            until(f"{name} answers", lambda: app.control.ping([name], timeout=0.2))
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def worker(url: str) -> Iterator[str]:
    """Run one worker of two processes for all tests on this broker; yield its name."""
    with running(url, "all@here", "-c", "2", "-Q", "default,slow"):
        yield "all@here"
