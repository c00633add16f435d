"""Laws of the fake broker: to a client it is a Redis, also when something goes wrong."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery, chord
from celery.result import allow_join_result

from sandbox.engines.live.supervisor import die_with_parent
from tests.redis_wire import PASSWORD, fake_server
from tests.waiting import comes_true

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_KILLED = 100
N_TASKS = 50


def end(process: subprocess.Popen[Any], number: signal.Signals = signal.SIGKILL) -> None:
    """End one process that a test started, and reap it."""
    process.send_signal(number)
    process.wait(10)


@pytest.fixture
def port() -> Iterator[int]:
    """Port of a fake broker of the test's own."""
    with fake_server() as port:
        yield port


@pytest.fixture
def broker(port: int) -> Iterator[redis.Redis]:
    """Client of the fake broker."""
    with redis.Redis(port=port, password=PASSWORD) as client:
        yield client


@pytest.fixture
def connect(port: int) -> Iterator[Callable[..., redis.Connection]]:
    """Open connections whose replies a test reads when it likes."""
    opened: list[redis.Connection] = []

    def _connect(protocol: int = 2) -> redis.Connection:
        opened.append(redis.Connection(port=port, password=PASSWORD, protocol=protocol))
        opened[-1].connect()
        return opened[-1]

    yield _connect
    for connection in opened:
        connection.disconnect()


def raw(port: int, request: bytes) -> bytes:
    """Send `request` on a connection without a login and return all until the server closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def n_blocked(broker: redis.Redis) -> int:
    """Count the clients that are blocked."""
    return int(broker.info()["blocked_clients"])


def block(broker: redis.Redis, connection: redis.Connection, *words: object) -> None:
    """Send a command that blocks, and return when the broker has parked its client."""
    n_before = n_blocked(broker)
    connection.send_command(*words)
    assert comes_true(lambda: n_blocked(broker) == n_before + 1)


BLOCKED_CLIENT = """
import socket, sys

def request(*words):
    bulks = [b"$%d\\r\\n%b\\r\\n" % (len(word), word) for word in words]
    return b"*%d\\r\\n%b" % (len(words), b"".join(bulks))

_, port, password, key = sys.argv
sock = socket.create_connection(("127.0.0.1", int(port)))
sock.sendall(request(b"AUTH", password.encode()) + request(b"BRPOP", key.encode(), b"0"))
while sock.recv(4096):
    pass
