"""Safety: loopback only, a random password, JSON only; other users reach and read nothing.

The sessions here have every process that listens or writes: a broker, the proxy, the server of
the dependencies, the front door. The caller's umask is 0, the most careless there is.
"""

from __future__ import annotations

import base64
import json
import math
import os
import pickle
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from sandbox.audit import audit
from sandbox.engines.live import start
from sandbox.engines.live.engine import LiveSession
from sandbox.engines.live.processes import Processes
from sandbox.engines.live.supervisor import die_with_parent
from sandbox.errors import EngineError
from sandbox.faults import OnEvent
from sandbox.scenario import Scenario
from tests.conftest import real_redis
from tests.test_conformance import burst, scenario, task
from tests.waiting import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into Linux's /proc"),
]
NOBODY = 65534
LISTENING = "0A"
BROKERS = ["fake", pytest.param("redis", marks=pytest.mark.redis)]


def everything() -> Scenario:
    """Return a system in which all that a session can start is started."""
    call = {"dependency": "db", "service": {"kind": "deterministic", "value_s": 0.01}}
    return scenario(
        tasks=[task(service_s=0.05), task("ask", 0.01, calls=call), task("page", 0.01)],
        loads=[burst(2), burst(2, "ask")],
        workers=[{"concurrency": 2}],
        dependencies=[{"name": "db"}],
        front_door={"mode": "async", "requests": burst(2, "page")},
    )


@contextmanager
def careless(place: Path) -> Iterator[Path]:
    """Have a umask that forbids nobody anything, and temporary files where everybody can enter."""
    before, tempdir = os.umask(0), tempfile.tempdir
    try:
        place.chmod(0o777)
        (place / "tmp").mkdir()
        tempfile.tempdir = str(place / "tmp")
        yield place
    finally:
        tempfile.tempdir = tempdir
        os.umask(before)


@pytest.fixture(scope="module", params=BROKERS)
def session(request: pytest.FixtureRequest) -> Iterator[LiveSession]:
    """Yield a session that has done its work, in a folder that everybody can enter."""
    broker = real_redis() if request.param == "redis" else "fake"
    with tempfile.TemporaryDirectory(prefix="open-") as name:
        with careless(Path(name)) as place:
            session = start(everything(), broker=broker, runs=place / "runs")
        with session:
            assert session.wait(20.0) == "drained"
            yield session


def password(session: LiveSession) -> str:
    return session.broker.url.partition("://:")[2].partition("@")[0]


def pids(session: LiveSession) -> list[int]:
    """Return the processes of a session, its zygote, and this one."""
    supervisor = psutil.Process(session._processes.pid)
    below = supervisor.children(recursive=True)
    return [os.getpid(), supervisor.ppid(), supervisor.pid, *(one.pid for one in below)]


def descriptors(owners: list[int]) -> set[str]:
    """Return what the descriptors of some processes lead to."""
    found = set()
    for pid in owners:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.add(str(link.readlink()))
    return found


def listening(session: LiveSession) -> dict[int, str]:
    """Return port and address of each TCP socket on which a process of the session listens."""
    own, found = descriptors(pids(session)), {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and f"socket:[{words[9]}]" in own:
                address, _, port = words[1].partition(":")
                found[int(port, 16)] = address
    return found


def test_every_socket_listens_on_loopback_only(session: LiveSession) -> None:
    """Of the broker, the proxy's links, the dependencies and the front door; read from the kernel."""
    found = listening(session)
    assert len(found) >= 2 + len(("worker1", "client", "operator", "front", "visitors"))
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    assert set(found.values()) == {loopback}


def test_nothing_else_of_a_session_can_be_connected_to(session: LiveSession) -> None:
    """No socket with a name in the file system or in the kernel's own list: pairs and pipes only."""
    own = descriptors(pids(session)[1:])
    named = [
        line
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if len(line.split()) > 7 and f"socket:[{line.split()[6]}]" in own
    ]
    assert named == []


def test_the_password_has_128_random_bits_and_is_another_each_time(tmp_path: Path) -> None:
    """24 bytes of the system's own randomness, in base64."""
    found = []
    for _ in range(2):
        with start(
            scenario(loads=[], workers=[{"pool": "solo"}]), broker="fake", runs=tmp_path
        ) as s:
            found.append(password(s))
    assert found[0] != found[1]
    for one in found:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", one) and len(one) * math.log2(64) >= 128


def test_no_command_line_and_no_environment_holds_the_password(session: LiveSession) -> None:
    """Everybody can read the one; the other is inherited by whatever a task starts."""
    for pid in pids(session):
        for name in ("cmdline", "environ"):
            assert password(session).encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


@pytest.mark.redis
def test_no_program_is_started_with_the_password_in_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis hides its own later; at its start they are there for all to read."""
    real, started = Processes.order, []

    def order(self: Processes, verb: str, **arguments: Any) -> Any:
        if verb == "exec":
            started.append(str(arguments["argv"]))
        return real(self, verb, **arguments)

    monkeypatch.setattr(Processes, "order", order)
    alone = scenario(loads=[], workers=[{"pool": "solo"}])
    with start(alone, broker=real_redis(), runs=tmp_path) as session:
        assert started and password(session) not in started[0]


def everywhere(session: LiveSession) -> list[Path]:
    """Return all that a session keeps: the run's folder, and its temporary one."""
    folders = [session.folder, session._claim.folder]
    return [*folders, *(path for folder in folders for path in folder.rglob("*"))]


def test_all_that_a_session_keeps_is_its_user_s_alone(session: LiveSession) -> None:
    """Also with a umask of 0: directories 0700, files 0600, and the folder of all runs as well."""
    for path in [session.folder.parent, *everywhere(session)]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))


