"""The visitors of the front door: real HTTP requests at their times, and polls for results.

What they ask for is stated by the door that is open: a system's own, or the plain one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sandbox.engines.live import app as apps
from sandbox.engines.live.calls import address
from sandbox.engines.live.front import PENDING
from sandbox.engines.live.fronts import FILE, own_door
from sandbox.engines.live.writer import Writer
from sandbox.front import FrontDoor

_OUTCOMES = {200: "done", 500: "failed", 503: "refused"}
_ACCEPTED = 202
_MOST_HEAD = 65536


class Asked(Protocol):
    """What visitors need to know of a door; see ``fronts.OwnDoor``."""

    def ask(self, n: int) -> tuple[str, str, Any]:
        """Return request n."""

    def poll(self, answer: Mapping[str, Any]) -> str:
        """Return where to ask for its result."""

    def outcome(self, status: int, answer: Mapping[str, Any]) -> str | None:
        """Return what an answer says became of it; None: not yet known."""


class PlainDoor:
    """The requests to the plain door, whose answers are a status and nothing else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def ask(self, n: int) -> tuple[str, str, Any]:
        """Return request n."""
        return "GET", f"/{self._token}/do/{n}", None

    def poll(self, answer: Mapping[str, Any]) -> str:
        """Return where to ask for the result of a request."""
        return f"/{self._token}/result/{answer['n']}"

    def outcome(self, status: int, answer: Mapping[str, Any]) -> str | None:
        """Return what an answer says became of the request."""
        return None if status == PENDING else _OUTCOMES.get(status, f"status {status}")


class Visitors:
    """One visitor a request: asks, polls if told to, and writes down what it sees."""

    def __init__(self, door: FrontDoor, writer: Writer) -> None:
        self._door, self._writer = door, writer
        self._port, self._token = address(FILE)
        self._asked: Asked = PlainDoor(self._token) if door.app is None else own_door(door.app)

    async def visit(self, n: int, at: float) -> None:
        """Make request n at a monotonic time and wait for its answer, or give up."""
        method, path, body = self._asked.ask(n)
        request = self._request(method, path, body, f"X-Task-Number: {n}\r\n")
        await asyncio.sleep(at - time.monotonic())
        key = f"{self._door.task}/{n}"
        self._writer.write("requested", task=key)
        try:
            outcome = await asyncio.wait_for(self._outcome(n, key, request), self._door.timeout_s)
        except TimeoutError:
            outcome = "timed out"
        except (OSError, EOFError, ValueError, LookupError) as exc:
            outcome = f"no answer: {exc}"
        self._writer.write("answered", task=key, detail={"outcome": outcome})

    async def _outcome(self, n: int, key: str, request: bytes) -> str:
        status, answer = await self._answer(request)
        if status != _ACCEPTED:
            return self._asked.outcome(status, answer) or f"status {status}"
        self._writer.write("accepted", task=key)
        poll = self._request("GET", self._asked.poll({"n": n} | answer), None)
        outcome = None
        while outcome is None:
            await asyncio.sleep(self._door.poll_every_s)
            self._writer.write("polled", task=key)
            outcome = self._asked.outcome(*await self._answer(poll))
        return outcome

    def _request(self, method: str, path: str, body: Any, more: str = "") -> bytes:
        """Return a whole request; a visitor has a connection for each."""
        text = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: close\r\n"
            f"Authorization: Bearer {self._token}\r\n{more}"
        )
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        return head.encode() + b"\r\n" + text

    async def _answer(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Make a request; return the status and the object that the body says, {} without one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_MOST_HEAD)
        try:
            writer.write(request)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            if not head:
                raise ConnectionResetError("the front door has closed the connection")
            found = json.loads(body) if body else {}
            return int(head.split()[1]), found if isinstance(found, dict) else {}
        finally:
            writer.close()


async def _visit(folder: Path, writer: Writer) -> None:
    scenario = apps.scenario_of(folder)
    door = scenario.front_door
    if door is None:
        raise ValueError("the scenario has no front door")
    orders = asyncio.StreamReader()
    protocol = partial(asyncio.StreamReaderProtocol, orders)
    await asyncio.get_running_loop().connect_read_pipe(protocol, sys.stdin)
    if door.app is not None:
        own_door(door.app)  # what it imports takes no time of the first request
    writer.write("_visitors_ready")
    go = json.loads(await orders.readline())["go"]
    # By now the front door, which is waited for as this process is, has noted its port.
    visitors = Visitors(door, writer)
    times = enumerate(door.arrivals_s(scenario))
    await asyncio.gather(*(visitors.visit(n, go + at_s) for n, at_s in times))
    writer.write("_visitors_done")
    await orders.readline()


def main(folder: Path, _: apps.Link) -> None:
    """Play the visitors of the scenario in ``folder``; ends with its supervisor."""
    asyncio.run(_visit(folder, Writer(folder / "raw" / "visitors.jsonl")))
