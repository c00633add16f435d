"""A ledger in PostgreSQL: on a server of the test's own, one transaction an effect."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox import workbench
from sandbox.audit import audit
from sandbox.engines.live import postgres
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.run import Run
from tests.test_conformance import HOUR_S, burst, on_start, scenario, task
from tests.waiting import comes_true

_WAIT_S = 30.0
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; without it, skip."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, _PLACES)]))
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def as_nobody(folder: Path) -> Callable[[], None]:
    """Give the folder to a user without rights, if we are root, and become that user."""
    me = os.getpid()
    if os.geteuid() != 0:
        return partial(die_with_parent, me, signal.SIGINT)
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)

    def become() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        die_with_parent(me, signal.SIGINT)

    return become


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a PostgreSQL that listens on a socket in a folder of its own; yield its URL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: the extra 'postgres'")
    initdb, server = program("initdb"), program("postgres")
    # The path of a socket has at most 107 characters, and its folders must let others pass.
    folder = Path("/tmp") / f"sandbox-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    become, data = as_nobody(folder), folder / "data"
    made: dict[str, Any] = {"preexec_fn": become, "cwd": folder, "stdout": subprocess.DEVNULL}
    process = None
    try:
        login = ["-U", "sandbox", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([initdb, "-D", data, *login], check=True, **made)
        options = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([server, "-D", data, *options], stderr=log, **made)
        address = f"postgresql://sandbox@/postgres?host={folder}"
        _await(address, process)
        yield address
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # a fast shutdown
            with suppress(subprocess.TimeoutExpired):
                process.wait(_WAIT_S)
            process.kill()
        shutil.rmtree(folder)


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; EngineError, which says why not, if it does not in time."""
    if not comes_true(lambda: process.poll() is not None or _answers(address), _WAIT_S):
        postgres.prepare(address)


def _answers(address: str) -> bool:
    try:
        postgres.prepare(address)
    except EngineError:
        return False
    return True


@pytest.mark.live
def test_a_run_s_effects_are_in_the_database_and_in_its_record(url: str, tmp_path: Path) -> None:
    """A killed worker, an hour, and a second execution: one effective row a task, by constraint."""
    described = scenario(
        tasks=[task(service_s=0.4, acks_late=True)],
        loads=[burst(6)],
        faults=[{"kind": "kill_worker", "worker": "worker1", "when": on_start(2, 0.2)}],
    )
    with workbench.start(described, broker="fake", runs=tmp_path, ledger=url) as session:
        session.wait_for(OnEvent(event="succeeded", nth=4))
        session.controls.skip(HOUR_S)
        assert session.wait() == "drained"
    run = session.close()
    assert run.ledger is not None
    assert [one.verdict for one in audit(run).guarantees] == ["holds", "holds", "holds"]
    assert len(run.ledger.effects) == len(run.of_kind("succeeded")) == 6
    (folder,) = tmp_path.iterdir()
    assert Run.load(folder).ledger == run.ledger
    assert [row.task for row in postgres.read(url, folder.name)] == [
        effect.task for effect in run.ledger.effects
    ]
    assert url not in "".join(p.read_text() for p in folder.rglob("*.json*"))


def test_a_second_effect_of_a_task_does_not_count(url: str) -> None:
    """The constraint is the database's own; another run has tasks of the same names."""
    for run, n in (("one", 2), ("two", 1)):
        book = postgres.PostgresBook(url, run, "w1")
        for _ in range(n):
            book.write("job/0", "tag", 0)
    assert [row.effective for row in postgres.read(url, "one")] == [True, False]
    assert [row.effective for row in postgres.read(url, "two")] == [True]


def test_what_is_no_postgresql_is_refused_in_a_sentence() -> None:
    with pytest.raises(EngineError, match="ledger is a 'mysql' URL; allowed: postgresql"):
        workbench.start(scenario(), broker="fake", ledger="mysql://somewhere/db")


def test_a_server_that_is_not_there_is_named_without_a_traceback(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: the extra 'postgres'")
    with pytest.raises(EngineError, match="the ledger's database cannot be reached"):
        postgres.prepare(f"postgresql://nobody@/none?host={tmp_path}")


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(EngineError, match=r"celery-sandbox-lab\[postgres\]"):
        postgres.prepare("postgresql://127.0.0.1/none")