def test_no_file_holds_the_password(session: LiveSession) -> None:
    """Not the record, not the logs, not the temporary folder: it is in memory only."""
    files = [path for path in everywhere(session) if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert password(session).encode() not in path.read_bytes(), path


def test_no_repr_event_or_error_shows_the_password(session: LiveSession) -> None:
    told = [
        repr(x) for x in (session, session.broker, session.info, session.controls, session.links)
    ]
    told += [str(event) for event in session.events_since(0)]
    with pytest.raises(EngineError) as caught:
        session._processes.order("reach", url=session.broker.url, nonsense=True)
    told += [str(caught.value), str(caught.getrepr(style="native"))]
    for text in told:
        assert password(session) not in text


def test_a_stored_run_holds_no_secret(tmp_path: Path) -> None:
    """The folder that is handed on, after the faults whose errors name the broker."""
    faulty = scenario(
        tasks=[task(service_s=0.3)],
        loads=[burst(2), burst(1, at_s=1.0)],
        faults=[{"kind": "stop_broker", "down_s": 3.0, "when": {"on": "time", "at_s": 0.5}}],
    )
    (tmp_path / "open").mkdir()
    with careless(tmp_path / "open") as place, start(faulty, broker="fake", runs=place) as session:
        until(
            "a publish fails",
            lambda: "publish_unknown" in {e.kind for e in session.events_since(0)},
        )
        secret, run = password(session), session.close()
        kept = [session.folder, *session.folder.rglob("*")]
        assert all(secret.encode() not in p.read_bytes() for p in kept if p.is_file())
        assert all(p.stat().st_mode & 0o077 == 0 for p in kept)
    for path in run.save(tmp_path / "given away").iterdir():
        assert secret.encode() not in path.read_bytes()


# --- another user of the machine --------------------------------------------------------------


def as_nobody(act: Callable[[], Any]) -> Any:
    """Do something as the user `nobody` in a process of its own; return what it answers."""
    reader, writer = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        answer: Any = None
        try:
            die_with_parent(parent, 9)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = act()
        except Exception as exc:  # noqa: BLE001 - told to the test, which fails by it
            answer = f"{type(exc).__name__}: {exc}"
        finally:
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def readable(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def asked(port: int, request: bytes) -> str:
    """Return what a server on loopback answers to whoever has no secret."""
    try:
        with socket.socket() as link:  # nothing to import: another user cannot read Python's files
            link.settimeout(5)
            link.connect(("127.0.0.1", port))
            link.sendall(request)
            return link.recv(100).decode(errors="replace")
    except OSError as exc:
        return type(exc).__name__


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@only_root
def test_another_user_can_read_nothing_of_a_session(session: LiveSession) -> None:
    """Neither its files nor what /proc has of its processes; the folder above is open to all."""
    above = session.folder.parents[1]
    files = [str(path) for path in everywhere(session) if path.is_file()]
    own = [f"/proc/{p}/{name}" for p in pids(session) for name in ("environ", "mem", "maps")]
    own += [f"/proc/{p}/fd/0" for p in pids(session)]
    assert all(map(readable, files))

    def look() -> Any:
        listed = os.access(session.folder, os.R_OK) or os.access(session._claim.folder, os.R_OK)
        return [os.access(above, os.X_OK), listed, [x for x in [*files, *own] if readable(x)]]

    assert as_nobody(look) == [True, False, []]


@only_root
def test_another_user_can_put_nothing_beside_a_run(session: LiveSession) -> None:
    """Who may write into the folder of the runs could exchange one for another."""
    runs = session.folder.parent
    assert as_nobody(lambda: os.access(runs, os.W_OK | os.X_OK)) is False


@only_root
def test_another_user_can_order_nothing_from_any_server(session: LiveSession) -> None:
    """Broker and links want the password, dependencies and front door the session's token."""
    ports = list(listening(session))
    call = {"dependency": "db", "service_s": 0.0, "task": "ask/0", "retry": 0, "token": "guessed"}
    requests = {
        "redis": b"*2\r\n$4\r\nLLEN\r\n$6\r\ncelery\r\n",
        "call": json.dumps(call).encode() + b"\n",
        "no token": json.dumps({k: v for k, v in call.items() if k != "token"}).encode() + b"\n",
        "front": b"GET /guessed/do/7 HTTP/1.1\r\n\r\n",
        "old front": b"GET /do/7 HTTP/1.1\r\n\r\n",
    }
    n = len(session.events_since(0))
    answers = as_nobody(lambda: [[asked(port, r) for r in requests.values()] for port in ports])
    assert answers and all(len(one) == len(requests) for one in answers)
    allowed = re.compile(r"-NOAUTH .*|-ERR .*|HTTP/1.1 404 .*|[A-Za-z]*Error|", re.DOTALL)
    for port, texts in zip(ports, answers, strict=True):
        for text in texts:
            assert allowed.fullmatch(text), (port, text)
    kinds = {event.kind for event in session.events_since(n)}
    assert not kinds & {"called", "sent", "published"}
    assert sum(texts[0].startswith("-NOAUTH") for texts in answers) >= 4


# --- JSON only --------------------------------------------------------------------------------


class Trap:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def message(task_id: str, body: bytes, content_type: str) -> str:
    """Return a message of Celery's protocol 2 as kombu puts it into a list of Redis."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content_type,
            "headers": {
                "lang": "py", "task": "job", "id": task_id, "retries": 0, "eta": None,
                "expires": None, "timelimit": [None, None], "root_id": task_id, "parent_id": None,
                "argsrepr": "()", "kwargsrepr": "{}", "origin": "a test", "group": None,
            },
            "properties": {
                "correlation_id": task_id, "reply_to": "", "delivery_mode": 2, "priority": 0,
                "delivery_info": {"exchange": "", "routing_key": "celery"},
                "body_encoding": "base64", "delivery_tag": f"tag-{task_id}",
            },
        }
    )  # fmt: skip


@pytest.mark.parametrize("broker", BROKERS)
def test_a_message_that_is_no_json_is_refused_and_recorded(broker: str, tmp_path: Path) -> None:
    """Neither pickle nor YAML is decoded: the worker rejects it, on record, and goes on.

    celery/worker/consumer/consumer.py on_task_received: ContentDisallowed is an unknown message.
    """
    trap = str(tmp_path / "sprung")
    bodies = {
        "job/7": (pickle.dumps([[Trap(trap)], {}, {}]), "application/x-python-serialize"),
        "job/8": (f"!!python/object/apply:os.mkdir ['{trap}']".encode(), "application/x-yaml"),
    }
    broker = real_redis() if broker == "redis" else "fake"
    with start(scenario(loads=[]), broker=broker, runs=tmp_path / "runs") as session:
        with redis.Redis.from_url(session.broker.url) as client:
            for key, (body, content_type) in bodies.items():
                client.lpush("celery", message(key, body, content_type))
        for key in bodies:
            until(key, lambda key=key: "rejected" in of(session, key))
        session.controls.submit("job")
        session.wait_for(OnEvent(event="succeeded"))
    assert not Path(trap).exists()
    found = audit(session.close())
    assert {found.account(key).where.partition(" by ")[0] for key in bodies} == {"rejected"}


def of(session: LiveSession, key: str) -> set[str]:
    return {event.kind for event in session.events_since(0) if event.task == key}


def test_the_fake_unpickles_nothing_that_a_client_sends() -> None:
    """What stands between a request and the store names no pickle, and RESTORE is refused."""
    import sandbox.engines.live.fake as fake

    for path in Path(fake.__path__[0]).glob("*.py"):
        assert not re.search(r"\b(pickle|marshal|yaml)\b", path.read_text(encoding="utf-8")), path
