"""Law: whatever commands come in whatever order, the fake replies as redis-server 7 does.

``FAKE_EQUALS_REDIS_EXAMPLES=2000`` makes the search longer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from sandbox.engines.live.fake import commands
from tests.redis_calls import BLOCKING, CALLS, KEYS, UNORDERED, Call, calls, key, some
from tests.redis_wire import Raw, fake_server, real_server
from tests.waiting import comes_true

pytestmark = pytest.mark.redis

N_EXAMPLES = int(os.environ.get("FAKE_EQUALS_REDIS_EXAMPLES", "100"))
LONG = "FAKE_EQUALS_REDIS_EXAMPLES" in os.environ
N_STEPS = 30
N_CLIENTS = 3
TTL_SLACK_MS = 20_000
CONTENT = {
    b"string": (b"GET",),
    b"list": (b"LRANGE", b"0", b"-1"),
    b"hash": (b"HGETALL",),
    b"set": (b"SMEMBERS",),
    b"zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"),
}


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    with fake_server() as fake, real_server() as real:
        yield fake, real


def plain(reply: tuple[str, Any], name: str) -> Any:
    """Return what must be equal of a reply: of an error its first word."""
    kind, value = reply
    if kind == "-":
        return kind, value.split()[0]
    if kind == ":" and name in ("PTTL", "TTL"):
        slack = TTL_SLACK_MS // (1000 if name == "TTL" else 1)
        return kind, int(value) if int(value) < 0 else round(int(value) / slack / 5)
    if isinstance(value, list):
        items = [plain(item, "") if isinstance(item[0], str) else item for item in value]
        if name in ("HSCAN", "SSCAN", "ZSCAN", "SCAN") and len(items) == 2:
            return kind, items[0], sorted(items[1][1], key=repr)
        if name == "HGETALL" and kind == "*":
            items = list(zip(items[::2], items[1::2], strict=True))
        return kind, sorted(items, key=repr) if name in UNORDERED else items
    return kind, value


class Pair:
    """A client of the fake and one of redis-server that say the same."""

    def __init__(self, ports: tuple[int, int], protocol: int) -> None:
        self.ends = [Raw(port, protocol) for port in ports]
        self.expected: list[Call] = []  # what a reply is awaited for
        self.queued: list[str] | None = None  # commands in MULTI

    def send(self, call: Call) -> None:
        for end in self.ends:
            end.send(*call)

    def read(self, call: Call) -> Any:
        """Read both replies, which must be equal."""
        name = call[0].decode().upper()
        fake, real = (end.read() for end in self.ends)
        queued, self.queued = self.queued, self._queue_after(name, real)
        if name == "EXEC" and real[0] == "*" and real[1] and queued is not None:
            assert fake[0] == "*" and len(fake[1]) == len(real[1])
            for one, fake_one, real_one in zip(queued, fake[1], real[1], strict=True):
                assert plain(fake_one, one) == plain(real_one, one), (one, fake_one, real_one)
        else:
            assert plain(fake, name) == plain(real, name), (call, fake, real)
        return real

    def _queue_after(self, name: str, real: tuple[str, Any]) -> list[str] | None:
        if name == "MULTI" and real == ("+", b"OK"):
            return []
        if name in ("EXEC", "DISCARD"):
            return None
        if real == ("+", b"QUEUED") and self.queued is not None:
            return [*self.queued, name]
        return self.queued

    def call(self, *call: bytes) -> Any:
        self.send(call)
        return self.read(call)

    def close(self) -> None:
        for end in self.ends:
            end.socket.close()


class Machine(RuleBasedStateMachine):
    """Several clients of both servers; each step, the replies and the data are compared."""

    ports: ClassVar[tuple[int, int]]

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Pair] = []
        self.parked: dict[int, Call] = {}

    @initialize(protocol=st.sampled_from((2, 2, 3)))
    def connect(self, protocol: int) -> None:
        self.judge = Pair(self.ports, 2)
        self.judge.call(b"FLUSHALL")
        self.clients = [Pair(self.ports, protocol) for _ in range(N_CLIENTS)]

    def teardown(self) -> None:
        for pair in [*self.clients, self.judge]:
            pair.close()
        self.settle_clients()

    def settle_clients(self) -> None:
        """Wait until both servers have noticed that the clients are gone."""
        for port in self.ports:
            with Raw(port) as raw:
                assert comes_true(
                    lambda raw=raw: b"blocked_clients:0" in raw.call("INFO", "clients")[1]
                )

    def free(self, i: int) -> bool:
        return i not in self.parked

    def client(self, i: int) -> int:
        """Return the number of a client that is not parked; the last one never is."""
        return i if self.free(i) else N_CLIENTS - 1

    def compare(self) -> None:
        """Read what was served to parked clients, then compare all data."""
        self.judge.call(b"PING")
        for i, call in list(self.parked.items()):
            ready = [end.waiting() for end in self.clients[i].ends]
            assert ready[0] == ready[1], f"only one has served {call}"
            if ready[0]:
                del self.parked[i]
                self.clients[i].read(call)
        keys = self.judge.call(b"KEYS", b"*")[1]
        for _, name in keys:
            kind = self.judge.call(b"TYPE", name)[1]
            command, *rest = CONTENT[kind]
            self.judge.call(command, name, *rest)
            self.judge.call(b"PTTL", name)

    @rule(i=st.integers(0, N_CLIENTS - 1), call=calls())
    def any_call(self, i: int, call: Call) -> None:
        self.clients[self.client(i)].call(*call)
        self.compare()

    @rule(
        i=st.integers(0, N_CLIENTS - 1),
        keys=some(key),
        word=st.sampled_from(
            (b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"WATCH", b"UNWATCH", b"EXEC", b"NONSENSE")
        ),
    )
    def transaction(self, i: int, keys: list[bytes], word: bytes) -> None:
        self.clients[self.client(i)].call(word, *(keys if word in (b"WATCH", b"NONSENSE") else []))
        self.compare()

    @rule(i=st.integers(0, N_CLIENTS - 1), keys=some(key), call=calls(), other=calls())
    def whole_transaction(self, i: int, keys: list[bytes], call: Call, other: Call) -> None:
        client = self.clients[self.client(i)]
        client.call(b"WATCH", *keys)
        for one in ((b"MULTI",), call, other, (b"EXEC",)):
            client.call(*one)
        self.compare()

    @rule(
        i=st.integers(0, N_CLIENTS - 1),
        call=calls(BLOCKING),
        timeout=st.sampled_from((b"0", b"0", b"0", b"0.02", b"-1", b"x", b"", b"inf")),
    )
    def blocking_call(self, i: int, call: Call, timeout: bytes) -> None:
        i = self.client(i)
        client, words = self.clients[i], (*call, timeout)
        if timeout == b"0" and i == N_CLIENTS - 1 and client.queued is None:
            return  # somebody must be left to push
        client.send(words)
        self.judge.call(b"PING")
        until_idle = timeout == b"0" and client.queued is None
        if until_idle and not any(end.waiting() for end in client.ends):
            self.parked[i] = words
        else:
            client.read(words)
        self.compare()

    @rule(name=st.sampled_from(KEYS))
    def expire(self, name: bytes) -> None:
        """Let a key come to its end."""
        self.judge.call(b"PEXPIRE", name, b"1")
        for end in self.judge.ends:
            assert comes_true(lambda end=end: end.call("EXISTS", name) == (":", b"0"))
        self.compare()

    @rule(i=st.integers(0, N_CLIENTS - 1))
    def select(self, i: int) -> None:
        """Work in another database for a while."""
        client = self.clients[self.client(i)]
        client.call(b"SELECT", b"1")
        client.call(b"SET", b"a", b"elsewhere")
        client.call(b"SELECT", b"0")
        self.compare()


def test_the_fake_equals_redis(ports: tuple[int, int]) -> None:
    """Replies, errors' first words, the keys, their values and their ends are equal."""
    Machine.ports = ports
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=N_EXAMPLES,
            stateful_step_count=N_STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            # To shrink takes minutes, and the message names the call: only a long search does.
            phases=[phase for phase in Phase if phase is not Phase.shrink or LONG],
        ),
    )


NO_LAW = ("SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE")  # refused inside MULTI


@pytest.mark.parametrize("name", sorted(name.upper() for name in commands.SERVED))
def test_number_of_arguments(ports: tuple[int, int], name: str) -> None:
    """MULTI takes and refuses the same numbers of a command's arguments."""
    if name in NO_LAW:
        pytest.skip("the table in docs/fake-redis.md holds this one")
    pair = Pair(ports, 2)
    for n in range(8):
        pair.call(b"MULTI")
        pair.call(*name.encode().split(), *[b"1"] * n)
        if name not in ("EXEC", "DISCARD") or n:
            pair.call(b"DISCARD")
    pair.close()


def test_every_served_data_command_is_compared() -> None:
    """What a script may call is in the comparison; what has no certain reply is named here."""
    uncertain = {"time", "randomkey"}
    compared = {name.lower() for name in (*CALLS, *BLOCKING)}
    assert compared | uncertain == commands.IN_SCRIPTS
