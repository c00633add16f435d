"""Laws: no bytes of one client hang, end or fill the fake; the other clients go on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.engines.live.fake.resp import ProtocolError, RequestReader
from tests.redis_wire import PASSWORD, Raw, fake_server, request
from tests.waiting import comes_true

LOGIN = request("AUTH", PASSWORD)
HEADS = (b"*", b"$", b"*1\r\n", b"*-1\r\n", b"*0\r\n", b"$-1\r\n", b"$3\r\n", b"\r\n", b"\n", b"\r")
SIZES = (
    b"*1048577\r\n",
    b"*99999999999999999999999999999\r\n",
    b"$67108865\r\n",
    b"$+3\r\n",
    b"*1_0\r\n",
)
PARTS = (*HEADS, *SIZES, b"GET", b"\x00", b"\xff" * 40, request("PING"), request("GET", "a"))
noise = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join),
)
requests = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=6), max_size=6)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fake_server() as port:
        yield port


@pytest.fixture(scope="module")
def other(port: int) -> Iterator[Raw]:
    """A client that behaves."""
    with Raw(port) as raw:
        yield raw


def n_clients(raw: Raw) -> int:
    lines = raw.call("INFO")[1].split(b"\r\n")
    return int(dict(line.split(b":", 1) for line in lines if line)[b"connected_clients"])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=noise, login=st.booleans(), words=requests)
def test_noise_harms_nobody(
    port: int, other: Raw, data: bytes, login: bool, words: list[list[bytes]]
) -> None:
    """Whatever arrives, and however it ends: others are served and nothing is kept."""
    stream = (LOGIN if login else b"") + b"".join(request(*one) for one in words) + data
    with socket.create_connection(("127.0.0.1", port)) as sock, contextlib.suppress(OSError):
        sock.sendall(stream)
    assert other.call("PING") == ("+", b"PONG")
    assert comes_true(lambda: n_clients(other) == 1)


@given(words=requests, cut=st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_requests_survive_any_split(words: list[list[bytes]], cut: list[int]) -> None:
    """The pieces in which bytes arrive change nothing."""
    stream, reader = b"".join(request(*one) for one in words), RequestReader()
    found, position, i = [], 0, 0
    while position < len(stream):
        size = cut[i % len(cut)]
        reader.feed(stream[position : position + size])
        position, i = position + size, i + 1
        while (one := reader.next()) is not None:
            found.append(one)
    assert found == words
    assert reader.held == 0


def test_requests_survive_a_split_at_every_position() -> None:
    """Also the one inside a line's end, and the one inside a length."""
    words = [[b"SET", b"k\r\n", b"*1\r\n$1\r\n"], [b"GET", b""]]
    stream = b"".join(request(*one) for one in words)
    for position in range(len(stream) + 1):
        reader, found = RequestReader(), []
        for piece in (stream[:position], stream[position:]):
            reader.feed(piece)
            while (one := reader.next()) is not None:
                found.append(one)
        assert found == words


@given(data=noise)
def test_the_reader_refuses_or_waits(data: bytes) -> None:
    """Bytes are requests, the beginning of one, or a protocol error; nothing else."""
    reader = RequestReader()
    reader.feed(data)
    with contextlib.suppress(ProtocolError):
        while reader.next() is not None:
            pass
        assert reader.held <= len(data)


def test_every_word_is_cut_once() -> None:
    """A request of many words costs its length, however small the pieces it arrives in."""
    n = 20_000
    stream, reader = request(*[b"x"] * n), RequestReader()
    seen = 0
    for i in range(0, len(stream), 100):
        reader.feed(stream[i : i + 100])
        seen += len(reader._buffer) if not reader._missing > 0 else 0
        found = reader.next()
    assert found is not None and len(found) == n
    assert seen < 3 * len(stream)