"""


def test_killed_client_takes_no_message(port: int, broker: redis.Redis) -> None:
    """Of messages sent after a client blocked in BRPOP was SIGKILLed, none is lost."""
    keys = [f"queue{i}" for i in range(N_KILLED)]
    for key in keys:
        client = subprocess.Popen(
            [sys.executable, "-ISc", BLOCKED_CLIENT, str(port), PASSWORD, key],
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
        )
        try:
            assert comes_true(lambda: n_blocked(broker) == 1)
        finally:
            end(client)
        broker.lpush(key, "m")
    assert [broker.llen(key) for key in keys] == [1] * N_KILLED


def test_error_reply_keeps_the_connection(connect: Callable[..., redis.Connection]) -> None:
    """After NOSCRIPT, a wrong type and an unknown command the connection goes on."""
    connection = connect()
    connection.send_command("SET", "text", "x")
    assert connection.read_response() == b"OK"
    for words in (["EVALSHA", "0" * 40, 0], ["LPUSH", "text", 1], ["NONSENSE", 1]):
        connection.send_command(*words)
        with pytest.raises(redis.ResponseError):
            connection.read_response()
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"


def test_brpop_prefers_its_first_key(broker: redis.Redis) -> None:
    """With several keys filled, BRPOP takes from the one named first."""
    broker.lpush("low", 1)
    broker.lpush("high", 2)
    assert broker.brpop(["high", "low"], 1) == (b"high", b"2")
    assert broker.brpop(["high", "low"], 1) == (b"low", b"1")


def test_longest_waiting_client_is_first(
    broker: redis.Redis, connect: Callable[..., redis.Connection]
) -> None:
    """Clients blocked on a key are served in the order of their arrival, one message each."""
    waiting = [connect() for _ in range(3)]
    for connection in waiting:
        block(broker, connection, "BRPOP", "other", "queue", 0)
    broker.lpush("queue", 0, 1, 2, 3)
    for i, connection in enumerate(waiting):
        assert connection.read_response() == [b"queue", b"%d" % i]
    assert broker.lrange("queue", 0, -1) == [b"3"]


def by_multi(broker: redis.Redis) -> None:
    """Push a message inside MULTI."""
    with broker.pipeline(transaction=True) as pipe:
        pipe.set("unrelated", 1).lpush("queue", "m").execute()


def by_script(broker: redis.Redis) -> None:
    """Push a message inside a Lua script."""
    broker.eval("return redis.call('lpush', KEYS[1], 'm')", 1, "queue")


def by_rename(broker: redis.Redis) -> None:
    """Make the key by renaming another."""
    broker.lpush("draft", "m")
    broker.rename("draft", "queue")


@pytest.mark.parametrize("push", [by_multi, by_script, by_rename])
def test_any_write_wakes(
    broker: redis.Redis,
    connect: Callable[..., redis.Connection],
    push: Callable[[redis.Redis], None],
) -> None:
    """A blocked client wakes on its key's data, whichever way that was written."""
    connection = connect()
    block(broker, connection, "BRPOP", "queue", 0)
    push(broker)
    assert connection.read_response(timeout=10) == [b"queue", b"m"]
    assert n_blocked(broker) == 0


@pytest.mark.parametrize("protocol", [2, 3])
def test_time_out_is_nil(connect: Callable[..., redis.Connection], protocol: int) -> None:
    """BRPOP answers nil once its time, here a fraction of a second, is up, and not before."""
    connection, t_start = connect(protocol), time.monotonic()
    connection.send_command("BRPOP", "queue", 0.2)
    assert connection.read_response(timeout=10) is None
    assert time.monotonic() - t_start >= 0.2


def test_replies_keep_the_order_of_requests(
    broker: redis.Redis, connect: Callable[..., redis.Connection]
) -> None:
    """What a client sends after a BRPOP runs, and is answered, after the BRPOP."""
    connection = connect()
    commands = [("BRPOP", "queue", 0), ("LLEN", "queue"), ("ECHO", "last")]
    connection.send_packed_command(connection.pack_commands(commands))
    assert comes_true(lambda: n_blocked(broker) == 1)
    broker.lpush("queue", "a", "b")
    assert connection.read_response() == [b"queue", b"a"]
    assert connection.read_response() == 1
    assert connection.read_response() == b"last"


@pytest.mark.parametrize("protocol", [2, 3])
def test_pattern_message_is_delivered(broker: redis.Redis, port: int, protocol: int) -> None:
    """A subscriber of a pattern gets what is published to a matching channel, and no other."""
    with (
        redis.Redis(port=port, password=PASSWORD, protocol=protocol) as client,
        client.pubsub(ignore_subscribe_messages=True) as subscriber,
    ):
        subscriber.psubscribe("news.*")
        assert comes_true(lambda: broker.pubsub_numpat() == 1)
        assert broker.publish("other.x", "no") == 0
        assert broker.publish("news.x", "yes") == 1
        messages = iter(lambda: subscriber.get_message(timeout=0.1), ...)
        message = next(filter(None, messages))
    assert message == {
        "type": "pmessage",
        "pattern": b"news.*",
        "channel": b"news.x",
        "data": b"yes",
    }
    assert comes_true(lambda: broker.pubsub_numpat() == 0)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", b"-NOAUTH"),
        (b"*2\r\n$4\r\nAUTH\r\n$5\r\nwrong\r\n*1\r\n$4\r\nQUIT\r\n", b"-WRONGPASS"),
        (b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*1\r\n$4\r\nQUIT\r\n", b"-NOAUTH"),
    ],
)
def test_without_login_nothing_is_run(port: int, request_: bytes, reply: bytes) -> None:
    """A client without the password gets an error for everything but QUIT."""
    first, second, rest = raw(port, request_).split(b"\r\n")
    assert first.startswith(reply)
    assert (second, rest) == (b"+OK", b"")


