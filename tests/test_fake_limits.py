"""Laws: what the fake cannot do is the table of docs/fake-redis.md, and it says so itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.redis_wire import PASSWORD, ROOT, Raw, fake_server, real_server

PAGE = ROOT / "docs" / "fake-redis.md"
ROWS = [
    line.split("|")[1]
    for line in PAGE.read_text(encoding="utf-8").partition("## What it cannot do")[2].splitlines()
    if line.startswith("| `")
]


@pytest.fixture(scope="module")
def fake() -> Iterator[int]:
    with fake_server() as port:
        yield port


@pytest.fixture(scope="module")
def real() -> Iterator[int]:
    with real_server() as port:
        yield port


def replies(raw: Raw, row: str) -> list[tuple[str, Any]]:
    """Run a row's commands, the words in its backticks."""
    return [raw.call(*command.split()) for command in re.findall(r"`([^`]+)`", row)]


def test_there_is_a_table() -> None:
    """The page has the rows that the next laws are about, each once."""
    assert len(ROWS) > 30
    assert len(set(ROWS)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_the_fake_refuses_a_row_and_goes_on(fake: int, row: str) -> None:
    """A row that has become possible leaves the table; a refusal is one clear error."""
    with Raw(fake) as raw:
        kind, message = replies(raw, row)[-1]
        assert kind == "-"
        assert bytes(message).startswith(b"ERR the fake broker has no ")
        raw.call("RESET")
        raw.call("AUTH", PASSWORD)
        assert raw.call("PING") == ("+", b"PONG")


@pytest.mark.redis
@pytest.mark.parametrize("row", ROWS)
def test_redis_does_a_row(real: int, row: str) -> None:
    """A row is a real difference: redis-server has an answer that is no error."""
    with Raw(real) as raw:
        raw.call("FLUSHALL")
        assert all(kind != "-" for kind, _ in replies(raw, row))


@pytest.mark.parametrize("words", [("NONSENSE",), ("CLIENT", "NONSENSE"), ("HEXPIRE", "k", "1")])
def test_what_is_no_command_is_an_error(fake: int, words: tuple[str, ...]) -> None:
    """Neither what Redis has never heard of nor what came after 7.0 ends the connection."""
    with Raw(fake) as raw:
        assert raw.call(*words)[0] == "-"
        assert raw.call("PING") == ("+", b"PONG")
