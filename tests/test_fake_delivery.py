"""Law: a message is read by one client or is in its list; a client's end loses none.

redis-server pops before it knows that a client has gone: what it wrote to a connection that was
cut is lost there. Here the fake is better than what it stands for, and docs/fake-redis.md says so.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.redis_wire import Raw, fake_server, request
from tests.waiting import comes_true

N_MESSAGES = 100


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fake_server() as port:
        yield port


def clients_gone(raw: Raw) -> bool:
    return b"connected_clients:1\r\n" in raw.call("INFO")[1]


@pytest.mark.parametrize("pop", ["BRPOP", "BLPOP"])
def test_cut_clients_lose_no_message(port: int, pop: str) -> None:
    """Clients' sockets are cut at random moments while messages are pushed."""
    random_ = random.Random(7)
    read: list[bytes] = []
    sent = [b"%d" % i for i in range(N_MESSAGES)]
    key = f"cut-{pop}"
    done = threading.Event()

    def push() -> None:
        with Raw(port) as raw:
            for message in sent:
                raw.call("LPUSH", key, message)
                done.wait(random_.random() * 0.002)
        done.set()

    def take_and_cut() -> None:
        """Block; then read what is there, or cut the connection at once or with it unread."""
        with Raw(port) as raw:
            raw.send(pop, key, "1")
            how = random_.random()
            if how < 0.3:
                if raw.waiting():
                    read.append(raw.read()[1][1][1])
                return
            if how < 0.6:
                assert comes_true(lambda: raw.waiting() or done.is_set())
            if how < 0.8:  # a reset instead of an end
                linger = struct.pack("ii", 1, 0)
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    pusher = threading.Thread(target=push)
    pusher.start()
    while not done.is_set():
        take_and_cut()
    pusher.join()
    with Raw(port) as raw:
        assert comes_true(lambda: clients_gone(raw))
        left = [message for _, message in raw.call("LRANGE", key, "0", "-1")[1]]
    assert sorted(read + left) == sorted(sent)


@pytest.mark.parametrize(("pop", "order"), [("BRPOP", b"cab"), ("BLPOP", b"cab")])
def test_what_was_not_read_returns_to_its_place(port: int, pop: str, order: bytes) -> None:
    """The next client gets the same message, not another one."""
    with Raw(port) as raw:
        raw.call("DEL", "place")
        raw.call("RPUSH", "place", *[b"%c" % c for c in order])
        with Raw(port) as cut:
            cut.send(pop, "place", "0")
            assert comes_true(cut.waiting)
        assert comes_true(lambda: clients_gone(raw))
        assert raw.call("LRANGE", "place", "0", "-1")[1] == [("$", b"%c" % c) for c in order]


def test_what_was_not_read_goes_to_the_next_in_line(port: int) -> None:
    """A client that waits already gets it at once."""
    with Raw(port) as raw, Raw(port) as waiting:
        with Raw(port) as cut:
            raw.call("DEL", "line")
            raw.call("RPUSH", "line", "m")
            cut.send("BRPOP", "line", "0")
            assert comes_true(cut.waiting)
            waiting.send("BRPOP", "line", "0")
            assert comes_true(lambda: b"blocked_clients:1\r\n" in raw.call("INFO")[1])
        assert waiting.read() == ("*", [("$", b"line"), ("$", b"m")])


def test_what_was_read_stays_taken(port: int) -> None:
    """A message that a client has read before its end is not sent again."""
    with Raw(port) as raw:
        raw.call("RPUSH", "read", "m")
        with Raw(port) as cut:
            assert cut.call("BRPOP", "read", "0")[0] == "*"
        assert comes_true(lambda: clients_gone(raw))
        assert raw.call("EXISTS", "read") == (":", b"0")


def test_a_request_after_the_pop_says_that_it_was_read(port: int) -> None:
    """Who sends on has had the reply: only what came after it can be unread."""
    with Raw(port) as raw:
        raw.call("RPUSH", "on", "m")
        with Raw(port) as cut:
            cut.socket.sendall(request("BRPOP", "on", "0"))
            assert cut.read()[0] == "*"
            cut.send("PING")
            assert comes_true(cut.waiting)
        assert comes_true(lambda: clients_gone(raw))
        assert raw.call("EXISTS", "on") == (":", b"0")