@pytest.mark.parametrize("username", [None, "default"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_login(port: int, username: str | None, protocol: int) -> None:
    """Password alone, or with the user ``default``, lets in; by AUTH and by HELLO."""
    with redis.Redis(
        port=port, username=username, password=PASSWORD, protocol=protocol, client_name="me"
    ) as client:
        assert client.ping()
        assert client.client_getname() in ("me", b"me")


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"*x\r\n", b"*1\r\n$-5\r\n", b"*" * 99])
def test_malformed_request_ends_the_connection(port: int, line: bytes) -> None:
    """What is no request gets one error reply and the end of the connection."""
    reply = raw(port, line)
    assert reply.startswith(b"-ERR Protocol error")
    assert reply.count(b"\r\n") == 1


def test_databases_are_apart(broker: redis.Redis, port: int) -> None:
    """A key of database 0 is not in database 15, and there is no 16."""
    broker.set("key", "zero", ex=100)
    with redis.Redis(port=port, password=PASSWORD, db=15) as other:
        assert other.get("key") is None
    with (
        redis.Redis(port=port, password=PASSWORD, db=16) as none,
        pytest.raises(redis.ResponseError),
    ):
        none.ping()


def test_client_kill_disconnects(
    broker: redis.Redis, connect: Callable[..., redis.Connection]
) -> None:
    """CLIENT KILL ends other connections, and a blocked one of them takes no message."""
    connection = connect()
    block(broker, connection, "BRPOP", "queue", 0)
    assert broker.client_kill_filter(_type="normal", skipme=True) == 1
    with pytest.raises(redis.ConnectionError):
        connection.read_response(timeout=10)
    broker.lpush("queue", "m")
    assert broker.llen("queue") == 1


APP = """
from celery import Celery

app = Celery("lab", broker={url!r}, backend={url!r})


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="stubborn", bind=True)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries
"""


@pytest.fixture
def app(port: int, tmp_path: Path) -> Iterator[Celery]:
    """Celery app with a real worker of two processes on the fake broker."""
    url = f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/0"
    (tmp_path / "lab.py").write_text(APP.format(url=url))
    words = ["-m", "celery", "-A", "lab", "worker", "-P", "prefork", "-c", "2", "-l", "warning"]
    with (
        (tmp_path / "log").open("w") as log,
        Celery("client", broker=url, backend=url, set_as_current=False) as client,
        subprocess.Popen(
            [sys.executable, *words],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
        ) as worker,
    ):
        try:
            yield client
        finally:
            # A result that is collected tells its broker so; later there is none, and whatever
            # else runs in this process by then waits for 20 retries.
            gc.collect()
            os.killpg(worker.pid, signal.SIGTERM)
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)


@pytest.mark.live
def test_celery_works(app: Celery) -> None:
    """Tasks with results, a retry after a countdown and a chord all end as they should."""
    # A test before this one may have had a worker built in this process. Celery then forbids
    # waiting, and does not subscribe to a result before it sends the task: it may miss it.
    with allow_join_result():
        results = [app.send_task("add", (i, 1)) for i in range(N_TASKS)]
        assert [result.get(timeout=60) for result in results] == list(range(1, N_TASKS + 1))
        assert app.send_task("stubborn", countdown=0.2).get(timeout=60) == 2
        header = [app.signature("add", (i, i)) for i in range(10)]
        assert chord(header, app=app)(app.signature("total")).get(timeout=60) == 90