def test_thousands_of_requests_in_one_write(port: int) -> None:
    """A pipeline is answered in full and in order."""
    n = 5000
    with Raw(port) as raw:
        raw.socket.sendall(b"".join(request("ECHO", str(i)) for i in range(n)))
        assert [raw.read() for _ in range(n)] == [("$", b"%d" % i) for i in range(n)]


def test_a_client_that_does_not_read_hinders_nobody(port: int, other: Raw) -> None:
    """Replies that are not taken wait for their client only."""
    with Raw(port) as lazy:
        lazy.call("SET", "large", "x" * (1 << 20))
        for _ in range(32):
            lazy.send("GET", "large")
        assert other.call("PING") == ("+", b"PONG")
        assert [len(lazy.read()[1]) for _ in range(32)] == [1 << 20] * 32


def test_a_long_push_is_quick(port: int) -> None:
    """A hundred thousand values in one LPUSH keep their order; each is moved once."""
    values = [b"%d" % i for i in range(100_000)]
    with Raw(port) as raw:
        assert raw.call("LPUSH", "long", *values) == (":", b"100000")
        assert raw.call("LRANGE", "long", "0", "1")[1] == [("$", b"99999"), ("$", b"99998")]


# --- nothing but Redis ----------------------------------------------------------------------------

ESCAPES = (
    "return python.eval('1 + 1')",
    "return python.builtins.open",
    "return tostring(redis.call.__globals__)",
    "return tostring(getmetatable(redis.call).__index(redis.call, '__globals__'))",
    "local ok, e = pcall(redis.call, 'NONSENSE') return tostring(e.__traceback__.tb_frame)",
    "local ok, e = pcall(redis.call, 'NONSENSE') return tostring(e.__class__)",
    "local ok, e = pcall(redis.call, 'NONSENSE') return tostring(e.args)",
    "return tostring(cjson.null.__class__)",
    "return io.open('/etc/passwd'):read()",
    "return os.getenv('PATH')",
    "return os.execute('true')",
    "return require('os').getenv('PATH')",
    "return tostring(package.loaded.os)",
    "return debug.getregistry()",
    "return dofile('/etc/passwd')",
    "return loadfile('/etc/passwd')",
    "return loadstring('\\27Lua')()",
    "return string.dump(function() end)",
    "return newproxy(true)",
    "return getfenv(0).python.eval('1')",
)


@pytest.mark.parametrize("script", ESCAPES)
def test_a_script_reaches_nothing_but_redis(port: int, script: str) -> None:
    """Neither Python nor files, programs or Lua's own insides."""
    with Raw(port) as raw:
        kind, _ = raw.call("EVAL", script, "0")
        assert kind == "-"
        assert raw.call("EVAL", "return redis.call('PING')", "0") == ("+", b"PONG")


def test_a_script_without_end_is_stopped(port: int, other: Raw) -> None:
    """It gets an error, and the others are served again."""
    with Raw(port) as raw:
        kind, message = raw.call("EVAL", "while true do end", "0")
        assert kind == "-" and b"stopped" in message
        assert other.call("PING") == ("+", b"PONG")


def test_a_script_cannot_fill_the_memory(port: int) -> None:
    """More than its share is an error."""
    with Raw(port) as raw:
        assert raw.call("EVAL", "return #string.rep('x', 1000000000)", "0")[0] == "-"
        assert raw.call("PING") == ("+", b"PONG")


@pytest.mark.parametrize(
    "words",
    [
        ("RESTORE", "k", "0", "x"),
        ("CONFIG", "SET", "dir", "/tmp"),
        ("ACL", "SAVE"),
        ("FUNCTION", "LOAD", "x"),
    ],
)
def test_what_fakeredis_would_do_beyond_redis_is_refused(port: int, words: tuple[str, ...]) -> None:
    """RESTORE would unpickle what a client sends; the others reach files or another Lua."""
    with Raw(port) as raw:
        assert raw.call(*words)[0] == "-"
        assert raw.call("EVAL", f"return redis.call('{words[0]}', 'k', '0', 'x')", "0")[0] == "-"
